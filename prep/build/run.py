"""The build: sources -> rows -> fixes -> splits -> duplicates -> rendered examples -> a dataset folder, whole or not at all."""

import json
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from loopwright import __version__
from loopwright.errors import UserError, raise_all
from loopwright.files import atomic_dir, os_errors
from loopwright.hashing import hash_bytes, hash_file, hash_text
from loopwright.notebook import html_table
from loopwright.plugin_config import PluginsConfig
from loopwright.plugins import plugins_key, use_plugins
from loopwright.progress import ProgressCallback
from prep.build.canaries import Planter
from prep.build.card import render_card
from prep.build.checks import OLDER_DATASET, check_fields, check_outputs, load_templates
from prep.build.dropped_rows import count_reasons, no_row_left
from prep.build.fix_ledger import load_fixes
from prep.build.ledger_file import SHARED_NAME, find_ledger, replayed_bytes
from prep.build.lock import build_lock
from prep.build.progress import BuildProgress
from prep.build.stages import Job, ReadSources, RenderedDataset, read_sources, render_dataset
from prep.build.write import INTENDED_DROPS, write_dropped
from prep.config import BuildConfig, ConfigLike, LocatedConfig, locate_config
from prep.dataset.manifest import FORMAT, Dataset, FixAccounting, Manifest, RowAccounting, TemplateInfo
from prep.dataset.replaceable import check_replaceable
from prep.sources.files import SourceFile, find_files
from prep.sources.tables import table_files
from templates.template import Template

# Sections that other commands read; a change of theirs does not change the dataset.
_OTHER_SECTIONS = {"train", "mixture", "stages", "sweep", "rlhf", "evals", "loop"}
# The plug-ins that a build asks for; those of other kinds do not change the dataset.
_PLUGIN_KINDS = ("sources", "shapes")
_MAX_SHOWN = 20


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What a build did.

    Attributes:
        out: the dataset's folder.
        manifest: its manifest.
        paths: template -> `compiled` or `fallback`; empty where nothing was done.
        not_rendered: template -> reason -> rows that other templates rendered and this one could not.
        seconds: time that it took.
        peak_memory_bytes: the most memory that it held at the end of a step, mapped files left out; 0 where nothing was done.
        cached: nothing had changed, so nothing was done.
        notices: what the user should know of how the sources were read.
    """

    out: Path
    manifest: Manifest
    paths: dict[str, str]
    not_rendered: dict[str, dict[str, int]]
    seconds: float
    peak_memory_bytes: int
    cached: bool
    notices: tuple[str, ...] = ()

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
            "unread": {path: one.model_dump() for path, one in manifest.unread.items()},
            "fixes": manifest.fixes.model_dump(),
            "not_rendered": self.not_rendered,
            "seconds": round(self.seconds, 3),
            "rows_per_second": 0 if self.cached else round(manifest.rows.read / self.seconds),
            "peak_memory_bytes": self.peak_memory_bytes,
            "paths": self.paths,
            "cached": self.cached,
        }

    def to_polars(self) -> pl.DataFrame:
        """Returns the dataset's examples, one a row, with `prep.dataset.schema.EXAMPLE_SCHEMA`.

        Raises:
            UserError: the dataset is no longer there, or damaged.
        """
        return Dataset.open(self.out).examples().collect()

    def _repr_html_(self) -> str:
        manifest = self.manifest
        rows = [("rows read", manifest.rows.read), ("rows kept", manifest.rows.kept)]
        rows += [(f"dropped: {reason}", count) for reason, count in manifest.rows.dropped.items()]
        rows += [("examples", manifest.examples), *manifest.splits.items()]
        unchanged = ["nothing has changed since the last build"] if self.cached else []
        return html_table(f"{manifest.name} -> {self.out}", ("", "number"), rows, [*unchanged, *self.notices])


def build(
    config: ConfigLike,
    out: Path,
    *,
    tables: Mapping[str, object] | None = None,
    strict: bool = False,
    limit: int | None = None,
    progress: ProgressCallback | None = None,
) -> BuildResult:
    """Builds the dataset that a config describes.

    The folder appears under its name when it is whole; killed at any moment, an older dataset stays as it was. Where nothing that the
    build depends on has changed, nothing is done.

    Args:
        config: the YAML config's path, or what it says.
        out: the dataset's folder; an older dataset there is replaced, any other folder is refused.
        tables: source's name -> the table that stands for its file.
        strict: stop at rows that cannot be used, instead of listing them in dropped.jsonl.
        limit: read no more than this many rows of each file, for a quick look.
        progress: called, in place of a line on stderr, with each step and its rows.

    Raises:
        UserError: the config, a source, a template or the fix ledger is wrong, no row is left, or another build to `out` is at work.
            Nothing is written then.
    """
    located = locate_config(config, tables or ())
    with use_plugins(located.plugins):
        return _build(located, out, tables or {}, strict=strict, limit=limit, progress=progress)


def _build(
    located: LocatedConfig,
    out: Path,
    tables: Mapping[str, object],
    *,
    strict: bool,
    limit: int | None,
    progress: ProgressCallback | None,
) -> BuildResult:
    started = time.perf_counter()
    check_replaceable(out, OLDER_DATASET)
    templates = load_templates(located.config, located.base_dir, located.where)
    outputs = check_outputs(located.config, templates, located.where)
    planter = Planter.of(located.config, templates, outputs, located.where)
    ledger = find_ledger(located)
    fixes = load_fixes(ledger.path)
    config = located.config.model_copy(update={"fixes": ledger.name})
    with table_files(tables) as written:
        files = ledger.without_ledgers(find_files(config.sources, located.base_dir, located.where, written))
        said = (ledger.notice,) if ledger.notice else ()
        replayed = replayed_bytes(ledger.path, fixes)
        # Where there is no ledger its name decides nothing, and keys are as they were when all had one name.
        keyed = config if replayed is not None or located.config.fixes else config.model_copy(update={"fixes": SHARED_NAME})
        with build_lock(out), BuildProgress(progress) as shown:
            key = _build_key(keyed, templates, {one.shown: one.path for one in files}, replayed, limit)
            if (cached := _unchanged(out, key)) is not None:
                return BuildResult(out, cached, {}, {}, time.perf_counter() - started, 0, cached=True, notices=said)
            with atomic_dir(out) as folder, os_errors():
                job = Job(config, templates, outputs, folder, ledger.path.name, planter)
                shown.start("reading", None)
                read = read_sources(job, files, fixes, limit, shown)
                rendered = _render(job, read, files, located, shown, strict=strict)
                manifest = _manifest(job, key, located, read, rendered)
                assert manifest.rows.read == manifest.rows.kept + sum(manifest.rows.dropped.values()), "row accounting does not add up"
                _finish(folder, manifest, located, rendered)
    return BuildResult(
        out=out,
        manifest=manifest,
        paths=rendered.paths,
        not_rendered=rendered.not_rendered,
        seconds=time.perf_counter() - started,
        peak_memory_bytes=rendered.peak_memory_bytes,
        cached=False,
        notices=(*said, *(notice for file in files for notice in file.notices)),  # complete now that the files have been read
    )


def _render(
    job: Job, read: ReadSources, files: list[SourceFile], located: LocatedConfig, progress: BuildProgress, *, strict: bool
) -> RenderedDataset:
    """Checks what can be checked once the rows are known, and renders them.

    Raises:
        UserError: a template needs a field that no row has, or no row is left; or, where it is to be `strict`, a row cannot be used.
    """
    if not read.field_names:
        raise no_row_left(read.rejected, job.templates, located.where)
    check_fields(read.field_names, job.templates, job.config, located.where)
    progress.start("rendering", read.num_read - read.rejected.height)
    rendered = render_dataset(job, read, files, progress)
    shutil.rmtree(job.rows_dir)
    if strict:
        _stop_at_bad_rows(rendered.dropped)
    if not rendered.num_kept:
        raise no_row_left(rendered.dropped, job.templates, located.where)
    return rendered


def _manifest(job: Job, key: str, located: LocatedConfig, read: ReadSources, rendered: RenderedDataset) -> Manifest:
    """Returns what a dataset says of itself, but for the hashes of its files."""
    return Manifest(
        name=job.config.name,
        loopwright_version=__version__,
        key=key,
        config=job.config.model_dump(
            mode="json", exclude=_OTHER_SECTIONS | ({"plugins"} if job.config.plugins == PluginsConfig() else set())
        ),
        config_path=located.path.name if located.path else "",
        templates=[describe(template) for template in job.templates],
        rows=RowAccounting(read=read.num_read, kept=rendered.num_kept, dropped=dict(sorted(count_reasons(rendered.dropped).items()))),
        unread=read.unread.as_manifest(),
        fixes=FixAccounting(applied=read.fixes.num_applied, stale=[asdict(stale) for stale in read.fixes.stale]),
        canaries=job.planter and job.planter.info,
        examples=sum(rendered.splits.values()),
        splits=rendered.splits,
        outputs=job.outputs,
        seed=job.config.split.seed,
        files={},
    )


def describe(template: Template) -> TemplateInfo:
    """Returns what a manifest keeps of a template."""
    header = template.header
    return TemplateInfo(
        name=template.name,
        version=header.version,
        task=header.task,
        forms=template.forms,
        verbalizer={key: list(words) for key, words in template.words.items()},
        metrics=list(header.metrics),
        keep=list(header.keep),
        sha256=template.sha256,
        answer_schema=header.answer_schema,
    )


def _finish(folder: Path, manifest: Manifest, located: LocatedConfig, rendered: RenderedDataset) -> None:
    """Writes what stands beside the examples."""
    write_dropped(rendered.dropped, folder / "dropped.jsonl")
    (folder / "README.md").write_text(render_card(manifest, located.config, rendered.filled), encoding="utf-8")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with ThreadPoolExecutor() as pool:  # hashing lets go of the interpreter's lock
        hashes = list(pool.map(hash_file, files))
    manifest.files = {str(path.relative_to(folder)): sha for path, sha in zip(files, hashes, strict=True)}
    (folder / "manifest.json").write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    # The one file that differs between two builds of the same inputs.
    log = {"finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "config": str(located.path.resolve()) if located.path else None}
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


def _build_key(config: BuildConfig, templates: list[Template], files: Mapping[str, Path], replayed: bytes | None, limit: int | None) -> str:
    """Returns the hash of everything that the dataset depends on; the files' names too, as each example says where it is from."""
    settings = config.model_dump_json(exclude=_OTHER_SECTIONS | {"plugins"})
    contents = [part for shown, path in files.items() for part in (shown, hash_file(path))]
    contents += [] if replayed is None else ["", hash_bytes(replayed)]
    limited = None if limit is None else str(limit)
    plugins = plugins_key(*_PLUGIN_KINDS)
    code = () if plugins is None else ("plugins", plugins)
    return hash_text(__version__, settings, limited, *(template.sha256 for template in templates), *contents, *code)


def _unchanged(out: Path, key: str) -> Manifest | None:
    """Returns the manifest of the dataset that is there, if it was built from the same and none of its files was touched since.

    One of an older format is built again, under the same key: its rows are the same, and so are the runs that were trained on them.
    """
    try:
        manifest = Dataset.open(out).manifest
    except UserError:
        return None
    if (
        manifest.format != FORMAT
        or manifest.key != key
        or any(not (out / name).is_file() or hash_file(out / name) != sha for name, sha in manifest.files.items())
    ):
        return None
    return manifest
