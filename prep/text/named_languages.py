"""Which language an instruction asks its answers to be in: "Answer in English", "Antworte auf Deutsch", "用中文回答"."""

import re
from functools import lru_cache

from prep.text.language_words import NAMES

# What languages are called in the languages of most prompts; in English by `NAMES`.
_OTHER_NAMES = {
    "en": "englisch englischer anglais inglés inglese inglês engels engelska engelsk 英文 英语 英語",
    "de": "deutsch deutscher allemand alemán tedesco alemão duits tyska tysk 德文 德语 ドイツ語",
    "fr": "französisch français francés francese francês frans franska fransk 法文 法语 フランス語",
    "es": "spanisch espagnol español castellano spagnolo espanhol spaans spanska 西班牙文 西班牙语 スペイン語",
    "it": "italienisch italien italiano italiaans italienska 意大利文 意大利语 イタリア語",
    "pt": "portugiesisch portugais portugués portoghese português portugees 葡萄牙文 葡萄牙语",
    "nl": "niederländisch néerlandais neerlandés olandese nederlands holländska 荷兰文 荷兰语",
    "pl": "polnisch polonais polaco polacco pools polsku 波兰文 波兰语",
    "tr": "türkisch turc turco turks türkçe 土耳其文 土耳其语",
    "zh": "chinesisch chinois cinese chinês chinees mandarin 中文 汉语 漢語 简体中文 繁体中文 中国語",
    "ja": "japanisch japonais japonés giapponese japonês japans 日文 日语 日本語",
    "ko": "koreanisch coréen coreano koreaans 韩文 韩语 韓国語 한국어",
    "ru": "russisch russe ruso russo 俄文 俄语",
}
_CODES = {name.casefold(): code for code, name in NAMES.items()} | {
    name: code for code, names in _OTHER_NAMES.items() for name in names.split()
}
_LATIN = "|".join(sorted((name for name in _CODES if not name[0] > "\u3000"), key=len, reverse=True))
_HAN = "|".join(sorted((name for name in _CODES if name[0] > "\u3000"), key=len, reverse=True))
_PLAIN = (
    r"(?:(?:plain|simple|clear|good|proper|fluent|formal|native|correct|british|american|us|uk|brazilian|simplified|traditional) ){0,2}"
)
_ANY = re.compile(rf"(?i)\b(?:{_LATIN})\b|{_HAN}")
_NOUN = "answer|reply|response|summary|sentence|title|headline|note|text|translation"
_ASKED = re.compile(
    rf"(?i)\b(?:in|into|auf|ins|en|em|po|på)\s(?:the\s|het\s)?{_PLAIN}(?P<into>{_LATIN})\b(?!\s+(?:literature|class))"
    rf"|\b(?:translat\w*[^.!?\n]{{0,80}}\sto|only|use|speak|write|(?:language|sprache|langue)\s?(?:is|:|=)?)\s{_PLAIN}(?P<use>{_LATIN})\b"
    rf"|\b(?:an?|one|your|short|brief)\s{_PLAIN}(?P<of>{_LATIN})\s(?:{_NOUN})"
    rf"|(?:用|以|使用|译成|翻译成|翻译为)\s?(?P<han>{_HAN})|(?P<ja>{_HAN})で"
)
_ALSO = re.compile(rf"(?i)^\s*(?:[,/或和]|\b(?:or|and|oder|und|ou|et|y)\b)\s*(?:in\s)?(?:{_LATIN}|{_HAN})")
# "Reviews written in German" says what is read, not what is to be written; so does "Sort messages in German", but "Answer messages in
# German" does not.
_READ = re.compile(
    r"(?i)(?:\b(?:written|given|composed|received|asked|posed|posted|typed|spoken|geschrieben\w*|écrits?|from)"
    r"|\b(?:is|are|was|were|mostly|all|partly))\s$"
)
_READ_NOUN = re.compile(
    r"(?i)\b(?:texts?|reviews?|messages?|e-?mails?|questions?|comments?|posts?|transcripts?|conversations?|dialogues?|documents?|articles?"
    r"|letters?|calls?|tweets?|customers?|users?|callers?)\s$"
)
_WRITES = re.compile(
    r"(?i)\b(?:answer|repl(?:y|ies)|respond|writ(?:e|es|ing)|summ?ari[sz]\w*|sum up|describe|explain|report|return|output|say|tell|give"
    r"|state|name|rewrite|translat\w*|speak|condense|paraphrase|take down|note)\b[^.!?\n]*$"
)
_WORDS_TOO = frozenset({"polish"})  # without a capital
_MAX_READ = 4_000


@lru_cache(maxsize=4_096)
def asked_language(instruction: str) -> str | None:
    """Returns the code of the one language that an instruction asks its answers to be in; None where it names none or several."""
    text = instruction[:_MAX_READ]
    asked = set()
    for match in _ASKED.finditer(text):
        name, before = match[match.lastgroup or 0], text[: match.start()]
        if name in _WORDS_TOO:
            continue
        if match["into"] and (_READ.search(before) or (_READ_NOUN.search(before) and not _WRITES.search(before))):
            continue
        if _ALSO.search(text[match.end() :]):
            return None
        asked.add(_CODES[name.casefold()])
    return asked.pop() if len(asked) == 1 else None


def named_languages(instruction: str) -> set[str]:
    """Returns the codes of all languages that an instruction speaks of."""
    return {_CODES[match[0].casefold()] for match in _ANY.finditer(instruction[:_MAX_READ])}
