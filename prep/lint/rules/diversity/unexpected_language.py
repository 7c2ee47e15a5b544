"""DIV705 UnexpectedLanguage."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.frame.columns import LOOKS_LIKE_JSON
from prep.lint.frame.tasks import ONE_TASK
from prep.pii.masking import shorten
from prep.text.language import MIN_WORDS, can_read_short_texts, foreign, likely_languages, short_text_language
from prep.text.language_words import NAMES
from prep.text.named_languages import asked_language, named_languages

_SAMPLE_ROWS = 20_000
_MIN_CHARACTERS = 8
_SENTENCE_WORDS = 5
_MIN_TEXTS = 20
# Of the texts that lingua is to read, which are held until then; a text that speaks of a language does so at its beginning.
_UNCERTAIN_CHARACTERS = 1_000
# A row that speaks of languages may hold several on purpose: translations, grammar questions, quotes.
_TRANSLATES = re.compile(r"(?i)\btranslat|\btraduc|\btradui|\b\u00fcbersetz|\bvertaal|\u7ffb\u8bd1|\u7ffb\u8b6f")
_ABOUT_LANGUAGES = re.compile(
    rf"(?i:{_TRANSLATES.pattern[4:]})|\b(?:"
    + "|".join(
        [*NAMES.values(), "Latin", "Mandarin", "Cantonese", "Farsi", "Persian", "Urdu", "Ukrainian", "Bulgarian", "Serbian", "Malay"]
    )
    + r")\b|\u7ffb\u8bd1|\u7ffb\u8b6f|\u82f1\u6587|\u82f1\u8bed|\u4e2d\u6587|\u6cd5\u8bed|\u65e5\u8bed"
)


class UnexpectedLanguage(Rule):
    """Text in another language than the rest of its task, or than the config declares.

    ## What it does
    Learns the languages of each task's inputs and answers from a sample of up to 20,000 rows, or takes them from `expect: {languages:
    [en]}`. Answers are held against the language that their prompt asks for, where it names one ("Summarise in English"). Then looks
    for text in another language: by script, and for twenty Latin-script languages by function words such as articles and pronouns.
    Names, loan words, quotes and code have too few function words to count, and so do many short texts. With the extra
    `loopwright[text]`, lingua (trigram models) reads up to `DIV705.rows` such texts of three words and more. Skipped are labels (unless
    they are sentences), JSON, tasks that mix languages, and rows whose text speaks of a language or of translation. In a mix of open
    questions, where no prompt says what comes next, a finding is information.

    ## Why is this bad
    The model answers some users in a language that they did not use, and such rows help no other row.

    ## Example
    Among summaries in English: `Der Kunde fragt nach seiner Bestellung.`

    ## Fix safety
    Never fixed automatically: a person decides whether to translate or drop the row.
    """

    code = "DIV705"
    severity = Severity.WARNING
    columns = ("task", "task_shape", "form", "instruction", "input_body", "answer", "input_field", "answer_field")
    remedy = "Translate or drop the row; if its language is wanted, declare it: lint: {expect: {languages: [en, de]}}."
    thresholds = (
        Threshold("usual", 0.05, "a language of one text in twenty belongs to the task"),
        Threshold("main", 0.85, "below this share a task has no main language to compare with"),
        Threshold("min_words", 3, "three function words of an unexpected language; two occur in names and jokes (Die Hard)"),
        Threshold("min_share", 0.25, "function words are a third to a half of running text in the twenty languages"),
        Threshold(
            "confidence",
            0.99,
            "lingua's confidence; 3 of 19,657 English texts are false alarms, all with South Indian words in Latin letters",
        ),
        Threshold("rows", 20_000, "lingua reads about 2,000 short texts per second; one in twelve English reviews needs it"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        texts = _texts(examples)
        declared = list(context.expect.languages)
        usual = texts.select("task", "part").unique() if declared else self._learn(texts, context).lazy()
        usual = usual.with_columns(usual=pl.lit(declared, pl.List(pl.String()))) if declared else usual
        languages = pl.coalesce(pl.when(pl.col("asked").is_not_null()).then(pl.concat_list("asked")), "usual")
        told = (
            texts.join(usual, on=["task", "part"], how="left")
            .with_columns(languages=languages)
            .filter(pl.col("languages").is_not_null())
            .with_columns(likely=_likely(pl.col("text")))
        )
        other = told.filter(pl.col("likely").is_not_null() & ~pl.col("likely").is_in(pl.col("languages")))
        if not can_read_short_texts():
            return other
        uncertain = told.filter(pl.col("likely").is_null() & (pl.col("text").str.count_matches(r"\p{Latin}{2,}") >= MIN_WORDS))
        first = uncertain.sort("position").head(int(context.threshold(self, "rows")))
        return pl.concat([other, first.with_columns(pl.col("text", "body").str.head(_UNCERTAIN_CHARACTERS))])

    def left_out(self, context: Context) -> str | None:
        return (
            None if can_read_short_texts() else "lingua is not installed, so short texts were not checked: pip install 'loopwright[text]'"
        )

    def _learn(self, texts: pl.LazyFrame, context: Context) -> pl.DataFrame:
        """Returns the languages of each task's inputs and answers, from a sample, where they have a main one."""
        num_texts = texts.select(pl.len()).collect(engine="streaming").item()
        sample = texts.filter(pl.col("position") % max(num_texts // _SAMPLE_ROWS, 1) == 0).select(
            "task", "part", likely=_likely(pl.col("text"))
        )
        counted = sample.drop_nulls("likely").group_by("task", "part", "likely").len().collect(engine="streaming")
        known = []
        for (task, part), rows in counted.group_by("task", "part", maintain_order=True):
            counts = Counter(dict(rows.select("likely", "len").iter_rows()))
            total = counts.total()
            if total >= _MIN_TEXTS and counts.most_common(1)[0][1] >= context.threshold(self, "main") * total:
                usual = sorted(name for name, count in counts.items() if count >= context.threshold(self, "usual") * total)
                known.append({"task": task, "part": part, "usual": usual})
        return pl.DataFrame(known, schema={"task": pl.String(), "part": pl.String(), "usual": pl.List(pl.String())})

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        min_hits, min_share = int(context.threshold(self, "min_words")), context.threshold(self, "min_share")
        min_confidence = context.threshold(self, "confidence")
        for row in found.iter_rows(named=True):
            verdict = foreign(row["text"], row["languages"], min_hits=min_hits, min_share=min_share)
            language = verdict.language if verdict else short_text_language(row["text"], row["languages"], min_confidence)
            if language is None or _speaks_of_languages(row):
                continue
            usual = " and ".join(NAMES.get(name, name) for name in row["languages"])
            unlike = f"its prompt asks for {usual}" if row["asked"] else f"unlike the task's {usual}"
            message = f"the {row['what']} is in {NAMES[language]}, {unlike}: '{shorten(row['text'], 40)}'"
            severity = Severity.INFO if row["mixed"] and not row["asked"] else None
            yield Finding.at(row, message, field=row["field"], kind=language, severity=severity)


def _speaks_of_languages(row: Mapping[str, Any]) -> bool:
    """Says whether a row may hold several languages on purpose. A prompt that asks for one language is no reason for answers in others."""
    if _ABOUT_LANGUAGES.search(row["body"] or ""):
        return True
    instruction = row["instruction"] or ""
    if row["asked"]:
        return False
    asked = asked_language(instruction)
    if asked is not None and named_languages(instruction) == {asked}:
        return _TRANSLATES.search(instruction) is not None
    return _ABOUT_LANGUAGES.search(instruction) is not None


def _texts(examples: pl.LazyFrame) -> pl.LazyFrame:
    """Returns the inputs, without what their task's rows share, and the answers that are prose, one row a text.

    A sentence among labels or JSON is held against the task's inputs: the answers beside it say too little to have a language.
    """
    answer = pl.col("answer")
    coded = pl.col("task_shape").is_in(["label", "json"])
    stray = coded & ~answer.str.contains(LOOKS_LIKE_JSON) & (answer.str.count_matches(r"\S\s") >= _SENTENCE_WORDS - 1)
    parts = [
        ("input", "input", examples, "input_body"),
        ("answer", "answer", examples.filter(~coded), "answer"),
        ("input", "answer", examples.filter(stray), "answer"),
    ]
    columns: list[str | pl.Expr] = [*Finding.where, "position", "task", "instruction", (~ONE_TASK).alias("mixed")]
    asked = pl.col("instruction").map_batches(_asked, return_dtype=pl.String, is_elementwise=True)
    frames = [
        frame.select(
            *columns,
            part=pl.lit(part),
            what=pl.lit(what),
            body="input_body",
            asked=asked if what == "answer" else pl.lit(None, pl.String),
            text=pl.col(text),
            field=pl.col(f"{what}_field"),
        )
        for part, what, frame, text in parts
    ]
    return pl.concat(frames).filter(pl.col("text").str.len_chars() >= _MIN_CHARACTERS)


def _asked(instructions: pl.Series) -> pl.Series:
    """Returns the language that each instruction asks for, looked for once where many rows share it."""
    known = {text: asked_language(text) for text in instructions.unique() if text}
    return pl.Series(instructions.name, [known.get(text) for text in instructions], pl.String)


def _likely(text: pl.Expr) -> pl.Expr:
    return text.map_batches(likely_languages, return_dtype=pl.String, is_elementwise=True)
