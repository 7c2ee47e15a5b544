"""Which keys or columns of a foreign file were read as what: counted while its rows are read, and said once."""

from collections import Counter
from dataclasses import dataclass, field

import polars as pl

from prep.lint.base.note import Note, NoteKind
from prep.pii.masking import shorten
from prep.sources.shapes.table import telling_keys
from templates.form import Form

_MAX_SHOWN = 4
_FIELDS = ("form", "system_field", "input_field", "answer_field", "rejected_field")
_JOINT = " + "
_REMEDY = "If that is wrong, name them: --input COLUMN --answer COLUMN."


@dataclass(slots=True)
class FieldsRead:
    """What the rows of one file were read as.

    Attributes:
        counts: form and the fields of system message, input, answer and rejected answer -> rows.
    """

    counts: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def count(self, rows: pl.DataFrame) -> None:
        """Counts rows that have the columns of `LINT_SCHEMA`."""
        # Where the answer of a chat stands depends on how many turns it has; the list is what was read.
        answer = pl.when(pl.col("form") == Form.CHAT).then("input_field").otherwise("answer_field").alias("answer_field")
        counted = rows.with_columns(answer).group_by(_FIELDS, maintain_order=True).len()
        for *key, number in counted.iter_rows():
            self.counts[tuple(key)] += number

    def note(self, file: str | None) -> Note | None:
        """Returns what is to be said of the file; None where it has no row, or chats alone: their roles say what is what.

        Args:
            file: its name, where there are several.
        """
        total = self.counts.total()
        said: Counter[str] = Counter()
        for key, number in self.counts.items():
            said[_words(*key)] += number
        ways = [words if number == total else f"{words} ({number:,} rows)" for words, number in said.most_common(_MAX_SHOWN)]
        if all(form == Form.CHAT for form, *_ in self.counts):
            return None
        more = f"; and in {len(said) - len(ways)} more ways" if len(said) > len(ways) else ""
        told = {key for _, keys, _ in telling_keys() for key in keys}
        guessed = any(form == Form.VERBALIZER and not {said, answer} <= told for form, _, said, answer, _ in self.counts)
        return Note(NoteKind.READ, "; ".join(ways) + more, file, _REMEDY if guessed else None)


def _words(form: str, system_field: str, input_field: str, answer_field: str, rejected_field: str) -> str:
    names = [shorten(name) for name in (input_field, answer_field, rejected_field)]
    match form:
        case Form.CHAT:
            return f"chat: {names[0]}"
        case Form.COMPLETION:
            return f"text to continue: {names[1]}"
        case Form.UNPAIRED:
            return f"input: {names[0]}, answer, wanted or not: {names[1]}"
        case Form.PREFERENCE:
            return f"input: {names[0]}, chosen: {names[1]}, rejected: {names[2]}"
        case _:
            instruction = "" if system_field in {"system", input_field} else shorten(system_field) + _JOINT
            return f"input: {instruction}{names[0]}, answer: {names[1]}"
