"""How refusals and canned openings are worded, as patterns for Polars' linear-time regex."""

import polars as pl

from prep.lint.frame.tasks import ONE_TASK, asks_anything

_APOSTROPHE = r"['\x{2019}\x{2018}\x{60}]?"
_AI = r"(?:ai|a\.i\.|artificial intelligence|(?:large )?language model|llm|virtual assistant|chat ?bot|machine learning model)"
# What may stand before a refusal: an apology, thanks, a greeting, with what they are for.
_LEAD = (
    rf"(?:(?:i{_APOSTROPHE}m|i am|we{_APOSTROPHE}re|we are)?[\s,]*(?:so |very |really |truly |deeply |terribly )?(?:sorry|afraid)"
    r"|(?:my |our )?(?:sincere |deepest )?apologies|(?:i|we) (?:sincerely |do |must |deeply )?apologi[sz]e|forgive me|pardon me"
    r"|unfortunately|regrettably|sadly|i regret|i appreciate|thank(?:s| you)|i understand|hello|hi|hmm|well|no|while i)\b"
)
_ACT = (
    r"(?:help|assist|aid|comply|fulfil+|provide|generate|create|summari[sz]e|classify|categori[sz]e|answer|write|produce|offer|give|process"
    r"|complete|engage|respond|reply|determine|translate|label|analy[sz]e|discuss|share|support|do (?:that|this|so|it)|continue|participate"
    r"|perform|carry out|decide|judge|evaluate|assess|rate|identify|extract|read|review|accommodate|proceed|satisfy|say|speak"
    r"|have (?:the |an |any |enough |sufficient )?(?:ability|capabilit|access|information|opinion|context|knowledge|personal))"
)
_NOT = (
    rf"(?:can ?not|can{_APOSTROPHE}t|could not|couldn{_APOSTROPHE}t|won{_APOSTROPHE}t|will not|would not|wouldn{_APOSTROPHE}t|do not"
    rf"|don{_APOSTROPHE}t|may not|must not|shouldn{_APOSTROPHE}t|should not)"
)
_UNABLE = (
    rf"(?:{_NOT}(?: \w+){{0,3}}? {_ACT}"
    r"|(?:be |feel )?(?:un(?:able|willing)|not (?:able|allowed|permitted|programmed|designed|authori[sz]ed|in a position|trained|qualified"
    rf"|capable|willing))(?: \w+){{0,2}}? (?:to|of)(?: \w+){{0,2}}? {_ACT}"
    r"|(?:do )?not (?:feel )?comfortable|(?:must |have to |need to )?(?:respectfully |politely )?(?:decline|refuse)\b"
    r"|would rather not|rather not|prefer not to)"
)
_I = rf"(?:i|we)(?:{_APOSTROPHE}(?:m|d|ll|re)| am| are)?(?: (?:really|currently|just|simply|also|therefore|only|personally))?"
_POLICY = (
    r"(?:against|violates?|contrary to|outside of|not permitted by|prohibited by) (?:my|our|openai\S*|the|content|safety|ethical|usage)\b"
    r"[^.!?\n]{0,30}\b(?:guidelines|polic|programming|principles|terms|instructions)"
)
_REQUEST = r"(?:(?:that|this|your|the|such)(?: \w+){0,2}? (?:request|question|task|topic|content|query|prompt|instruction)|this|that|it)"
_ENGLISH = (
    rf"(?:{_LEAD}[^\n]{{0,100}}?)?\b(?:{_I} {_UNABLE}|{_REQUEST} (?:\w+ ){{0,2}}?{_POLICY}|{_POLICY}"
    rf"|(?:that|this)(?:{_APOSTROPHE}s| is) (?:not )?something (?:that )?i(?:{_APOSTROPHE}m| am)?"
    rf" (?:can{_APOSTROPHE}t|cannot|can\b|not able)"
    r"|it (?:would|is|would be|might) (?:not be|be in|not|in)?\s?(?:appropriate|inappropriate|unethical|irresponsible) for me to"
    r"|(?:that|this|it)(?:['\x{2019}]?s| is| falls| lies| goes)? (?:beyond|outside)(?: of)? (?:what i|my|the scope)"
    rf"|{_I} (?:do not|don{_APOSTROPHE}t|did not|didn{_APOSTROPHE}t) (?:quite |fully )?understand {_REQUEST}"
    rf"|{_REQUEST} (?:cannot be|can{_APOSTROPHE}t be|has been|was|is) (?:fulfilled|declined|denied|refused|blocked|rejected))"
    rf"|(?:(?:i{_APOSTROPHE}m )?sorry|apologies|no)\W+(?:but )?(?:i|we) (?:can ?not|can{_APOSTROPHE}t|won{_APOSTROPHE}t)\W*$"
    rf"|i (?:can ?not|can{_APOSTROPHE}t|won{_APOSTROPHE}t|refuse to) (?:do|answer|help|assist)\b"
)
_EUROPEAN = (
    r"(?:(?:es )?tut mir (?:sehr |wirklich )?leid|entschuldigung|leider)"
    r"\b[^.!?\n]{0,60}?\b(?:kann|darf|werde) ich\b[^.!?\n]{0,80}?\b(?:nicht|kein)"
    r"|(?:es )?tut mir (?:sehr )?leid,? (?:aber )?(?:ich|das|dabei) (?:kann|darf)"
    r"|als (?:eine? )?(?:ki\b|künstliche intelligenz|sprachmodell)"
    r"|(?:je suis|nous sommes) (?:vraiment )?(?:désolé|navré)e?s?[^.!?\n]{0,40}?\b(?:je|nous) (?:ne |n['\x{2019}])"
    r"|en tant qu(?:e |['\x{2019}])(?:ia\b|intelligence artificielle|modèle|assistant)"
    r"|(?:lo siento|lo lamento|disculpa)[^.!?\n]{0,40}?\bno (?:puedo|me es|podemos)"
    r"|com[oe] (?:una? |um |un['\x{2019}])?(?:ia\b|modelo de lengua(?:je|gem)|modelo de linguagem|modello linguistico"
    r"|inteligencia artificial|inteligência artificial|intelligenza artificiale)"
    r"|(?:mi dispiace|spiacente)[^.!?\n]{0,40}?\bnon (?:posso|sono in grado)"
    r"|(?:desculpe|sinto muito|lamento)[^.!?\n]{0,40}?\bnão (?:posso|consigo|podemos)"
    r"|(?:het spijt me|sorry|helaas)[^.!?\n]{0,40}?\bik (?:kan|mag)\b[^.!?\n]{0,60}?\bniet|als (?:een )?(?:ai|taalmodel)\b"
    r"|(?:извините|к сожалению)[^.!?\n]{0,40}?\bне (?:могу|можем)|как (?:ии\b|языковая модель|искусственный интеллект)"
)
_EAST_ASIAN = (
    r"(?:很?抱歉|对不起|很遗憾)[^\n。]{0,20}?(?:无法|不能|不便)|作为(?:一个|一名)?\s?(?:AI|人工智能|(?:AI)?语言模型)"
    r"|我(?:无法|不能)(?:提供|回答|帮助|协助|完成|满足)"
    r"|(?:申し訳|すみません|恐れ入り)[^\n。]{0,60}?(?:できません|いたしかねます)|죄송[^\n.]{0,60}?(?:없습니다|어렵습니다)"
)
REFUSAL = rf"(?i)^\W*(?:{_ENGLISH}|{_EUROPEAN}|{_EAST_ASIAN})"
"""An answer that begins by turning the task down."""

DISCLOSURE = (
    rf"(?i)\bas an? (?:[\w-]+ ){{0,3}}?{_AI}\b"
    rf"|\b(?:i{_APOSTROPHE}m|i am|being) (?:just |only |merely |simply )?an? (?:[\w-]+ ){{0,2}}?{_AI}\b"
)
"""An answer that says that an AI speaks."""

OPENING = (
    r"(?i)^\W*(?:sure(?: thing)?|certainly|of course|absolutely|definitely|(?:great|good) question|no problem|happy to help"
    r"|gladly|understood|okay|ok|alright|as requested|i['\x{2019}]?d be (?:happy|glad|delighted) to"
    r"|thank you for (?:your|the) (?:question|message|request)"
    r"|here (?:is|are) (?:the|a|an|your|some)|here['\x{2019}]s (?:the|a|an|your|some))(?:[!,.:\s]|$)"
    r"|^(?:当然|好的|以下是)"
)
"""An answer that begins with words that say nothing of it, as assistants do: "Sure! Here is the summary"."""

NARROW_TASK = ONE_TASK & ((pl.col("template") != "") | ~asks_anything(pl.col("instruction")))
"""A task that says what is to be done with an input, other than "You are a helpful assistant", under which anything may be asked."""
