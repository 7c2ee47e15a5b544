"""Probe sets as plain files: general text, questions with choices, questions whose answer is a number."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from loopwright.errors import UserError
from loopwright.files import numbered_json_lines
from loopwright.hashing import hash_file, hash_text

_EMPTY_LINE = re.compile(r"\n[^\S\n]*\n")
_NUMBER = re.compile(r"(?<!\d)-?\d[\d,]*(?:\.\d+)?")
_FORMS = (
    'A row is {"text": "..."}, {"question": "...", "choices": ["...", "..."], "answer": 0} or {"question": "...", "answer": "... #### 18"}.'
)
_MARK = "####"


@dataclass(frozen=True, slots=True)
class TextProbe:
    """General text.

    Attributes:
        name: the file's, without its suffix.
        documents: independent texts.
    """

    name: str
    documents: list[str]


@dataclass(frozen=True, slots=True)
class ChoiceQuestion:
    """A question with choices.

    Attributes:
        question: what is asked.
        choices: what may be answered.
        answer: index of the right one.
    """

    question: str
    choices: list[str]
    answer: int


@dataclass(frozen=True, slots=True)
class ChoiceProbe:
    """Questions with choices, as those of MMLU."""

    name: str
    questions: list[ChoiceQuestion]


@dataclass(frozen=True, slots=True)
class NumberQuestion:
    """A question whose answer ends on a number."""

    question: str
    answer: Decimal


@dataclass(frozen=True, slots=True)
class NumberProbe:
    """Questions that end on a number, as those of GSM8K."""

    name: str
    questions: list[NumberQuestion]


@dataclass(frozen=True, slots=True)
class Probes:
    """What a folder of probe sets holds.

    Attributes:
        texts: general text.
        choices: questions with choices.
        numbers: questions that end on a number.
        sha256: a hash of the files.
    """

    texts: list[TextProbe]
    choices: list[ChoiceProbe]
    numbers: list[NumberProbe]
    sha256: str


def read_probes(given: str) -> Probes:
    """Reads a folder of probe sets, or one file. Each file is a set, named as the file is; other files in the folder are not read.

    - `*.txt`: general text, whose documents have empty lines between them.
    - `*.jsonl` with `text`: general text, a document a row.
    - `*.jsonl` with `question`, `choices` and `answer`: the answer is the right choice's index from 0, its text, or its letter.
    - `*.jsonl` with `question` and `answer`: the answer is a number, or a text that ends on one; behind `####` where it has that mark.

    Raises:
        UserError: the folder is not there or holds no set, two of its sets have one name, or a file or row is none of these.
    """
    path = Path(given)
    if not path.exists():
        raise UserError("there is no such folder of probe sets", given, "Give a folder with *.txt or *.jsonl, or one such file.")
    files = sorted(one for one in path.iterdir() if one.suffix in {".txt", ".jsonl"} and one.is_file()) if path.is_dir() else [path]
    names = [file.stem for file in files]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"two probe sets are called '{name}'", given, "Rename one of the files: reports tell them by their names.")
    sets = [_read(file) for file in files]
    if not sets:
        raise UserError("the folder holds no probe set", given, "Give a folder with *.txt or *.jsonl, or one such file.")
    return Probes(
        [one for one in sets if isinstance(one, TextProbe)],
        [one for one in sets if isinstance(one, ChoiceProbe)],
        [one for one in sets if isinstance(one, NumberProbe)],
        hash_text(*(part for file in files for part in (file.name, hash_file(file)))),
    )


def last_number(text: str) -> Decimal | None:
    """Returns the number that an answer ends on: the first behind its last `####`, else the last one; None where there is none."""
    _, mark, behind = text.rpartition(_MARK)
    found = _NUMBER.findall(behind if mark else text)
    return _decimal(found[0] if mark else found[-1]) if found else None


def _decimal(number: str) -> Decimal:
    return Decimal(number.replace(",", ""))


def _read(file: Path) -> TextProbe | ChoiceProbe | NumberProbe:
    if file.suffix == ".txt":
        return _text_file(file)
    if file.suffix != ".jsonl":
        raise UserError("a probe set is a *.txt or *.jsonl file", str(file), "Rename it, or convert it to JSON Lines.")
    rows = list(numbered_json_lines(file))
    if not rows:
        raise UserError("the probe set is empty", str(file), f"{_FORMS} Or remove the file.")
    kind = _kind(rows[0][1])
    for number, row in rows:
        if kind is None or _kind(row) != kind:
            cause = "the row is none of a probe set" if _kind(row) is None else f"the row has {_kind(row)}, and those before it {kind}"
            raise UserError(cause, f"{file}:{number}", f"{_FORMS} All rows of a file are of one form.")
    made = [_READERS[str(kind)](row, f"{file}:{number}") for number, row in rows]
    return _SETS[str(kind)](file.stem, made)


def _text_file(file: Path) -> TextProbe:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the file: {error}", str(file), "Check its permissions; it has to be UTF-8.") from error
    documents = [one.strip() for one in _EMPTY_LINE.split(text) if one.strip()]
    if not documents:
        raise UserError("the probe set is empty", str(file), "Write documents into it, with empty lines between them, or remove the file.")
    return TextProbe(file.stem, documents)


def _kind(row: Mapping[str, Any]) -> str | None:
    """Tells what a row is by its keys; others, such as a subject, are for people."""
    if "question" in row and "answer" in row:
        return "a question with choices" if "choices" in row else "a question without choices"
    return "a text" if "text" in row else None


def _said(row: Mapping[str, Any], key: str, where: str) -> str:
    value = row[key]
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"'{key}' is no text, or an empty one", where, _FORMS)
    return value


def _document(row: Mapping[str, Any], where: str) -> str:
    return _said(row, "text", where)


def _choice_question(row: Mapping[str, Any], where: str) -> ChoiceQuestion:
    choices = row["choices"]
    if not isinstance(choices, list) or not all(isinstance(one, str) and one.strip() for one in choices):
        raise UserError("'choices' is no list of texts, or one of them is empty", where, _FORMS)
    if len(choices) < 2:
        raise UserError("a question needs two choices at least", where, "Mend the row, or leave it out.")
    answer = _right_choice(row["answer"], choices)
    if answer is None:
        cause = f"the answer {row['answer']!r} is none of the {len(choices)} choices"
        raise UserError(cause, where, "Give the right choice's index from 0, its text, or its letter.")
    return ChoiceQuestion(_said(row, "question", where), choices, answer)


def _right_choice(answer: Any, choices: list[str]) -> int | None:
    if isinstance(answer, int) and not isinstance(answer, bool):
        return answer if 0 <= answer < len(choices) else None
    if not isinstance(answer, str):
        return None
    if answer in choices:
        return choices.index(answer)
    letter = ord(answer.strip().upper()) - ord("A") if len(answer.strip()) == 1 else -1
    return letter if 0 <= letter < len(choices) else None


def _number_question(row: Mapping[str, Any], where: str) -> NumberQuestion:
    given = row["answer"]
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    number = _decimal(str(given)) if is_number else last_number(given) if isinstance(given, str) else None
    if number is None or not number.is_finite():
        raise UserError("the answer ends on no number", where, _FORMS)
    return NumberQuestion(_said(row, "question", where), number)


_READERS: dict[str, Callable[[Mapping[str, Any], str], Any]] = {
    "a text": _document,
    "a question with choices": _choice_question,
    "a question without choices": _number_question,
}
_SETS: dict[str, Callable[[str, list[Any]], TextProbe | ChoiceProbe | NumberProbe]] = {
    "a text": TextProbe,
    "a question with choices": ChoiceProbe,
    "a question without choices": NumberProbe,
}
