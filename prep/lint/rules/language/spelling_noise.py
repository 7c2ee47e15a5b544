"""GRM951 SpellingNoise."""

import re
from collections import Counter
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import polars as pl

from prep.lint.base.answers import example_answer, field_text
from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.base.subject import Draft, Subject
from prep.lint.base.texts import locate
from prep.text.edits import replace_span
from prep.text.language import likely_languages
from prep.text.language_words import FUNCTION_WORDS
from prep.text.spelling import is_slip, known_words, suggest
from templates.form import Form

_MAX_CHARACTERS = 20_000
_DOUBLED = re.compile(r"(?<![\w'\u2019/@#.-])([^\W\d_]+(?:['\u2019][^\W\d_]+)?)[ \t]+(\1)(?![\w'\u2019/@.-]*\w)", re.IGNORECASE)
# Words that sound text doubles: emphasis, interjections, sounds, what grammar allows ("that that is so", "had had", "told you you").
_SOUND = frozenset(
    """that had you her very so really many much more long far too big old good bye night no yes yeah yep nope ok okay oh ah ha haha
    heh hee he ho hey hi hello hmm um uh la na da doo blah yadda knock tick tock tut chop hush yum yummy woof meow moo quack choo
    beep buzz boom bang tap nod wink giggle bounce go now well come wait please pls plz sorry thanks surprise lol row cha pom tom
    bora duran sing chow yo jar dum mini pretty super quite etc win hubba hip fun wow ooh hot one step twinkle merry goody""".split()  # noqa: SIM905
)
# Never right twice in a row, whoever writes.
_MECHANICAL = frozenset("the a an of is to and for with was at from are by i my your this they we it or as be have".split())  # noqa: SIM905
_MECHANICAL_ELSEWHERE = {
    "de": "und der ein eine einen zu mit von in auf f\u00fcr ist nicht",
    "fr": "le les de des un une et dans pour avec est sur",
    "es": "de el los las un una y con por para en es",
    "it": "di il un una e con per che \u00e8 della",
    "pt": "de o os um uma e com por para em \u00e9",
    "nl": "de het een en van met voor op is te",
    "sv": "och att en ett av f\u00f6r med till \u00e4r",
    "da": "og at en et af for med til er",
    "no": "og en et av for med til er",
    "pl": "i w z na do nie si\u0119 jest",
}
_SHORT_INPUT = 400
_WORD = r"^[a-z]{5,20}$"
# A row that has this long a word is likely to mean it again; a short one stands in any.
_TELLING = 5


class SpellingNoise(Rule):
    """A doubled word, or a misspelling.

    ## What it does
    Finds doubled words ("the the") in answers, except words that correct text doubles ("that that", "very very", "bye bye"), names, and
    pairs that the input has too. English inputs are checked as well; if one in sixty of a task's longer inputs has a doubled word, that
    is how its writers write, and it is information. With the extra `loopwright[text]` it also lists likely misspellings in English
    answers: lower-case words that no dictionary has, that occur in no other row and not in their own input, and that are one letter
    away from a common word.

    ## Why is this bad
    The model copies typos faithfully. A doubled word often marks a bad edit.

    ## Example
    `Customer asks about the the order.`

    ## Fix safety
    Unsafe: one of the two words may have been meant as another. `prep fix propose` drafts the word once. Of misspellings it drafts
    swapped letters, a letter doubled or not doubled by mistake ("recieved", "isssue"), and words that the row spells right elsewhere;
    the others are too often words that no dictionary has. Longer inputs are not changed: a model has to read its users as they write.
    Nothing is drafted if the words occur in no field as rendered, or more than once.
    """

    code = "GRM951"
    severity = Severity.WARNING
    columns = ("task", "task_rows", "form", "input", "system", "answer", "input_field", "system_field", "answer_field", "turns")
    remedy = "Correct the typo."
    superseded_by = ("DUP305", "LEN603")
    thresholds = (
        Threshold("usual", 0.015, "1 in 200 doctor-patient dialogues (MTS-Dialog) has a doubled word, 1 in 40 tweets (TweetSumm)"),
        Threshold("max_rows", 2, "a word in more rows belongs to the corpus: a product, a person, a technical term"),
        Threshold("min_frequency", 1_000_000, "count of the right word in symspellpy's list (Google Books n-grams), about rank 15,000"),
    )

    def left_out(self, context: Context) -> str | None:
        return None if _can_spell() else "symspellpy is not installed, so misspellings were not checked: pip install 'loopwright[text]'"

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        columns = [*Finding.where, "position", *self.columns]
        parts = [examples.filter(pl.col(part) != "").select(*columns, part=pl.lit(part), text=pl.col(part)) for part in ("answer", "input")]
        texts = pl.concat(parts).filter(pl.col("form") != Form.COMPLETION)
        doubled = texts.filter(pl.col("text").map_batches(_has_doubled, return_dtype=pl.Boolean, is_elementwise=True))
        doubled = doubled.with_columns(word=pl.lit(None, pl.String))
        return pl.concat([doubled, self._unknown(examples, context).select(doubled.collect_schema().names())]) if _can_spell() else doubled

    def _unknown(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        """Returns the words of answers that are in no dictionary and hardly in any row, each with its first row."""
        words = pl.col("answer").str.slice(0, _MAX_CHARACTERS).str.extract_all(r"[A-Za-z0-9_@#./'\x{2019}-]+").list.unique()
        exploded = (
            examples.filter(pl.col("answer") != "").select("position", word=words).explode("word", empty_as_null=False, keep_nulls=False)
        )
        rare = (
            exploded.filter(pl.col("word").str.contains(_WORD))
            .join(known_words().lazy(), on="word", how="anti")
            .group_by("word")
            .agg(pl.len().alias("num_rows"), pl.col("position").min())
            .filter(pl.col("num_rows") <= context.threshold(self, "max_rows"))
        )
        return examples.join(rare, on="position").with_columns(part=pl.lit("answer"), text=pl.col("answer"))

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        languages = likely_languages(found["text"]) if found.height else pl.Series([], dtype=pl.String)
        doubled = []
        for row, language in zip(found.iter_rows(named=True), languages, strict=True):
            if row["word"] is None:
                doubled += [(row, match) for match in [_doubled(row, language)] if match is not None]
            elif (finding := self._misspelt(row, language, context)) is not None:
                yield finding
        habits = Counter(row["task"] for row, _ in doubled if _is_long_input(row))
        for row, match in doubled:
            usual = habits[row["task"]] > context.threshold(self, "usual") * (row["task_rows"] or 0)
            field, span = locate({**row, "field": row[f"{row['part']}_field"]}, *match.span())
            message = f"doubled word: '{match[0]}'"
            severity = Severity.INFO if usual and _is_long_input(row) else None
            yield Finding.at(row, message, field=field, span=span, kind="doubled word", severity=severity)

    def _misspelt(self, row: dict[str, Any], language: str | None, context: Context) -> Finding | None:
        word = row["word"]
        place = re.search(rf"(?<![\w'\u2019.@#/-]){word}(?![\w'\u2019@/-])", row["answer"])
        if (
            language != "en"
            or place is None
            or "```" in row["answer"]
            or word in row["input"].casefold()
            or word in row["system"].casefold()
        ):
            return None
        right = suggest(word, int(context.threshold(self, "min_frequency")))
        if right is None:
            return None
        field = row["answer_field"]
        message = f"possible misspelling: '{word}' for '{right}'"
        return Finding.at(row, message, field=field, span=place.span(), kind="misspelling", severity=Severity.INFO)

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        text = field_text(subject.row, finding.field)
        if text is None or finding.span is None or (len(text) > _SHORT_INPUT and text != example_answer(subject.row)):
            return None
        said = text[slice(*finding.span)]
        right, reason = _right_word(said, subject) if finding.kind == "misspelling" else _once(said)
        fields = replace_span(subject.fields, text, finding.span, right) if right else {}
        return Draft("edit", reason, dict(fields)) if fields else None


def _once(said: str) -> tuple[str | None, str]:
    match = _DOUBLED.fullmatch(said)
    return match[1] if match else None, "doubled word removed"


def _right_word(said: str, subject: Subject) -> tuple[str | None, str]:
    """Returns the word that a misspelling is meant to be, where that is certain."""
    right = suggest(said, 0) if _can_spell() else None
    in_row = (
        right is not None
        and len(right) >= _TELLING
        and any(re.search(rf"\b{right}\b", str(text), re.IGNORECASE) for text in subject.fields.values())
    )
    return right if right is not None and (in_row or is_slip(said, right)) else None, f"misspelling '{said}' corrected"


def _can_spell() -> bool:
    return find_spec("symspellpy") is not None


def _has_doubled(texts: pl.Series) -> pl.Series:
    """Says of each text whether two neighbouring words are equal: a sieve."""
    words = texts.alias("word").to_frame().with_row_index("row")
    tokens = words.select(
        "row", pl.col("word").str.slice(0, _MAX_CHARACTERS).str.to_lowercase().str.extract_all(r"\p{L}+(?:['\x{2019}]\p{L}+)?|[^\p{L}\s]")
    )
    same = pl.col("word").eq(pl.col("word").shift(1)) & pl.col("row").eq(pl.col("row").shift(1)) & pl.col("word").str.contains(r"^\p{L}")
    hit = tokens.explode("word", empty_as_null=False, keep_nulls=False).filter(same)["row"].unique()
    return words.select(pl.col("row").is_in(hit.implode())).to_series().alias(texts.name)


def _is_long_input(row: dict[str, Any]) -> bool:
    return row["part"] == "input" and len(row["text"]) > _SHORT_INPUT


def _doubled(row: dict[str, Any], language: str | None) -> re.Match[str] | None:
    """Returns the first pair of equal words that no writer means."""
    text = row["text"][:_MAX_CHARACTERS]
    for match in _DOUBLED.finditer(text):
        word = match[1].casefold()
        if _is_spelled_out(text, match):
            continue
        mechanical = word in _MECHANICAL if language in {"en", None} else word in _MECHANICAL_ELSEWHERE.get(language, "").split()
        free = language in {"en", None} and word not in _SOUND and len(word) > 1
        if row["part"] == "input":
            # A handle or a speaker stands at the beginning of a line, and the text may name it again at once.
            named = not mechanical and _is_long_input(row) and text[: match.start()].rstrip(" \t")[-1:] in {"", "\n"}
            if not (mechanical or (free and language == "en")) or named:
                continue
        elif not (mechanical or free):
            continue
        # What both input and answer double is no slip; a short input is too near its answer to tell.
        other = row["input"] if row["part"] == "answer" else row["answer"] if _is_long_input(row) else ""
        if not re.search(rf"\b{word}\s+{word}\b", other, re.IGNORECASE) and not _is_name(text, match):
            return match
    return None


def _is_spelled_out(text: str, match: re.Match[str]) -> bool:
    """Says whether the words are letters of an abbreviation that somebody dictates: "A A", "an M R I I had"."""
    is_letter = len(match[1]) == 1 and match[0].isupper()
    return is_letter and (match[1] != "I" or re.search(r"\b[A-Z][ \t]+$", text[max(0, match.start() - 4) : match.start()]) is not None)


def _is_name(text: str, match: re.Match[str]) -> bool:
    """Says whether the words are a name ("Duran Duran") or a name and a thing ("Scanner scanner"): capitals within a sentence."""
    first, second = match[1], match[2]
    if first.casefold() in FUNCTION_WORDS["en"]:
        return False
    if first != second:
        return True
    return first.istitle() and re.search(r"(?:^|[.!?:\n])\s*$", text[: match.start()]) is None
