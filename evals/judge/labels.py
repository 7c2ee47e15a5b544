"""People's verdicts from a table: `id, a, b, winner`, or `id, pass`, as spreadsheets of any country write it."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.judge.contract import ItemState, Kind, LabelCounts
from evals.judge.items import Item
from loopwright.errors import UserError
from loopwright.files import require_file
from prep.fixes.table_files import EXCEL, Table, of_csv, read_table
from prep.pii.masking import shorten
from prep.sources.raw_file import marked_encoding, unmarked_wide

LEAST_EXAMPLES = 30
"""Below so many labelled examples a kappa's interval is wider than the range from fair to good agreement."""

_PEOPLE = ("person", "annotator", "rater")
_COLUMNS = {Kind.PAIRWISE: ("id", "a", "b", "winner"), Kind.PASS: ("id", "pass")}
_TIES = frozenset({"tie", "draw", "equal", "same", "both", "neither", "none"})
_YES = frozenset({"pass", "passed", "yes", "y", "true", "1", "ok", "good"})
_NO = frozenset({"fail", "failed", "no", "n", "false", "0", "bad"})
_FORMS = "Write a table with the columns id, a, b, winner (which of two answers is better) or id, pass (whether an answer is good enough)."


@dataclass(frozen=True, slots=True)
class Label:
    """One person's verdict on one example.

    Attributes:
        id: of the example.
        outcome: a category of the kind.
        person: who said so; None where the table does not tell.
    """

    id: str
    outcome: str
    person: str | None


@dataclass(frozen=True, slots=True)
class LabelTable:
    """A table of labels as it was read.

    Attributes:
        path: the file.
        kind: what its verdicts are about.
        rows: line and cells by column, in lower case.
        person: the column that says who labelled; None without one.
        note: what is to be said of how the file was read.
    """

    path: Path
    kind: Kind
    rows: list[tuple[int, dict[str, str]]]
    person: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels that are about the examples and answers which are judged.

    Attributes:
        labels: one for each person and example.
        counts: what became of each row.
        notes: what is to be said of those that were left out.
    """

    labels: list[Label]
    counts: LabelCounts
    notes: list[str]

    def by_example(self) -> dict[str, list[Label]]:
        """Returns the labels of each example."""
        found: dict[str, list[Label]] = {}
        for label in self.labels:
            found.setdefault(label.id, []).append(label)
        return found


def read_labels(path: Path) -> LabelTable:
    """Reads a table of labels: CSV with commas, semicolons or tabs, in UTF-8, UTF-16 or Windows' encoding of Western Europe, or Excel.

    Raises:
        UserError: it is not there, or has not the columns of either kind.
    """
    table, note = _read(path)
    names = {name: name.strip().lower() for name in table.header}
    there = set(names.values())
    kinds = [kind for kind in Kind if _COLUMNS[kind][-1] in there]
    if len(kinds) != 1:
        cause = "the table has a column 'winner' and a column 'pass'" if kinds else "the table has neither a column 'winner' nor 'pass'"
        raise UserError(cause, str(path), _FORMS if not kinds else "Leave one of the two out: judge twice for both.")
    missing = [name for name in _COLUMNS[kinds[0]] if name not in there]
    if missing:
        raise UserError(f"the table has no column {', '.join(map(repr, missing))}", str(path), _FORMS)
    rows = [(line, {names[name]: cell.strip() for name, cell in cells.items() if name in names}) for line, cells in table.rows]
    person = next((name for name in _PEOPLE if name in there), None)
    return LabelTable(path, kinds[0], [row for row in rows if any(row[1].values())], person, note)


def match_labels(table: LabelTable, items: Sequence[Item], systems: Sequence[str], short: Mapping[str, str]) -> Labels:
    """Returns the labels that are about the answers which are judged, each turned to the order of the systems.

    A table may name the systems under `a` and `b`, in any order and by row, or hold their very answers. Rows without a column for the
    person are taken for one person's where they say the same, and for two persons' where they do not.

    Args:
        table: the labels.
        items: the examples.
        systems: those that are judged, in their order.
        short: what each system is called where room is short.

    Raises:
        UserError: they are about fewer than `LEAST_EXAMPLES` different examples.
    """
    reader = _Reader(table, items, systems, short)
    said: dict[tuple[str, str | None], Counter[str]] = {}
    for line, cells in table.rows:
        if (found := reader.read(line, cells)) is not None:
            said.setdefault((found.id, found.person), Counter())[found.outcome] += 1
    counts = reader.counts
    labels = []
    for (id_, person), outcomes in said.items():
        if table.person is not None and len(outcomes) > 1:
            counts["contradictory"] += sum(outcomes.values())
            continue
        counts["duplicate"] += sum(outcomes.values()) - len(outcomes)
        labels += [Label(id_, outcome, person) for outcome in outcomes]
    examples = len({label.id for label in labels})
    people = len({label.person for label in labels}) if table.person is not None else None
    left_out = {name: counts[name] for name in reader.names}
    found_counts = LabelCounts(read=len(table.rows), used=len(labels), examples=examples, people=people, **left_out)
    notes = [*([table.note] if table.note else []), *reader.notes()]
    if examples < LEAST_EXAMPLES:
        cause = f"the labels are about {examples} examples that can be judged, and at least {LEAST_EXAMPLES} are needed"
        remedy = f"Label {LEAST_EXAMPLES - examples} more, drawn at random from predictions.parquet."
        raise UserError(cause, str(table.path), " ".join((*(f"{note[0].upper()}{note[1:]}." for note in notes), remedy)))
    return Labels(labels, found_counts, notes)


class _Reader:
    """Reads one row of a table after the other, and counts those that say nothing about the answers which are judged."""

    names = ("blank", "unreadable", "unknown_id", "other_answers", "identical", "duplicate", "contradictory")

    def __init__(self, table: LabelTable, items: Sequence[Item], systems: Sequence[str], short: Mapping[str, str]) -> None:
        self._table, self._systems = table, systems
        self._items = {item.row.id: item for item in items}
        once = Counter(item.row.row_id for item in items)
        self._by_row = {item.row.row_id: item for item in items if once[item.row.row_id] == 1}
        # Where two systems have one short name, it names neither.
        self._called = [{system, short[system]} - ({short[other] for other in systems if other != system}) for system in systems]
        self.counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def read(self, line: int, cells: Mapping[str, str]) -> Label | None:
        """Returns what a row says; None where it is counted among those that say nothing here."""
        found = self._read(cells)
        if isinstance(found, Label):
            return found
        what = {"unknown_id": cells["id"], "unreadable": cells[_COLUMNS[self._table.kind][-1]]}.get(found)
        self.counts[found] += 1
        self._first.setdefault(found, f"{self._table.path.name}:{line}" + (f" '{shorten(what)}'" if what else ""))
        return None

    def notes(self) -> list[str]:
        """Returns what to say of the rows that were left out."""
        said = {
            "blank": "labels have no verdict",
            "unreadable": "labels have a verdict that is none",
            "unknown_id": "labels have an id that the evaluation does not",
            "other_answers": "labels are about other systems or answers than those judged",
            "identical": "labels are about examples that both systems answer alike",
        }
        return [f"{self.counts[name]} {words}: {self._first[name]}" for name, words in said.items() if self.counts[name]]

    def _read(self, cells: Mapping[str, str]) -> Label | str:
        """Returns a row's label, or the count that it belongs to."""
        item = self._items.get(cells["id"]) or self._by_row.get(cells["id"])
        verdict = cells[_COLUMNS[self._table.kind][-1]]
        if item is None:
            return "unknown_id"
        if not verdict:
            return "blank"
        if item.settled is not None:
            return "identical" if item.settled is ItemState.IDENTICAL else "other_answers"
        outcome = self._pass(verdict, cells) if self._table.kind is Kind.PASS else self._winner(verdict, cells, item)
        if outcome not in self._table.kind.categories:
            return outcome
        return Label(item.row.id, outcome, cells.get(self._table.person) if self._table.person else None)

    def _pass(self, verdict: str, cells: Mapping[str, str]) -> str:
        if (named := cells.get("system", "")) and named not in self._called[0]:
            return "other_answers"
        passes, fails = Kind.PASS.outcomes
        return passes if verdict.lower() in _YES else fails if verdict.lower() in _NO else "unreadable"

    def _winner(self, verdict: str, cells: Mapping[str, str], item: Item) -> str:
        sides = [cells["a"], cells["b"]]
        is_turned = self._turned(sides, item)
        if is_turned is None:
            return "other_answers"
        if verdict.lower() in _TIES:
            return Kind.PAIRWISE.undecided
        side = {"a": 0, "b": 1}.get(verdict.lower())
        if side is None:
            side = next((index for index, text in enumerate(sides) if verdict == text), None)
        if side is None:  # the winner may be called in full where its column has the short name
            named = next((index for index, called in enumerate(self._called) if verdict in called), None)
            return "unreadable" if named is None else Kind.PAIRWISE.outcomes[named]
        return Kind.PAIRWISE.outcomes[side if not is_turned else 1 - side]

    def _turned(self, sides: Sequence[str], item: Item) -> bool | None:
        """Says whether `a` is the second system; None where the two cells are not the two systems, nor their answers."""
        texts = [{_plain(text)} for text in item.texts]
        plain = [_plain(side) for side in sides]
        for given, known in ((sides, self._called), (plain, texts)):
            if given[0] in known[0] and given[1] in known[1]:
                return False
            if given[0] in known[1] and given[1] in known[0]:
                return True
        return None


def _plain(text: str) -> str:
    """Returns a text without what a spreadsheet changes of it: white space at its ends, and the kind of line ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _read(path: Path) -> tuple[Table, str | None]:
    require_file(path, "table of labels")
    if path.suffix.lower() == EXCEL:
        return read_table(path), None
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the labels: {error.strerror}", str(path), "Check the path and its permissions.") from error
    text, note = _decode(data, path)
    first, _, rest = text.partition("\n")
    if first.strip().lower().startswith("sep="):  # Excel's own line for the delimiter, which the header shows as well
        text = rest
    try:
        return of_csv(text), note
    except csv.Error as error:
        raise UserError(f"the table does not split into fields: {error}", str(path), "Save it again as CSV in UTF-8.") from error


def _decode(data: bytes, path: Path) -> tuple[str, str | None]:
    encoding = marked_encoding(data) or unmarked_wide(data) or "utf-8"
    try:
        return data.decode(encoding).removeprefix("\ufeff"), None
    except UnicodeDecodeError:
        if encoding != "utf-8":
            raise UserError(f"the table is cut short, or is not {encoding}", str(path), "Save it again as CSV in UTF-8.") from None
        return data.decode("cp1252", "replace"), f"{path.name} is not UTF-8, and is read as Windows-1252"
