"""Which rows of a file are of one task, and which of their words the task says rather than the row.

A built dataset names its tasks: they are its templates. A foreign file does not, so that they are inferred, in this order: by the system
message or instruction that many rows share (and its slight variants), by the constant words before or after the input in the
user's message, and by the shape of the answers.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from loopwright.hashing import hash_text

MIN_TASK_ROWS = 20
"""Below this many rows nothing is inferred from a task's other rows, and small tasks are looked at together."""

_MIXED = "~"
ONE_TASK = (pl.col("task") != "") & ~pl.col("task").str.starts_with(_MIXED)
"""A template, a shared instruction, or answers from a fixed set say that rows are of one task. Without these a file may mix all kinds
of questions, so that "most answers are like this" says little about the next."""

# An instruction is constant but for the few rows in which somebody changed it.
_CONSTANT_SHARE = 0.9
_MIN_INSTRUCTION = 12
_MAX_INSTRUCTION = 2_000
_HEAD_WORDS = (4, 2, 1)
_MIN_HEAD_SHARE = 0.05
# Words that variants of one instruction share at the least; two instructions of one style ("You sort ...") share fewer.
_VARIANT_SIMILARITY = 0.6
_MAX_RARE = 5_000
_WORD = re.compile(r"\w+")
# The beginning of a turn at the end of an instruction: "Write the note.\n\nDoctor: ".
_MARKED = re.compile(r"[:>\])=]")
_SPEAKER = re.compile(r"\n([^\W\d][\w .-]{0,30}: ?)$")

_ASSISTANT = (
    r"(?i)\b(?:helpful|honest|harmless|friendly|knowledgeable|(?:ai|virtual|digital) assistant|chat ?bot|language model|chatgpt"
    r"|access to the following (?:functions|tools))\b"
)
_WORK = (
    r"(?i)\b(?:classif|categori|label|summar|translat|extract|rewrit|convert|tag\b|intent|sentiment|identify|detect|decide"
    r"|(?:name|state|give) the|(?:answer|reply|respond) (?:only )?(?:with|in|yes|true)|json|clinical note|headline|title|transcri)"
)


def asks_anything(instruction: pl.Expr) -> pl.Expr:
    """Says whether an instruction tells who speaks and not what is to be done: "You are a helpful assistant"."""
    return instruction.str.contains(_ASSISTANT) & ~instruction.str.contains(_WORK)


@dataclass(frozen=True, slots=True)
class Instruction:
    """The constant words around a task's inputs.

    Attributes:
        task: the task's key.
        prefix: the text before each input.
        suffix: the text after it.
    """

    task: str
    prefix: str
    suffix: str


def canonical_tasks(told: pl.DataFrame) -> dict[str, tuple[str, str]]:
    """Returns the frequent task that each rare one belongs to: variants of an instruction are of its task.

    Args:
        told: `told` (what tells a row's task), `system` (its system message or instruction) and `rows`, one row a value.

    Returns:
        `told` of a variant -> `told` and `system` of the frequent instruction that it varies.
    """
    frequent = told.filter((pl.col("rows") >= MIN_TASK_ROWS) & (pl.col("system") != "")).sort("rows", descending=True)
    rare = told.filter((pl.col("rows") < MIN_TASK_ROWS) & (pl.col("system") != "")).head(_MAX_RARE)
    known = [(row["told"], row["system"], _words(row["system"])) for row in frequent.head(100).iter_rows(named=True)]
    found = {}
    for row in rare.iter_rows(named=True):
        words = _words(row["system"])
        nearest = max(known, key=lambda one: _similarity(words, one[2]), default=None)
        if nearest is not None and _similarity(words, nearest[2]) >= _VARIANT_SIMILARITY:
            found[row["told"]] = nearest[:2]
    return found


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()[:_MAX_INSTRUCTION]))


def _similarity(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / (len(one | other) or 1)


def find_instructions(task: str, inputs: Sequence[str], *, split: bool) -> list[Instruction]:
    """Returns the instructions around the inputs of a task, longest first: none, one, or one for each sub-task.

    Args:
        task: the task's key.
        inputs: inputs of it, at most a few thousand.
        split: whether the task may be several; a template's rows are of one.
    """
    whole = _around(task, inputs)
    if whole or not split:
        return whole
    # Where nearly every row begins or ends as a good part of the others do, those beginnings and ends are instructions. Long ends first:
    # "Review:" is one too, but so is the first word of many questions.
    needed = max(MIN_TASK_ROWS, int(_MIN_HEAD_SHARE * len(inputs)))
    left, found = list(inputs), list[Instruction]()
    for num_words in _HEAD_WORDS:
        rest = []
        for texts in _by_end(left, num_words):
            around = _around(task, texts) if len(texts) >= needed else []
            # Short ones may be words of the inputs, "... of the soup"; a mark says that somebody set them apart.
            around = [one for one in around if num_words == _HEAD_WORDS[0] or _MARKED.search(one.prefix + one.suffix)]
            found += around
            rest += [] if around else texts
        left = rest
    if len(found) < 2 or len(left) > (1 - _CONSTANT_SHARE) * len(inputs):
        return []
    keyed = [Instruction(hash_text(task, one.prefix, one.suffix), one.prefix, one.suffix) for one in found]
    return sorted(keyed, key=lambda one: -len(one.prefix) - len(one.suffix))


def _by_end(inputs: Sequence[str], num_words: int) -> list[list[str]]:
    """Groups texts by their first or their last words, whichever more of them share."""
    ends = [[" ".join(words[:num_words]), "\0" + " ".join(words[-num_words:])] for words in map(str.split, inputs)]
    counts = Counter(end for pair in ends for end in pair)
    groups: dict[str, list[str]] = {}
    for text, pair in zip(inputs, ends, strict=True):
        groups.setdefault(max(pair, key=counts.__getitem__), []).append(text)
    return list(groups.values())


def _around(task: str, inputs: Sequence[str]) -> list[Instruction]:
    prefix = _before_dialogue(_constant(inputs), inputs)
    rest = [text[len(prefix) :] if text.startswith(prefix) else "" for text in inputs]
    suffix = _constant([text[::-1] for text in rest])[::-1]
    return [Instruction(task, prefix, suffix)] if prefix or suffix else []


def _before_dialogue(prefix: str, inputs: Sequence[str]) -> str:
    """Returns a prefix without the speaker of the first turn: most dialogues begin with the same one, and others are no variants."""
    speaker = _SPEAKER.search(prefix)
    if speaker is None:
        return prefix
    spoken_again = sum("\n" + speaker[1] in text[len(prefix) :] for text in inputs)
    return prefix[: speaker.start(1)] if 2 * spoken_again >= len(inputs) else prefix


def _constant(texts: Sequence[str]) -> str:
    """Returns the beginning that nearly all texts share, cut back to a whole word; "" where it is too short to be said on purpose."""
    needed = _CONSTANT_SHARE * len(texts)

    def mode(length: int) -> tuple[str, int]:
        return Counter(text[:length] for text in texts if len(text) >= length).most_common(1)[0] if texts else ("", 0)

    low, high = 0, min(_MAX_INSTRUCTION, max(map(len, texts), default=0))
    while low < high:
        middle = (low + high + 1) // 2
        counted = Counter(text[:middle] for text in texts if len(text) >= middle)
        if counted and counted.most_common(1)[0][1] >= needed:
            low = middle
        else:
            high = middle - 1
    found = mode(low)[0] if low else ""
    if len(found) < _MIN_INSTRUCTION and not (len(found) >= 4 and found.rstrip()[-1:] in {":", ">", "]"}):
        return ""
    cut = max(found.rfind(mark) for mark in (" ", "\n", ":", ">", "]", "\t"))
    return found[: cut + 1]


def varied_body(text: str, instruction: Instruction) -> str | None:
    """Returns the input of a row whose instruction was changed; None where its words are not those of the instruction.

    An instruction on lines of its own is cut by its number of lines; any other after its last words.
    """
    start, end = 0, len(text)
    if instruction.prefix:
        lines = instruction.prefix.count("\n") if instruction.prefix.endswith("\n") else 0
        cut = _after_lines(text, lines) if lines else _after_words(text, instruction.prefix)
        if cut is None or _similarity(_words(text[:cut]), _words(instruction.prefix)) < _VARIANT_SIMILARITY:
            return None
        start = cut
    if instruction.suffix:
        reversed_text, reversed_suffix = text[::-1], instruction.suffix[::-1]
        lines = reversed_suffix.count("\n") if reversed_suffix.endswith("\n") else 0
        cut = _after_lines(reversed_text, lines) if lines else _after_words(reversed_text, reversed_suffix)
        if cut is None or _similarity(_words(text[len(text) - cut :]), _words(instruction.suffix)) < _VARIANT_SIMILARITY:
            return None
        end = len(text) - cut
    return text[start:end] if start < end else None


def _after_lines(text: str, count: int) -> int | None:
    position = 0
    for _ in range(count):
        position = text.find("\n", position) + 1
        if position == 0:
            return None
    return position


def _after_words(text: str, prefix: str) -> int | None:
    """Finds where a changed prefix ends: after as many of its last words as still follow each other."""
    tail = prefix.rstrip()
    for words in (3, 2, 1):
        last = re.split(r"(?<=\s)", tail)[-words:]
        found = text.find("".join(last), 0, 2 * len(prefix) + 40)
        if found >= 0:
            end = found + len("".join(last))
            return end + (len(prefix) - len(tail))
    return None


def tasks_by_shape(shapes: pl.DataFrame) -> dict[tuple[str, str], str]:
    """Returns the task of the rows of each shape, where that is another one than they were read as.

    Where a good part of a task's answers are JSON, and another part labels or prose, those are two tasks. Rows of which nothing but their
    kind was known are of one task where nearly all of them are JSON, or words of a fixed set.

    Args:
        shapes: `task`, `shape` ("json", "short", "prose"), `rows`, and `is_closed_set`: whether those rows' answers come from a fixed set.
    """
    found = {}
    for rows in shapes.partition_by("task"):
        task = rows["task"][0]
        counts: Counter[str] = Counter()
        kinds = {}
        for row in rows.iter_rows(named=True):
            kind = row["shape"] if row["shape"] != "short" else "label" if row["is_closed_set"] else "prose"
            kinds[row["shape"]] = kind
            counts[kind] += row["rows"]
        needed = max(MIN_TASK_ROWS, int(_MIN_HEAD_SHARE * counts.total()))
        large = [kind for kind, count in counts.items() if count >= needed]
        if len(large) < 2 and (not task.startswith(_MIXED) or large in ([], ["prose"])):
            continue
        for shape, kind in kinds.items():
            if len(large) == 1 or kind in large:
                mark = _MIXED if kind == "prose" and len(large) > 1 and task.startswith(_MIXED) else ""
                found[task, shape] = mark + hash_text(task, kind if len(large) > 1 else large[0])
    return found


def mixed_task(task: str) -> str:
    """Returns the key of rows that nothing but their kind holds together."""
    return _MIXED + task
