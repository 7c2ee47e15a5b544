"""The build: sources -> rows -> fixes -> splits -> duplicates -> rendered examples -> a dataset folder, whole or not at all."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from loopwright import __version__
from loopwright.errors import UserError, raise_all
from loopwright.files import atomic_dir
from loopwright.hashing import hash_file, hash_text
from prep.card import render_card
from prep.checks import check_fields, check_out, check_outputs, load_templates
from prep.config import BuildConfig, load_build_config
from prep.dataset import Dataset, FixAccounting, Manifest, RowAccounting, TemplateInfo
from prep.dedup import remove_duplicates
from prep.fixes import FixOutcome, apply_fixes, load_fixes
from prep.render import DETAIL, REASON, number_positions, render_rows
from prep.rows import ROW_ID, SOURCE, SPLIT, Rows, find_files, read_rows
from prep.source import LINE
from prep.split import assign_splits, split_counts
from prep.write import DROPPED_SCHEMA, INTENDED_DROPS, os_errors, write_dropped, write_outputs
from templates.template import Template

# Sections that other commands read; a change of theirs does not change the dataset.
_OTHER_SECTIONS = {"train", "evals", "loop"}
_MAX_SHOWN = 20


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What a build did.

    Attributes:
        out: the dataset's folder.
        manifest: its manifest.
        paths: template -> `compiled` or `fallback`; empty where nothing was done.
        not_rendered: template -> reason -> rows that other templates rendered and this one could not.
        cached: nothing had changed, so nothing was done.
    """

    out: Path
    manifest: Manifest
    paths: dict[str, str]
    not_rendered: dict[str, dict[str, int]]
    cached: bool

    def to_json(self) -> dict[str, Any]:
        """Returns the result as `prep build --json` prints it."""
        manifest = self.manifest
        return {
            "out": str(self.out),
            "read": manifest.rows.read,
            "kept": manifest.rows.kept,
            "dropped": manifest.rows.dropped,
            "examples": manifest.examples,
            "splits": manifest.splits,
            "outputs": manifest.outputs,
            "fixes": manifest.fixes.model_dump(),
            "not_rendered": self.not_rendered,
            "paths": self.paths,
            "cached": self.cached,
        }


def build(config_path: Path, out: Path, *, strict: bool = False) -> BuildResult:
    """Builds the dataset that a config describes.

    The folder appears under its name when it is whole; killed at any moment, an older dataset stays as it was. Where nothing that the
    build depends on has changed, nothing is done.

    Args:
        config_path: the YAML config.
        out: the dataset's folder; an older dataset there is replaced, any other folder is refused.
        strict: stop at rows that cannot be used, instead of listing them in dropped.jsonl.

    Raises:
        UserError: the config, a source, a template or the fix ledger is wrong, or no row is left. Nothing is written then.
    """
    config = load_build_config(config_path)
    base_dir = config_path.parent
    check_out(out)
    templates = load_templates(config, base_dir, str(config_path))
    outputs = check_outputs(config, templates, str(config_path))
    ledger = base_dir / config.fixes
    # A source may be the config's own folder; the ledger in it is no data.
    files = [file for file in find_files(config.sources, base_dir, str(config_path)) if file.path != ledger]
    key = _build_key(config, templates, {**{one.shown: one.path for one in files}, **({"": ledger} if ledger.exists() else {})})
    if (cached := _unchanged(out, key)) is not None:
        return BuildResult(out, cached, {}, {}, cached=True)
    rows = read_rows(files)
    if not rows.field_names:
        raise _no_row_left(_rejected(rows), str(config_path))
    check_fields(rows, templates, config, str(config_path))
    prepared = _prepare(rows, config, templates, ledger)
    rendered = _render(prepared.rows, templates, config, ledger.name)
    dropped = pl.concat([prepared.dropped, rendered.dropped])
    if strict:
        _stop_at_bad_rows(dropped)
    if rendered.examples.is_empty():
        raise _no_row_left(dropped, str(config_path))
    manifest = Manifest(
        name=config.name,
        loopwright_version=__version__,
        key=key,
        config=config.model_dump(mode="json", exclude=_OTHER_SECTIONS),
        config_path=config_path.name,
        templates=[describe(template) for template in templates],
        rows=RowAccounting(read=prepared.num_read, kept=rendered.num_kept, dropped=_count_reasons(dropped)),
        fixes=FixAccounting(applied=prepared.fixes.num_applied, stale=[asdict(stale) for stale in prepared.fixes.stale]),
        examples=rendered.examples.height,
        splits=split_counts(rendered.examples["split"]),
        outputs=outputs,
        seed=config.split.seed,
        files={},
    )
    assert manifest.rows.read == manifest.rows.kept + sum(manifest.rows.dropped.values()), "row accounting does not add up"
    _write(out, manifest, config, rendered.examples, dropped, config_path=config_path)
    return BuildResult(out, Dataset.open(out).manifest, rendered.paths, rendered.not_rendered, cached=False)


def describe(template: Template) -> TemplateInfo:
    """Returns what a manifest keeps of a template."""
    header = template.header
    return TemplateInfo(
        name=template.name,
        version=header.version,
        task=header.task,
        kinds=template.kinds,
        verbalizer={key: list(words) for key, words in template.words.items()},
        metrics=list(header.metrics),
        keep=list(header.keep),
        sha256=template.sha256,
    )


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Rows that are ready to render."""

    rows: pl.DataFrame
    dropped: pl.DataFrame
    fixes: FixOutcome
    num_read: int


def _prepare(rows: Rows, config: BuildConfig, templates: list[Template], ledger: Path) -> _Prepared:
    """Maps labels, assigns splits and replays the fixes."""
    split = assign_splits(_map_labels(rows.frame, config, templates), config.split, templates[0].input_fields)
    fixes = apply_fixes(split, load_fixes(ledger), ledger.name)
    # Added rows have no split yet: they are for training. Rechunked, as Polars 2.1 panics on formatting a column of several chunks one of
    # which a filter left empty.
    ready = fixes.frame.with_columns(pl.col(SPLIT).fill_null("train")).collect().rechunk()
    fixed = [(source, line, row_id, "fix_drop", reason) for source, line, row_id, reason in fixes.dropped]
    dropped = pl.concat([_rejected(rows), pl.DataFrame(fixed, schema=DROPPED_SCHEMA, orient="row")])
    return _Prepared(ready, dropped, fixes, ready.height + dropped.height)


def _rejected(rows: Rows) -> pl.DataFrame:
    lines = [(source, row.line, None, row.reason, row.detail) for source, row in rows.rejected]
    return pl.DataFrame(lines, schema=DROPPED_SCHEMA, orient="row")


def _no_row_left(dropped: pl.DataFrame, where: str) -> UserError:
    if dropped.is_empty():
        return UserError("the sources hold no row", where, "Give a file with at least one row.")
    reasons = ", ".join(f"{count} {reason}" for reason, count in _count_reasons(dropped).items())
    first = dropped.row(0, named=True)
    place = f"{first['source']}:{first['line']}"
    return UserError("no row is left to build from", where, f"Dropped: {reasons}. The first, {place}: {first['detail']}.")


def _map_labels(frame: pl.LazyFrame, config: BuildConfig, templates: list[Template]) -> pl.LazyFrame:
    """Replaces raw label values by keys of the verbalizer; a value that `labels` does not name stays as it is."""
    mappings: dict[str, dict[str, str]] = {}
    for template in templates:
        if template.label_field is not None:
            known = {raw: key for raw, key in config.labels.items() if key in template.header.verbalizer}
            mappings.setdefault(template.label_field, {}).update(known)
    return frame.with_columns(pl.col(name).replace(mapping) for name, mapping in mappings.items() if mapping)


@dataclass(frozen=True, slots=True)
class _RenderedAll:
    """What all templates gave."""

    examples: pl.DataFrame
    dropped: pl.DataFrame
    num_kept: int
    paths: dict[str, str]
    not_rendered: dict[str, dict[str, int]]


def _render(rows: pl.DataFrame, templates: list[Template], config: BuildConfig, ledger_name: str) -> _RenderedAll:
    """Renders every row with every template. A row is kept where at least one template renders it and it is nobody's duplicate."""
    rendered = {template.name: render_rows(rows, template) for template in templates}
    examples = pl.concat([one.examples for one in rendered.values()])
    was_rendered = pl.col(ROW_ID).is_in(examples["row_id"].unique().implode())
    failed = pl.concat([one.failed for one in rendered.values()])
    lost = failed.filter(~was_rendered).unique(ROW_ID, keep="first", maintain_order=True)
    not_rendered = {}
    for name, one in rendered.items():
        if counts := dict(one.failed.filter(was_rendered)[REASON].value_counts().sort(REASON).iter_rows()):
            not_rendered[name] = counts
    # Only now: a row that cannot be used must not push out a good one that is like it.
    kept, duplicates = remove_duplicates(rows.filter(was_rendered), templates, config.dedup, ledger_name)
    examples = number_positions(examples.filter(pl.col("row_id").is_in(kept[ROW_ID].implode())))
    dropped = pl.concat([lost.select(source=SOURCE, line=LINE, id=ROW_ID, reason=REASON, detail=DETAIL), duplicates])
    return _RenderedAll(examples, dropped, kept.height, {name: one.path for name, one in rendered.items()}, not_rendered)


def _write(out: Path, manifest: Manifest, config: BuildConfig, examples: pl.DataFrame, dropped: pl.DataFrame, *, config_path: Path) -> None:
    with atomic_dir(out) as folder, os_errors():
        examples.write_parquet(folder / "examples.parquet")
        filled = write_outputs(examples, manifest.outputs, folder)
        write_dropped(dropped, folder / "dropped.jsonl")
        (folder / "README.md").write_text(render_card(manifest, config, filled), encoding="utf-8")
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        manifest.files = {str(path.relative_to(folder)): hash_file(path) for path in files}
        (folder / "manifest.json").write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        # The one file that differs between two builds of the same inputs.
        log = {"finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "config": str(config_path.resolve())}
        (folder / "build.log").write_text(json.dumps(log) + "\n", encoding="utf-8")


def _stop_at_bad_rows(dropped: pl.DataFrame) -> None:
    bad = dropped.filter(~pl.col("reason").is_in(list(INTENDED_DROPS)))
    errors = [
        UserError(f"{row['reason']}: {row['detail']}", f"{row['source']}:{row['line']}")
        for row in bad.head(_MAX_SHOWN).iter_rows(named=True)
    ]
    if bad.height > _MAX_SHOWN:
        errors.append(UserError(f"and {bad.height - _MAX_SHOWN} more rows", remedy="Build without --strict to list them in dropped.jsonl."))
    raise_all(errors)


def _count_reasons(dropped: pl.DataFrame) -> dict[str, int]:
    return dict(dropped["reason"].value_counts().sort("reason").iter_rows())


def _build_key(config: BuildConfig, templates: list[Template], files: Mapping[str, Path]) -> str:
    """Returns the hash of everything that the dataset depends on; the files' names too, as each example says where it is from."""
    settings = config.model_dump_json(exclude=_OTHER_SECTIONS)
    contents = (part for shown, path in files.items() for part in (shown, hash_file(path)))
    return hash_text(__version__, settings, *(template.sha256 for template in templates), *contents)


def _unchanged(out: Path, key: str) -> Manifest | None:
    """Returns the manifest of the dataset that is there, if it was built from the same and none of its files was touched since."""
    try:
        manifest = Dataset.open(out).manifest
    except UserError:
        return None
    if manifest.key != key or any(not (out / name).is_file() or hash_file(out / name) != sha for name, sha in manifest.files.items()):
        return None
    return manifest
