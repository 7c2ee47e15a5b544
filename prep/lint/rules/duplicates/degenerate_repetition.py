"""DUP305 DegenerateRepetition."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from prep.lint.base.answers import edit_answer
from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.base.subject import Draft, Subject
from prep.lint.frame.tasks import ONE_TASK
from prep.pii.masking import shorten
from templates.form import Form

_MAX_CHARACTERS = 20_000
_MAX_PERIOD = 60
_WORD_PATTERN = r"[\p{L}\p{N}'\x{2019}]+"
# Without spaces each character is a word: Han, kana, Thai.
_WORD = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|(?:(?![\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff])[\w'\u2019])+")
_SENTENCE = re.compile(r"[^.!?\n\u3002\uff01\uff1f]{12,}")
# One mark over and over, behind other words of its line: alone on a line it draws one, and dots and underscores leave room to fill in.
_MARKS = "!?,-*=~#"
_MARK_RUN = "|".join(f"{re.escape(mark)}{{25}}" for mark in _MARKS)
_LONG_MARKS = re.compile(rf"(?<=[\w.!?] )([{re.escape(_MARKS)}])\1{{24,}}[ \t]*$|(?<=[^\W_])([!?])\2{{24,}}", re.MULTILINE)
_LETTER_RUN = "|".join(f"{letter}{{15}}" for letter in "abcdefghijklmnopqrstuvwxyz") + r"|\p{L}{30}"
_LONG_LETTERS = re.compile(r"([^\W\d_])\1{14,}|([^\W\d_]{2,4})\2{9,}", re.IGNORECASE)
_CODE = re.compile(r"```.*?(?:```|\Z)|^(?: {4}|\t|[|+=\-_*# ]{5}).*$|[{};]\s*$", re.DOTALL | re.MULTILINE)
_REPEAT_ASKED = re.compile(
    r"(?i)\b(?:repeat\w*|times|lyrics?|songs?|poems?|poetry|rhymes?|chants?|verses?|choruse?s?|refrain|mantra|ascii|pattern|loop|echo|haiku"
    r"|tongue twister)\b|\u91cd\u590d|\u6b4c|\u8bd7"
)


@dataclass(frozen=True, slots=True)
class _Run:
    """Words that come again at once: where, how many words make the unit, how often it stands, and the share of the text that it fills."""

    start: int
    end: int
    period: int
    times: int
    share: float


class DegenerateRepetition(Rule):
    """An answer that repeats itself, like a model caught in a loop.

    ## What it does
    Looks for words that repeat in a row ("and then and then and then"), repeated sentences, and long repeated spans, each by the share
    of the answer that they fill. Emphasis ("very very good"), code, tables, refrains of verse, and inputs that ask for repetition or
    contain it are skipped.

    ## Why is this bad
    The model learns loops from few examples, and falls into them where it is unsure.

    ## Example
    `The order is late. The order is late. The order is late. The order is late.`

    ## Fix safety
    Never fixed automatically: what the answer should say instead is unknown.
    """

    code = "DUP305"
    severity = Severity.WARNING
    columns = ("task", "template", "system", "instruction", "is_closed_set", "form", "input", "answer", "answer_field")
    remedy = "Remove the repetition, or drop the row."
    superseded_by = ("LEN603",)
    thresholds = (
        Threshold("sentence_share", 0.2, "Gopher's limit on the characters in duplicate lines (Rae et al. 2021, Table A1)"),
        Threshold(
            "span_share",
            0.3,
            "three times Gopher's limit on the characters in duplicate 10-grams (Rae et al. 2021, Table A1), a limit for whole documents: "
            "sound clinical notes, of a few sentences, reach 0.25",
        ),
        Threshold(
            "run_share",
            0.2,
            "Gopher's limit on the characters in the top 2-gram (Rae et al. 2021, Table A1); below this share a repeated word is emphasis",
        ),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        words = pl.col("answer").str.slice(0, _MAX_CHARACTERS).str.to_lowercase().str.extract_all(_WORD_PATTERN)
        counted = examples.filter((pl.col("answer") != "") & (pl.col("form") != Form.COMPLETION)).with_columns(
            num_words=words.list.len(), num_distinct=words.list.n_unique()
        )
        # What sound text of that length has by Heaps' law, generously: 0.8 of short ones, 0.65 of 100 words, 0.45 of 500.
        natural = pl.min_horizontal(pl.lit(0.8), 1.2 - 0.12 * pl.col("num_words").cast(pl.Float64).log())
        repeats = (pl.col("num_words") >= 3) & (pl.col("num_distinct") <= natural * pl.col("num_words"))
        # Clauses of a script without spaces are the words of this pattern.
        spaceless = pl.col("answer").str.contains(r"\p{Han}|\p{Hiragana}|\p{Thai}")
        runs = pl.col("answer").str.contains(rf"(?i){_LETTER_RUN}|{_MARK_RUN}")
        candidate = repeats | runs | (spaceless & (pl.col("num_distinct") <= pl.col("num_words") - 1))
        return counted.filter(candidate).select(
            *Finding.where, "is_closed_set", "instruction", "input", "answer", "answer_field", mixed=~ONE_TASK
        )

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        limits = {threshold.name: context.threshold(self, threshold.name) for threshold in self.thresholds}
        for row in found.iter_rows(named=True):
            span = repeated(row["answer"][:_MAX_CHARACTERS], limits, label=row["is_closed_set"])
            if span is None:
                continue
            unit = row["answer"][span[0] : span[1]]
            # In one task the instruction asks; a caller who says "three times" does not.
            asked = row["input"] if row["mixed"] else row["instruction"]
            if _REPEAT_ASKED.search(asked or "") or _repeats(row["input"], unit, span[2]):
                continue
            times = f" {span[2]} times" if span[2] > 1 else ""
            shown = shorten(row["answer"], 60, span=span[:2])
            yield Finding.at(row, f"the answer repeats itself: '{shown}'{times}", field=row["answer_field"], span=span[:2])

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        return edit_answer(subject, "the answer repeats itself")


def _repeats(text: str, unit: str, times: int) -> bool:
    """Says whether the input repeats the unit too: an answer that quotes or translates it is right to."""
    words = " ".join(_WORD.findall(unit.casefold()[:200]))
    held = " ".join(_WORD.findall(text.casefold()[:_MAX_CHARACTERS]))
    return f"{words} {words}" in held if times > 1 else unit in text


def repeated(answer: str, limits: dict[str, float], *, label: bool) -> tuple[int, int, int] | None:
    """Returns where the first copy of what is repeated stands, as start and end, and how often it comes; None where nothing is."""
    is_json = answer.lstrip()[:1] in {"{", "["}
    text = answer if is_json else _CODE.sub(lambda match: " " * len(match[0]), answer)
    one = _LONG_LETTERS.search(answer) or _LONG_MARKS.search(text)
    if one is not None:
        return *one.span(), 1
    words = [(match[0].casefold(), match.start(), match.end()) for match in _WORD.finditer(text)]
    run = _longest_run(words, numbers=label)
    if run is not None and _is_loop(run, words, limits["run_share"], label=label):
        return run.start, run.end, run.times
    if len(words) < 12:
        return None
    return _sentences(text, limits["sentence_share"]) or _spans(words, limits["span_share"])


def _is_loop(run: _Run, words: Sequence[tuple[str, int, int]], min_share: float, *, label: bool) -> bool:
    whole = run.share >= 0.8
    if run.period == 1:
        is_word = words[0][0].isalpha() and len(words[0][0]) >= 4
        return run.times >= (3 if label and whole and is_word else 5) and (run.share >= min_share or run.times >= 8)
    if whole and run.period >= 6:
        return True
    return run.times >= (4 if run.period == 2 else 3) and (run.share >= min_share or run.times >= 6)


def _longest_run(words: Sequence[tuple[str, int, int]], *, numbers: bool) -> _Run | None:
    """Returns the run that fills most of the text; a unit without a letter is a table's, unless the answers are `numbers` and the like."""
    tokens = [word for word, _, _ in words]
    best: _Run | None = None
    for period in range(1, min(_MAX_PERIOD, len(tokens) // 2) + 1):
        start = length = 0
        for index in range(period, len(tokens) + 1):
            if index < len(tokens) and tokens[index] == tokens[index - period]:
                start, length = (index, 1) if not length else (start, length + 1)
                continue
            if length >= period:
                first, times = start - period, length // period + 1
                share = times * period / len(tokens)
                lettered = numbers or any(token.isalpha() for token in tokens[first : first + period])
                if lettered and (best is None or share > best.share):
                    best = _Run(words[first][1], words[first + period - 1][2], period, times, share)
            length = 0
    return best


def _sentences(text: str, min_share: float) -> tuple[int, int, int] | None:
    """Finds a sentence that stands three times. Short lines are verse or a list, where half of the text has to be copies."""
    found = [(match[0].strip().casefold(), match) for match in _SENTENCE.finditer(text)]
    counts = Counter(sentence for sentence, _ in found)
    copies = sum(len(sentence) * (count - 1) for sentence, count in counts.items() if count > 2)
    lines = [line for line in text.split("\n") if line.strip()]
    verse = len(lines) >= 4 and sum(map(len, lines)) < 60 * len(lines)
    if copies < (0.5 if verse else min_share) * len(text):
        return None
    sentence, times = max(((one, count) for one, count in counts.items() if count > 2), key=lambda pair: len(pair[0]) * pair[1])
    first = next(match for text_of, match in found if text_of == sentence)
    return first.start() + len(first[0]) - len(first[0].lstrip()), first.end(), times


def _spans(words: Sequence[tuple[str, int, int]], min_share: float) -> tuple[int, int, int] | None:
    """Finds ten words that come again, by the share of words in such copies."""
    size = 10
    if len(words) < 3 * size:
        return None
    first: dict[tuple[str, ...], int] = {}
    times: Counter[tuple[str, ...]] = Counter()
    copied = bytearray(len(words))
    for index in range(len(words) - size + 1):
        gram = tuple(word for word, _, _ in words[index : index + size])
        times[gram] += 1
        if times[gram] > 1:
            copied[index : index + size] = b"\x01" * size
        else:
            first[gram] = index
    if sum(copied) < min_share * len(words):
        return None
    gram, count = times.most_common(1)[0]
    return words[first[gram]][1], words[first[gram] + size - 1][2], count
