"""Which rows differ between two built datasets, and why: the join on ids that `prep.compare.diff` is made of.

Both datasets are read once. What is kept of an example is its ids and hashes of its content, in a file that is then joined a share of the
rows at a time, so that memory stays bounded.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from loopwright.errors import UserError
from prep.build.write import DROPPED_SCHEMA
from prep.dataset.manifest import Dataset

# Why a row differs. A row has one cause, the first of these that holds, so that the counts add up to all rows that differ.
CAUSES = {
    "fix": "its fields differ: the fix ledger, a label or field mapping, or the raw value of a row with a key; or the ledger added it",
    "template": "its fields are equal, and a template renders them otherwise, or another set of templates renders it",
    "split": "it moved to another split",
    "source": "it comes from another file, or belongs to another group",
    "dropped": "it is among the rows that the second build dropped",
    "gone_from_source": "the sources of the second build do not have it",
    "no_longer_dropped": "the first build dropped it",
    "new_in_source": "the sources of the first build do not have it",
}
_CHANGES = ("fix", "template", "split", "source")  # in the order in which the first counts
_PARTS = ("messages", "prompt", "target", "mask", "text", "choices", "label", "chosen", "rejected", "wanted", "extras")
_ORDER = ("source", "line", "id")
_ROWS_AT_ONCE = 200_000


@dataclass(slots=True)
class Tally:
    """Counts of rows and examples that differ.

    Attributes:
        rows: (`added`, `removed` or `changed`; cause; reason of the drop or None) -> raw rows.
        examples: `added`, `removed` or `changed` -> examples.
        moved: (split before, split after) -> examples that moved.
        in_place: raw rows removed from a line of a source and raw rows added at the same one.
        ids: cause -> ids of some changed examples, in the order of sources and lines.
    """

    rows: Counter[tuple[str, str, str | None]] = field(default_factory=Counter)
    examples: Counter[str] = field(default_factory=Counter)
    moved: Counter[tuple[str, str]] = field(default_factory=Counter)
    in_place: int = 0
    ids: dict[str, list[str]] = field(default_factory=dict)


def tally_rows(before: Dataset, after: Dataset, folder: Path, num_samples: int) -> Tally:
    """Compares the rows and examples of two datasets.

    Args:
        before: the first dataset.
        after: the second.
        folder: an empty folder for files of hashes; the caller's to remove.
        num_samples: ids of changed examples to give of each cause.

    Raises:
        UserError: a file of a dataset is missing or damaged.
    """
    num_parts = 1 + max(before.manifest.examples, after.manifest.examples) // _ROWS_AT_ONCE
    sides = [_Hashes(dataset, folder / name, num_parts) for dataset, name in ((before, "before"), (after, "after"))]
    dropped = [_dropped(dataset) for dataset in (before, after)]
    ledgers = [Path(str(dataset.manifest.config.get("fixes"))).name for dataset in (before, after)]
    tally = Tally()
    # A hash stands for the place: whole datasets may have left or come.
    place = pl.struct("source", "line").hash(0).alias("place")
    places: list[pl.DataFrame] = []
    found: list[pl.DataFrame] = []
    for part in range(num_parts):
        examples = _pair([side.part(part).lazy() for side in sides])
        rows = _rows(examples, dropped, ledgers)
        _count(tally, examples, rows)
        places.append(rows.filter(pl.col("status") != "changed").select("status", place))
        changed = examples.filter(pl.col("status") == "changed").select("cause", "source", "line", "id")
        found += [changed.filter(pl.col("cause") == cause).bottom_k(num_samples, by=_ORDER) for cause in _CHANGES if num_samples]
    tally.in_place = _num_in_place(pl.concat(places))
    for cause, *_, example_id in pl.concat(found).sort(_ORDER).iter_rows() if found else ():
        tally.ids.setdefault(cause, []).append(example_id)
    tally.ids = {cause: tally.ids[cause][:num_samples] for cause in _CHANGES if cause in tally.ids}
    return tally


class _Hashes:
    """What a comparison needs of each example: ids, place, and hashes of its content, parted by row. No text of the corpus is in it."""

    def __init__(self, dataset: Dataset, folder: Path, num_parts: int) -> None:
        self._folder = folder
        folder.mkdir()
        # Within one process Polars' own hash will do; two contents of one id are alike by chance once in 2**64.
        hashed = dataset.examples().select(
            "id",
            "row_id",
            "source",
            "line",
            "split",
            part=pl.col("row_id").hash(0) % num_parts,
            fields=pl.col("fields").hash(0),
            content=pl.struct(_PARTS).hash(0),
            place=pl.struct("source", "group").hash(0),
        )
        self._schema = hashed.drop("part").collect_schema()
        num_rows = dataset.examples().select(pl.len()).collect().item()
        # A slice reads the row groups that it touches and no more. One streaming query over the file reads so far ahead that its memory
        # grows with the file.
        for first in range(0, num_rows, _ROWS_AT_ONCE):
            parts = hashed.slice(first, _ROWS_AT_ONCE).collect().partition_by("part", as_dict=True, include_key=False)
            for (part,), rows in parts.items():
                rows.write_ipc(folder / f"{part}-{first:012}.arrow")

    def part(self, number: int) -> pl.DataFrame:
        """Returns the examples of one part; all examples of a row are in one."""
        frames = [pl.read_ipc(path) for path in sorted(self._folder.glob(f"{number}-*.arrow"))]
        return pl.concat([self._schema.to_frame(), *frames])


def _dropped(dataset: Dataset) -> pl.LazyFrame:
    path = dataset.path / "dropped.jsonl"
    empty = pl.LazyFrame(schema={"row_id": pl.String, "reason": pl.String})
    if not path.is_file():
        raise UserError("dropped.jsonl is missing", str(dataset.path), "Build the dataset again.")
    if not path.stat().st_size:
        return empty
    frame = pl.scan_ndjson(path, schema=DROPPED_SCHEMA).filter(pl.col("id").is_not_null())
    return frame.select(row_id="id", reason="reason").unique("row_id", keep="first")


def _pair(frames: list[pl.LazyFrame]) -> pl.DataFrame:
    """Joins the examples of both, and says of each what happened to it and why."""
    before, after = frames
    status = (
        pl.when(pl.col("id").is_null())
        .then(pl.lit("added"))
        .when(pl.col("id_after").is_null())
        .then(pl.lit("removed"))
        .when(pl.any_horizontal(*(pl.col(name) != pl.col(f"{name}_after") for name in ("fields", "content", "split", "place"))))
        .then(pl.lit("changed"))
    )
    # An example that only one of them has, of a row that both have, is the templates' doing.
    cause = (
        pl.when(pl.col("fields") != pl.col("fields_after"))
        .then(pl.lit("fix"))
        .when(pl.col("id").is_null() | pl.col("id_after").is_null() | (pl.col("content") != pl.col("content_after")))
        .then(pl.lit("template"))
        .when(pl.col("split") != pl.col("split_after"))
        .then(pl.lit("split"))
        .otherwise(pl.lit("source"))
    )
    joined = before.join(after, on="id", how="full", suffix="_after").with_columns(status=status, cause=cause)
    return joined.select(
        pl.coalesce("id", "id_after"),
        pl.coalesce("row_id", "row_id_after"),
        pl.coalesce("source", "source_after"),
        pl.coalesce("line", "line_after"),
        "split",
        "split_after",
        "status",
        "cause",
        in_before=pl.col("id").is_not_null(),
        in_after=pl.col("id_after").is_not_null(),
    ).collect()


def _rows(examples: pl.DataFrame, dropped: list[pl.LazyFrame], ledgers: list[str]) -> pl.DataFrame:
    """Returns the raw rows that differ, each with its status, its cause and, of a dropped one, the reason."""
    touched = examples.filter(pl.col("row_id").is_in(examples.filter(pl.col("status").is_not_null())["row_id"].unique().implode()))
    first_cause = pl.col("cause").filter(pl.col("status").is_not_null()).cast(pl.Enum(_CHANGES)).min().cast(pl.String)
    rows = touched.group_by("row_id").agg(
        pl.col("source", "line").first(), cause=first_cause, in_before=pl.col("in_before").any(), in_after=pl.col("in_after").any()
    )
    changed = rows.filter("in_before", "in_after").select(
        "row_id", "source", "line", "cause", status=pl.lit("changed"), reason=pl.lit(None, pl.String)
    )
    found = [changed]
    # What left is looked for among the second build's drops; what came, among the first's.
    for side, status, ledger, lost, otherwise in (
        ("in_after", "removed", ledgers[0], ("dropped", dropped[1]), "gone_from_source"),
        ("in_before", "added", ledgers[1], ("no_longer_dropped", dropped[0]), "new_in_source"),
    ):
        one_sided = rows.filter(~pl.col(side)).drop("cause").lazy().join(lost[1], on="row_id", how="left")
        cause = pl.when(pl.col("reason").is_not_null()).then(pl.lit(lost[0])).when(pl.col("source") == ledger).then(pl.lit("fix"))
        columns = ("row_id", "source", "line", "cause", "status", "reason")
        found.append(one_sided.with_columns(cause=cause.otherwise(pl.lit(otherwise)), status=pl.lit(status)).select(columns).collect())
    return pl.concat(found)


def _count(tally: Tally, examples: pl.DataFrame, rows: pl.DataFrame) -> None:
    for status, cause, reason, number in rows.group_by("status", "cause", "reason").len().iter_rows():
        tally.rows[status, cause, reason] += number
    for status, number in examples.drop_nulls("status").group_by("status").len().iter_rows():
        tally.examples[status] += number
    moved = examples.filter(pl.col("split") != pl.col("split_after"))
    for split, split_after, number in moved.group_by("split", "split_after").len().iter_rows():
        tally.moved[split, split_after] += number


def _num_in_place(places: pl.DataFrame) -> int:
    """Returns how many raw rows left a line at which another came: most likely edits of rows that have no key."""
    removed, added = (places.filter(pl.col("status") == status).select("place") for status in ("removed", "added"))
    return removed.join(added.unique(), on="place", how="semi").height
