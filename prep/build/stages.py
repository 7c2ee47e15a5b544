"""The stages of a build, each a bounded number of rows at a time: read and divide, find what leaves, render and write."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from prep.build.background import ahead
from prep.build.canaries import Planter
from prep.build.dedup import CLUSTER_SCHEMA, duplicate_detail, find_duplicates
from prep.build.fix_ledger import Fix, FixOutcome, replay_fixes
from prep.build.mixture import Sampling, sample_rows
from prep.build.multipart import PartMaker
from prep.build.progress import BuildProgress
from prep.build.render import Renderer
from prep.build.row_store import RowStore
from prep.build.split import assign_splits
from prep.build.split_by_time import TIME, assign_by_time, cut_times, parse_time
from prep.build.write import DROPPED_SCHEMA, DatasetWriter
from prep.config import SLICE_COLUMNS, BuildConfig
from prep.sources.files import SourceFile, share_read
from prep.sources.rows import ROW_ID, SOURCE, SPLIT, Rows, iter_rows
from prep.sources.source import LINE
from prep.sources.unread import Unread
from templates.form import Form
from templates.template import Template


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be built, and where.

    Attributes:
        config: the config.
        templates: its templates.
        outputs: the outputs to write.
        folder: an empty folder, which becomes the dataset's.
        ledger_name: the source name of the rows that the fix ledger adds.
        planter: makes the canaries; None where there are none.
    """

    config: BuildConfig
    templates: list[Template]
    outputs: list[Form]
    folder: Path
    ledger_name: str
    planter: Planter | None = None

    @property
    def rows_dir(self) -> Path:
        """Where rows wait that are too many for memory."""
        return self.folder / ".rows"


@dataclass(frozen=True, slots=True)
class ReadSources:
    """What the sources hold.

    Attributes:
        store: the rows, divided into splits, before any fix.
        field_names: the fields of all sources; none where no row could be read.
        rejected: rows that could not be read, with `DROPPED_SCHEMA`.
        fixes: what the ledger changes in them.
        cuts: the last moments of train and of validation, where rows are divided by time.
        unread: what nobody read: no shape, no template, no key of the config.
    """

    store: RowStore
    field_names: list[str]
    rejected: pl.DataFrame
    fixes: FixOutcome
    cuts: tuple[int, int] | None
    unread: Unread

    @property
    def num_read(self) -> int:
        """Raw rows, those of the ledger included."""
        return self.store.num_rows + self.fixes.added.height + self.rejected.height

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yields the rows after the fixes."""
        for frame in self.store.frames():
            yield self.fixes.patch(frame if self.cuts is None else assign_by_time(frame, self.cuts))
        if self.fixes.added.height:
            yield self.fixes.added


@dataclass(frozen=True, slots=True)
class RenderedDataset:
    """What was written.

    Attributes:
        dropped: every raw row that is not in the dataset, with `DROPPED_SCHEMA`.
        num_kept: rows of which there is an example.
        splits: examples a split.
        filled: JSONL files that hold at least one row, relative to the dataset.
        paths: template -> `compiled` or `fallback`.
        not_rendered: template -> reason -> rows that other templates rendered and this one could not.
        peak_memory_bytes: the most memory that was held at the end of a step, mapped files left out.
    """

    dropped: pl.DataFrame
    num_kept: int
    splits: dict[str, int]
    filled: list[str]
    paths: dict[str, str]
    not_rendered: dict[str, dict[str, int]]
    peak_memory_bytes: int


def read_sources(job: Job, files: list[SourceFile], fixes: list[Fix], limit: int | None, progress: BuildProgress) -> ReadSources:
    """Reads all files, maps the labels and assigns the splits; works out what the fixes change.

    Args:
        job: what is to be built; only the fields that it uses are kept.
        files: what to read.
        fixes: the ledger's entries.
        limit: rows to read of each file at most; None for all.
        progress: is told of each step.

    Raises:
        UserError: a file is unreadable as a whole, or the config names a column that it does not have.
    """
    config = job.config
    times = {TIME: pl.Int64()} if config.split.by == "time" else {}
    job.rows_dir.mkdir(mode=0o700)
    used = _used_fields(job, fixes)
    store = RowStore(job.rows_dir, used, times)
    seen: dict[str, None] = {}
    unread = Unread()
    rejected: list[tuple[str, int, str | None, str, str]] = []
    for batch in ahead(iter_rows(files, limit)):
        if batch.frame.height:
            seen.update(dict.fromkeys(batch.field_names))
        frame = _map_labels(store.align(batch.frame), job)
        if times:
            frame, undated = _with_times(frame, str(config.split.column))
            rejected += undated
        else:
            frame = assign_splits(frame, config.split, job.templates[0].input_fields)
        store.append(frame)
        rejected += [(source, row.line, None, row.reason, row.detail) for source, row in batch.rejected]
        unread.add(batch.unread)
        progress.advance(_num_rows(batch))
        if limit is None and (share := share_read(files)):
            progress.expect(round(progress.num_done / share))
    outcome = replay_fixes(store.lazy(), fixes, job.ledger_name)
    cuts = cut_times(store.lazy().filter(pl.col(SPLIT).is_null()).select(TIME).collect()[TIME], config.split) if times else None
    return ReadSources(store, list(seen), pl.DataFrame(rejected, schema=DROPPED_SCHEMA, orient="row"), outcome, cuts, unread.without(used))


def _num_rows(batch: Rows) -> int:
    return batch.frame.height + len(batch.rejected)


def _used_fields(job: Job, fixes: list[Fix]) -> list[str]:
    config = job.config
    used = dict.fromkeys(name for template in job.templates for name in template.header.inputs)
    used |= dict.fromkeys(name for fix in fixes for name in (*fix.before, *fix.after))
    asked = (config.split.column, config.resample and config.resample.by, config.chunk and config.chunk.field, *_slice_fields(job))
    return list(used | dict.fromkeys(name for name in asked if name))


def _slice_fields(job: Job) -> list[str]:
    """Returns the fields by whose values slices are declared, for lint to count; what every example has needs no field."""
    return [name for name in job.config.lint.expect.slices if name not in SLICE_COLUMNS]


def _with_times(frame: pl.DataFrame, column: str) -> tuple[pl.DataFrame, list[tuple[str, int, str | None, str, str]]]:
    """Adds each row's moment, and takes out the rows that have none but need one."""
    timed = frame.with_columns(parse_time(pl.col(column)).alias(TIME))
    undated = pl.col(TIME).is_null() & pl.col(SPLIT).is_null()
    detail = pl.concat_str(pl.lit(f"'{column}' is no date: "), pl.col(column).fill_null("empty").str.head(40))
    bad = timed.filter(undated).select(SOURCE, LINE, ROW_ID, pl.lit("bad_date"), detail.alias("detail"))
    return timed.filter(~undated) if bad.height else timed, bad.rows()


def _map_labels(frame: pl.DataFrame, job: Job) -> pl.DataFrame:
    """Replaces raw label values by keys of the verbalizer; a value that `labels` does not name stays as it is."""
    mappings: dict[str, dict[str, str]] = {}
    for template in job.templates:
        if template.label_field is not None:
            known = {raw: key for raw, key in job.config.labels.items() if key in template.words}
            mappings.setdefault(template.label_field, {}).update(known)
    return frame.with_columns(pl.col(name).replace(mapping) for name, mapping in mappings.items() if mapping)


def render_dataset(job: Job, read: ReadSources, files: list[SourceFile], progress: BuildProgress) -> RenderedDataset:
    """Renders every row that stays with every template, and writes the examples.

    A row is kept where at least one template renders it and it is nobody's duplicate.

    Args:
        job: what is to be built.
        read: the rows.
        files: where they come from.
        progress: is told of each step.
    """
    entries = job.config.templates
    weights = [entry.weight or 1.0 for entry in entries] if any(entry.weight for entry in entries) else None
    with Renderer(job.templates, job.outputs, weights, job.config.split.seed, _slice_fields(job)) as renderer:
        unusable: set[str] = set()
        while True:
            exclusions = _find_exclusions(job, read, files, renderer, unusable)
            renderer.gather_shots(partial(exclusions.remaining, read))
            done = _render_rows(job, read, exclusions, renderer, progress)
            # A row that cannot be used must not push out a good one that is like it. What only rendering shows is known now.
            displacing = set(done.unrenderable["row_id"]) & set(exclusions.duplicates["survivor"])
            if not displacing:
                break
            unusable |= displacing
            _clear(job)
    if job.config.dedup.exact or job.config.dedup.near:
        exclusions.duplicates.select("row_id", "survivor", "similarity", "reason").write_parquet(job.folder / "clusters.parquet")
    fixed = [(source, line, row_id, "fix_drop", reason) for source, line, row_id, reason in read.fixes.dropped]
    dropped = [
        read.rejected,
        pl.DataFrame(fixed, schema=DROPPED_SCHEMA, orient="row"),
        done.unrenderable.select("source", "line", id="row_id", reason="reason", detail="detail"),
        exclusions.duplicates.select("source", "line", id="row_id", reason="reason", detail=duplicate_detail()),
        exclusions.sampling.left_out,
    ]
    return RenderedDataset(
        dropped=pl.concat(dropped),
        num_kept=done.num_kept,
        splits=done.splits,
        filled=done.filled,
        paths=renderer.paths,
        not_rendered=done.not_rendered,
        peak_memory_bytes=done.peak_memory_bytes,
    )


@dataclass(frozen=True, slots=True)
class _Exclusions:
    """What is not rendered, and what is rendered more than once."""

    duplicates: pl.DataFrame
    sampling: Sampling

    def remaining(self, read: ReadSources) -> Iterator[pl.DataFrame]:
        """Yields the rows that stay."""
        gone = pl.concat([self.duplicates["row_id"], self.sampling.left_out["id"].alias("row_id")]).implode()
        return (frame.filter(~pl.col(ROW_ID).is_in(gone)) for frame in read.frames()) if len(gone.item()) else read.frames()


@dataclass(frozen=True, slots=True)
class _Pass:
    """What one pass over the rows gave."""

    unrenderable: pl.DataFrame
    num_kept: int
    splits: dict[str, int]
    filled: list[str]
    not_rendered: dict[str, dict[str, int]]
    peak_memory_bytes: int


def _find_exclusions(job: Job, read: ReadSources, files: list[SourceFile], renderer: Renderer, unusable: set[str]) -> _Exclusions:
    config = job.config
    is_usable = renderer.usable() & ~pl.col(ROW_ID).is_in(list(unusable))

    def usable() -> Iterator[pl.DataFrame]:
        return (frame.filter(is_usable) for frame in read.frames())

    duplicates = pl.DataFrame(schema=CLUSTER_SCHEMA)
    if config.dedup.exact or config.dedup.near or read.fixes.added.height:
        duplicates = find_duplicates(usable, read.store.schema, job.templates, config.dedup, job.ledger_name)
    gone = duplicates["row_id"].implode()
    weighted = {file.shown: (config.sources.index(file.source), file.source.weight) for file in files}
    weights = {shown: (place, weight) for shown, (place, weight) in weighted.items() if weight is not None}
    remaining = (frame.filter(~pl.col(ROW_ID).is_in(gone)) for frame in usable())
    return _Exclusions(duplicates, sample_rows(lambda: remaining, config, weights))


def _render_rows(job: Job, read: ReadSources, exclusions: _Exclusions, renderer: Renderer, progress: BuildProgress) -> _Pass:
    make_parts = PartMaker(job.config, exclusions.sampling.repeats)
    unrenderable = [renderer.render(pl.DataFrame(schema=read.store.schema)).failed]
    not_rendered: dict[str, dict[str, int]] = {}
    num_kept = peak = 0
    with DatasetWriter(job.folder, job.outputs) as writer:
        for frame in ahead(exclusions.remaining(read)):
            rendered = renderer.render(make_parts(frame))
            if job.planter is not None:
                job.planter.look(rendered.examples)
            writer.write(rendered.examples)
            was_rendered = rendered.examples["row_id"].unique()
            num_kept += len(was_rendered)
            if rendered.failed.height:
                elsewhere = rendered.failed["row_id"].is_in(was_rendered.implode())
                unrenderable.append(rendered.failed.filter(~elsewhere).unique("row_id", keep="first", maintain_order=True))
                for template, reason, count in rendered.failed.filter(elsewhere).group_by("template", "reason").len().sort(pl.all()).rows():
                    reasons = not_rendered.setdefault(template, {})
                    reasons[reason] = reasons.get(reason, 0) + count
            progress.advance(frame.height)
            peak = max(peak, anonymous_memory_bytes())
        if job.planter is not None:
            writer.write(job.planter.examples())  # behind all others: none of those moves
    return _Pass(pl.concat(unrenderable), num_kept, writer.splits, sorted(writer.filled), not_rendered, peak)


def _clear(job: Job) -> None:
    for output in job.outputs:
        shutil.rmtree(job.folder / output)
    (job.folder / "examples.parquet").unlink()


def anonymous_memory_bytes() -> int:
    """Returns how much memory this process holds, mapped files left out; 0 where the system does not say."""
    try:
        with Path("/proc/self/status").open(encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))
    except (OSError, StopIteration):
        return 0
