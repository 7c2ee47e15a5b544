"""Demonstrations for templates with `shots`: other rows of train, drawn for each row by its id."""

import json
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TypeVar

import polars as pl

from prep.build.eligibility import PART, problem
from prep.build.near_duplicates import NEAR_THRESHOLD
from prep.sources.rows import GROUP, ROW_ID, SPLIT, base_id
from prep.text.normalise import number_column
from prep.text.shingles import shingles
from templates.fallback import SHOTS
from templates.template import Template

# Why a row has no demonstrations, null where it has them; and the reason under which such rows are dropped.
LACKING = "#lacking"
TOO_FEW_SHOTS = "too_few_shots"
# The inputs of a pool, in bytes: where documents are long, a few hundred of them give variety enough.
_MAX_POOL_BYTES = 16 << 20
# Rows that are looked at together: the better the pool already is, the fewer of the next ones have a chance.
_SLICE_ROWS = 1 << 13
# Each demonstration stands at so many places of its ring, so that all are drawn about equally often.
_NUM_PLACES = 8
# Draws from a ring before its demonstrations are gone through one by one.
_NUM_DRAWS = 4
_Value = TypeVar("_Value")
_NUMBER, _KEY, _LABEL, _BYTES = "#number", "#key", "#label", "#bytes"


@dataclass(frozen=True, slots=True)
class _Shot:
    """A demonstration: whose it is, its shown text's shingles and its inputs as JSON."""

    base: str
    group: str | None
    shingles: frozenset[str]
    json: str


class ShotPool:
    """Rows of train that may be shown as demonstrations, no two of them near-duplicates.

    Args:
        template: the template that shows them.
        rows: the rows, with `META_COLUMNS` and the template's inputs.
        seed: of the draws.
    """

    def __init__(self, template: Template, rows: pl.DataFrame, seed: int) -> None:
        self._template = template
        self._seed = seed
        keyed = rows.with_columns(_key(rows.columns).alias(_KEY), _label(template).alias(_LABEL))
        # Of two that are near the rarer label stays, or it might have none.
        keyed = keyed.sort(pl.len().over(_LABEL), number_column(pl.col(_KEY), seed), ROW_ID)
        sets = [shingles(text) for text in keyed.select(_shown(template)).to_series()]
        kept = distinct(sets)
        keyed = keyed[kept]
        inputs = keyed.select(list(template.header.inputs)).iter_rows(named=True)
        self._shots = [
            _Shot(base_id(row_id), group, sets[place], json.dumps(fields, ensure_ascii=False))
            for place, row_id, group, fields in zip(kept, keyed[ROW_ID], keyed[GROUP], inputs, strict=True)
        ]
        self._group_sizes = Counter(shot.group for shot in self._shots if shot.group is not None)
        members: dict[str, list[int]] = defaultdict(list)
        for index, label in enumerate(keyed[_LABEL]):
            members[label].append(index)
        self._rings = [_HashRing(own, keyed[_KEY].gather(own), seed) for _, own in sorted(members.items())]

    @classmethod
    def gather(cls, frames: Iterable[pl.DataFrame], template: Template, *, seed: int, size: int = 4096) -> "ShotPool":
        """Picks the pool from the rows of a dataset.

        Which rows are picked depends on their ids and the seed, not on their order, and a row more changes few of them. Of copies of a row
        one is picked. Each label gets the same room, so that a rare one has its rows.

        Args:
            frames: rows with `META_COLUMNS`, their split assigned, and one text column a field. No more than the pool and a frame is held.
            template: a template with `shots`. Rows that it cannot show are left out.
            seed: of the choice and the draws.
            size: the most rows to pick.
        """
        gathering = _Gathering(template, seed, size)
        for frame in frames:
            for rows in frame.iter_slices(_SLICE_ROWS):
                gathering.add(rows)
        return cls(template, gathering.rows, seed)

    def __len__(self) -> int:
        return len(self._shots)

    def draw(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Adds each row's demonstrations in the column `shots`, as the JSON of a list of objects, and `LACKING`.

        A row is shown neither itself or a copy, nor a row of its group, nor a near-duplicate of its input. Labels are spread as evenly as
        may be, whatever the row's own. Copies are shown the same ones, so that the order of the files does not matter; the pieces and
        repetitions of a row are shown others. Where there are too few, `shots` is null and `LACKING` says so.

        Args:
            frame: rows with `META_COLUMNS`, and one text column a field.
        """
        number = number_column(pl.concat_str(pl.lit("draw:"), _key(frame.columns)), self._seed)
        # Beside the rows, as a constant has no height of its own.
        asked = frame.with_columns(_shown(self._template).alias("#shown"), number.alias(_NUMBER)).select(ROW_ID, GROUP, "#shown", _NUMBER)
        drawn = [self._draw_row(*row) for row in asked.iter_rows()]
        shots = [f"[{','.join(self._shots[index].json for index in row)}]" if row else None for row in drawn]
        lacking = pl.when(pl.col(SHOTS).is_null()).then(pl.lit(self._lacking()))
        return frame.with_columns(pl.Series(SHOTS, shots, pl.String)).with_columns(lacking.alias(LACKING))

    def _lacking(self) -> str:
        return (
            f"template '{self._template.name}' shows {self._template.shots} demonstrations, and of the {len(self)} different train rows in "
            "its pool fewer are neither this row, nor of its group, nor like it"
        )

    def _draw_row(self, row_id: str, group: str | None, shown: str, number: int) -> list[int]:
        """Returns the demonstrations of a row, none where there are too few."""
        num_wanted = self._template.shots
        if len(self) - (self._group_sizes[group] if group is not None else 0) < num_wanted:
            return []
        asker = _Shot(base_id(row_id), group, shingles(shown), "")
        numbers = _numbers(number)
        drawn: list[int] = []
        seen: set[int] = set()
        rings = list(self._rings)
        while rings and len(drawn) < num_wanted:  # a demonstration of each label in turn, in an order that is drawn anew each time
            productive = []
            for ring in _shuffled(rings, numbers):
                found = self._next(ring, asker, seen, numbers)
                if found is not None:
                    drawn.append(found)
                    productive.append(ring)
                    if len(drawn) == num_wanted:
                        break
            rings = productive
        return list(_shuffled(drawn, numbers)) if len(drawn) == num_wanted else []

    def _next(self, ring: "_HashRing", asker: _Shot, seen: set[int], numbers: Iterator[int]) -> int | None:
        for draw in range(_NUM_DRAWS + 1):
            for index in ring.members if draw == _NUM_DRAWS else (ring.at(next(numbers)),):
                if index not in seen:
                    seen.add(index)
                    if _may_see(asker, self._shots[index]):
                        return index
        return None


class _HashRing:
    """The demonstrations of a label on a circle of hashes. One more takes from each neighbour a little and moves none of the others."""

    def __init__(self, members: list[int], keys: pl.Series, seed: int) -> None:
        self.members = members
        places: list[tuple[int, int]] = []
        for place in range(_NUM_PLACES):
            numbers = keys.to_frame(_KEY).select(number_column(pl.concat_str(pl.lit(f"place {place}:"), _KEY), seed)).to_series()
            places += zip(numbers, members, strict=True)
        places.sort()
        self._numbers = [number for number, _ in places]
        self._indices = [index for _, index in places]

    def at(self, number: int) -> int:
        place = bisect_left(self._numbers, number)
        return self._indices[place if place < len(self._indices) else 0]


class _Gathering:
    """The rows with the smallest hashes so far, for each label as many."""

    def __init__(self, template: Template, seed: int, size: int) -> None:
        self._template = template
        self._seed = seed
        num_labels = len(template.words) if template.label_field is not None else 1
        self._max_rows = max(1, size // num_labels)
        self._max_bytes = _MAX_POOL_BYTES // num_labels
        self._limits: dict[str, int] = {}  # label -> the largest hash that still has a chance, where its room is full
        self._kept: pl.DataFrame | None = None

    @property
    def rows(self) -> pl.DataFrame:
        if self._kept is None:
            empty = dict.fromkeys([ROW_ID, GROUP, *self._template.header.inputs], pl.String())
            return pl.DataFrame(schema=empty)
        return self._kept.drop(_NUMBER, _KEY, _LABEL, _BYTES)

    def add(self, rows: pl.DataFrame) -> None:
        inputs = list(self._template.header.inputs)
        part = [PART] if PART in rows.columns else []
        num_bytes = pl.sum_horizontal(pl.col(name).str.len_bytes().fill_null(0) for name in inputs)
        usable = rows.filter((pl.col(SPLIT) == "train") & problem(self._template)[0].is_null())
        keyed = usable.select(ROW_ID, GROUP, *part, *inputs, _key(rows.columns).alias(_KEY)).with_columns(
            number_column(pl.col(_KEY), self._seed).alias(_NUMBER), _label(self._template).alias(_LABEL), num_bytes.alias(_BYTES)
        )
        highest = pl.lit((1 << 64) - 1, pl.UInt64)
        limit = pl.col(_LABEL).replace_strict(self._limits, default=highest, return_dtype=pl.UInt64) if self._limits else highest
        hopeful = keyed.filter(pl.col(_NUMBER) <= limit)
        hopeful = hopeful.filter([self._can_show(fields) for fields in hopeful.select(inputs).iter_rows(named=True)])
        if hopeful.height:
            self._keep_best(hopeful if self._kept is None else pl.concat([self._kept, hopeful]))

    def _can_show(self, fields: dict[str, str | None]) -> bool:
        """Whether all fields are of their types. One row that is wrong must not spoil all those that it would be shown with."""
        try:
            self._template.coerce_fields({**fields, SHOTS: []})
        except ValueError:
            return False
        return True

    def _keep_best(self, rows: pl.DataFrame) -> None:
        ordered = rows.sort(_NUMBER, ROW_ID).unique(_KEY, keep="first", maintain_order=True)
        has_room = pl.int_range(pl.len()).over(_LABEL) < self._max_rows
        # At least one of each label, however long.
        has_room &= pl.col(_BYTES).cum_sum().over(_LABEL) - pl.col(_BYTES) < self._max_bytes
        self._kept = ordered.filter(has_room)
        full = ordered.filter(~has_room)[_LABEL].unique()
        best = self._kept.filter(pl.col(_LABEL).is_in(full.implode())).group_by(_LABEL).agg(pl.col(_NUMBER).max())
        self._limits.update(best.rows())


def distinct(sets: Sequence[frozenset[str]]) -> list[int]:
    """Returns the places of the sets that are no near-duplicate of one before them that is returned.

    Exact: two sets that are that near share one of their rarest members (prefix filtering, Bayardo et al. 2007), and only such are
    compared.
    """
    frequency = Counter(member for one in sets for member in one)
    by_member: dict[str, list[int]] = defaultdict(list)
    kept = []
    for place, one in enumerate(sets):
        num_rarest = len(one) - ceil(NEAR_THRESHOLD * len(one) - 1e-9) + 1
        rarest = sorted(one, key=lambda member: (frequency[member], member))[:num_rarest]
        candidates = {other for member in rarest for other in by_member[member]}
        if not any(_are_near(one, sets[other]) for other in candidates):
            kept.append(place)
            for member in rarest:
                by_member[member].append(place)
    return kept


def _are_near(one: frozenset[str], other: frozenset[str]) -> bool:
    """As `prep.text.shingles.jaccard` says, without making the union: this is most of what a draw costs."""
    num_one, num_other = len(one), len(other)
    # The sizes alone rule many pairs out.
    if min(num_one, num_other) < NEAR_THRESHOLD * max(num_one, num_other) - 1e-9:
        return False
    num_shared = len(one & other)
    return num_shared >= 1 and num_shared / (num_one + num_other - num_shared) >= NEAR_THRESHOLD


def _may_see(asker: _Shot, shot: _Shot) -> bool:
    is_kin = shot.base == asker.base or (asker.group is not None and shot.group == asker.group)
    return not is_kin and not _are_near(asker.shingles, shot.shingles)


def _key(columns: list[str]) -> pl.Expr:
    """Returns what the hashes of a row are made of: the id that its copies share, and the number of its piece but for the first."""
    base = pl.col(ROW_ID).map_batches(lambda ids: pl.Series([base_id(one) for one in ids], dtype=pl.String), return_dtype=pl.String)
    if PART not in columns:
        return base
    return pl.when(pl.col(PART) == 0).then(base).otherwise(pl.concat_str(base, pl.lit("/"), PART))


def _label(template: Template) -> pl.Expr:
    return pl.lit("") if template.label_field is None else pl.col(template.label_field).fill_null("")


def _shown(template: Template) -> pl.Expr:
    """Returns the text whose near-duplicates are kept apart, as deduplication sees it."""
    return pl.concat_str(template.input_fields, separator=" ", ignore_nulls=True).fill_null("")


def _numbers(state: int) -> Iterator[int]:
    """Yields numbers of 64 bits, evenly spread (Knuth's MMIX generator, whose upper bits are the good ones)."""
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) & ((1 << 64) - 1)
        yield state


def _shuffled(values: list[_Value], numbers: Iterator[int]) -> Iterator[_Value]:
    """Yields the values in an order that the numbers give; only as many are drawn as are taken."""
    values = list(values)
    for place in range(len(values)):
        other = place + (next(numbers) * (len(values) - place) >> 64)
        values[place], values[other] = values[other], values[place]
        yield values[place]
