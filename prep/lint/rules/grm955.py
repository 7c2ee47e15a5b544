"""GRM955 DeferredAnswer."""

import polars as pl

from prep.lint.context import Context
from prep.lint.drafts import edit_answer
from prep.lint.rule import Draft, Finding, Rule, Severity, Subject, Threshold
from prep.lint.texts import shorten

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
    r"|first thing|soon|shortly|in a (?:bit|while|moment|minute)|in an hour|(?:when|once) i (?:get|have|am|can|find)|as soon as"
    r"|over the weekend|over then)"
)
_WITHIN = r"[^.!?\n]{0,80}?"
_DEFERRED = (
    rf"(?i)(?:{_PROMISE})(?: \w+){{0,2}} {_WORK}\b{_WITHIN}\b{_TASK}\b{_WITHIN}\b{_LATER}\b"
    r"|(?:i|we)(?:['\x{2019}]ll| will| shall) (?:get|come|circle) back to you|\blet me (?:get|come|circle) back to you"
)


class DeferredAnswer(Rule):
    """An answer that puts the task off instead of doing it.

    ## What it does
    Finds short answers whose point is a promise: "I'll write that up tomorrow", "let me get back to you on this". The promise has to be
    about the task itself ("it", "that", "the summary") and about later. Where such answers are common in a task, as in support chats
    where an agent may well call back, nothing is reported.

    ## Why is this bad
    A model tuned on office chat learns to stall: asked for a summary, it says that it will write one.

    ## Example
    `Sure, I shall work on that in the morning.`

    ## Fix safety
    Never fixed automatically: the answer has to be written, or the row dropped, by a person.
    """

    code = "GRM955"
    severity = Severity.WARNING
    columns = ("task", "task_rows", "closed", "kind", "answer", "answer_field")
    remedy = "Write the answer that was asked for, or drop the row."
    yields_to = ("LEN603",)
    thresholds = (
        Threshold("max_characters", 220, "about 40 words: a longer answer says more than that it is late"),
        Threshold("common", 0.1, "the sample data has 1 in 40; what every tenth answer says is how the agents speak"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        short = pl.col("answer").str.len_chars() <= context.threshold(self, "max_characters")
        deferred = examples.filter(~pl.col("closed") & short & (pl.col("kind") != "completion") & pl.col("answer").str.contains(_DEFERRED))
        return (
            deferred.with_columns(share=pl.len().over("task") / pl.col("task_rows"), count=pl.len().over("task"))
            .filter((pl.col("share") <= context.threshold(self, "common")) | (pl.col("count") <= 2))
            .select(
                *Finding.where,
                field="answer_field",
                message=pl.format(
                    "the answer puts the task off: '{}'", pl.col("answer").map_elements(shorten_answer, return_dtype=pl.String)
                ),
            )
        )

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        return edit_answer(subject, "the answer puts the task off")


def shorten_answer(answer: str) -> str:
    """Returns an answer as a message shows it."""
    return shorten(answer, 80)
