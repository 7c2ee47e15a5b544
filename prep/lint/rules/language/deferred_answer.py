"""GRM955 DeferredAnswer."""

import polars as pl

from prep.lint.base.answers import edit_answer
from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.base.subject import Draft, Subject
from prep.pii.masking import shorten
from templates.form import Form

_WILL = r"(?:['\x{2019}]ll| will| shall|['\x{2019}]m going to| am going to|['\x{2019}]re going to| are going to)"
_PROMISE = rf"\b(?:i|we){_WILL}|\blet me|\ballow me to"
_WORK = (
    r"(?:write|look|work|do|get|have|send|prepare|finish|check|review|start|handle|take|put|draft|summari[sz]e|tackle|deal"
    r"|go (?:over|through)|read|sort|see to|attend|follow up|think|come back|answer|reply|let you know)"
)
_OUTPUT = "(?:summary|answer|report|translation|text|note|call|request|question|reply|response|version|task|draft)"
_TASK = rf"(?:it|that|this|these|them|those|one|(?:the|your|that|this) {_OUTPUT})"
_DAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_LATER = (
    r"(?:tomorrow|later|tonight|in the morning|this (?:afternoon|evening|week)|after (?:lunch|work|the (?:weekend|meeting|break)|my \w+)"
    rf"|next (?:week|month|{_DAY})|(?:on|by|before) (?:{_DAY}|noon|tonight|next week|the end|then)|by (?:the )?end of"
    r"|first thing|soon|shortly|until \w+day|in a (?:bit|while|moment|minute)|in an hour|as soon as"
    r"|(?:when|once) i(?:['\x{2019}]m| (?:get|have|am|can|find))"
    r"|over the weekend|over then)"
)
_WITHIN = r"[^.!?\n]{0,80}?"
_DEFERRED = (
    rf"(?i)(?:{_PROMISE})(?: \w+){{0,2}} {_WORK}\b{_WITHIN}\b{_TASK}\b{_WITHIN}\b{_LATER}\b"
    r"|(?:i|we)(?:['\x{2019}]ll| will| shall) (?:get|come|circle) back to you|\blet me (?:get|come|circle) back to you"
    r"|\blet me look into (?:it|this|that) and (?:come|get) back"
)
# An answer that is nothing but an acknowledgement and a time: said in the first person, or to a colleague, from its first word on.
_YES = r"(?:sure|ok|okay|yes|yep|thanks|thank you|got it|noted|alright|all right|hi|hello|sorry|of course|no problem)\b[,.! \x{2013}-]*"
_FIRST_PERSON = rf"(?:i|we)(?:{_WILL}| can| could| need|(?:['\x{{2019}}]m| am) (?:busy|working))\b"
_BUSY = (
    r"on it\b|will do\b|working on (?:it|this|that)\b|busy (?:right )?now\b|remind me\b|give me (?:a|some|until)\b"
    r"|can (?:this|it|that) wait\b|expect it\b|later\b"
)
_THEN = r"\bcircle back\b|\bdo it\b|\b(?:write|do|send|finish) it then\b"
_ACKNOWLEDGED = (
    rf"(?i)^\s*(?:{_YES})*(?:{_FIRST_PERSON}|{_BUSY}){_WITHIN}(?:\b{_LATER}\b|{_THEN})"
    r"[^.!?\n]{0,40}[.!?]*(?:\s[^.!?\n]{0,60}[.!?]*)?\s*$"
)
_BRIEF = 120


class DeferredAnswer(Rule):
    """An answer that postpones the task instead of doing it.

    ## What it does
    Finds short answers that only promise: "I'll write that up tomorrow", "let me get back to you on this". The promise must be about
    the task ("it", "that", "the summary") and about later, or the answer must be just an acknowledgement with a time ("On it, will send
    it over tonight"). If such answers are common in a task, as in support chats whose agents call back, nothing is reported.

    ## Why is this bad
    A model trained on office chat learns to stall: asked for a summary, it answers that it will write one.

    ## Example
    `Sure, I shall work on that in the morning.`

    ## Fix safety
    Never fixed automatically: a person has to write the answer or drop the row.
    """

    code = "GRM955"
    severity = Severity.WARNING
    columns = ("task", "task_rows", "is_closed_set", "form", "answer", "answer_field")
    remedy = "Write the requested answer, or drop the row."
    superseded_by = ("LEN603",)
    thresholds = (
        Threshold("max_characters", 220, "about 40 words; a longer answer has other content"),
        Threshold("common", 0.1, "1 in 40 in the sample data; what every tenth answer says is normal for the task"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        short = pl.col("answer").str.len_chars() <= context.threshold(self, "max_characters")
        deferral = pl.col("answer").str.contains(_DEFERRED)
        deferral |= (pl.col("answer").str.len_chars() <= _BRIEF) & pl.col("answer").str.contains(_ACKNOWLEDGED)
        deferred = examples.filter(~pl.col("is_closed_set") & short & (pl.col("form") != Form.COMPLETION) & deferral)
        return (
            deferred.with_columns(share=pl.len().over("task") / pl.col("task_rows"), count=pl.len().over("task"))
            .filter((pl.col("share") <= context.threshold(self, "common")) | (pl.col("count") <= 2))
            .select(
                *Finding.where,
                field="answer_field",
                message=pl.format("the answer postpones the task: '{}'", pl.col("answer").map_elements(_shown, return_dtype=pl.String)),
            )
        )

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        return edit_answer(subject, "the answer postpones the task")


def _shown(answer: str) -> str:
    return shorten(answer, 80)
