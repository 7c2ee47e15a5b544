"""Reports kept from run to run: where neither the data nor the options nor the rules have changed, the last report is the answer.

A report quotes the corpus, so that it is kept in the user's own cache, readable by nobody else.
"""

import dataclasses
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import loopwright
from loopwright.errors import UserError
from loopwright.files import write_atomic
from loopwright.hashing import hash_file, hash_text
from loopwright.models import cache_dir, resolve_model
from loopwright.plugins import plugins_key
from prep.build.ledger_file import ledger_of_dataset
from prep.dataset.manifest import Dataset
from prep.dataset.plugins import dataset_plugins
from prep.lint.base.diagnostic import Diagnostic
from prep.lint.base.excerpts import Excerpt
from prep.lint.base.finding import Severity
from prep.lint.base.note import Note, NoteKind
from prep.lint.base.report import LintReport, Skipped
from prep.lint.frame.template_files import config_dirs, template_files
from prep.lint.options import LintOptions
from prep.lint.run import lint

_MAX_KEPT = 64
# The plug-ins that lint asks for.
_PLUGIN_KINDS = ("rules", "sources", "shapes")
# What a dataset holds that lint looks at.
_DATASET_FILES = ("manifest.json", "examples.parquet", "dropped.jsonl")
_TOKENIZER_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json")


def cached_lint(
    path: Path, *, test: Path | None = None, options: LintOptions, config_path: Path | None = None, fresh: bool = False
) -> LintReport:
    """Lints, or returns the report of an earlier run over the same data with the same options and rules.

    Args:
        path: as `lint` takes it.
        test: likewise.
        options: likewise; where they ask for a page or a score file, lint always looks.
        config_path: likewise.
        fresh: look again in any case.

    Raises:
        UserError: as `lint`.
    """
    with dataset_plugins(path, config_path):
        return _kept_or_new(path, test, options, config_path, fresh=fresh)


def _kept_or_new(path: Path, test: Path | None, options: LintOptions, config_path: Path | None, *, fresh: bool) -> LintReport:
    kept = None if options.page or options.scores is not None else _place(path, test, options, config_path)
    if kept is None:
        return lint(path, test=test, options=options, config_path=config_path)
    report = None if fresh else _read(kept, path)
    if report is None:
        report = lint(path, test=test, options=options, config_path=config_path)
        _write(kept, report)
    return report


def _place(path: Path, test: Path | None, options: LintOptions, config_path: Path | None) -> Path | None:
    """Returns where a report of this run is kept: under the hash of all that it depends on. None where some of that is not there."""
    given = [file for file in (test, options.baseline, options.model_scores, _ledger(options.training_ledger)) if file is not None]
    try:
        inputs = [path / name for name in _DATASET_FILES if (path / name).is_file()] if path.is_dir() else [path]
        if not inputs or not all(file.is_file() for file in (*inputs, *given)):
            return None  # lint says what is missing; a pipe or device would be read without an end
        model = "" if options.model is None else ",".join(_hashes(_tokenizer_files(options.model)))
        contents = ",".join(_hashes([*inputs, *given, *(_beside(path, config_path) if path.is_dir() else ())]))
    except (OSError, UserError):
        return None
    told = json.dumps(dataclasses.asdict(options), sort_keys=True, default=repr)
    plugins = plugins_key(*_PLUGIN_KINDS)
    code = () if plugins is None else (plugins,)
    return cache_dir() / "lint" / f"{hash_text(_code_version(), str(path), str(test), told, model, contents, *code)}.json"


def _hashes(files: list[Path]) -> Iterator[str]:
    return (hash_file(file) for file in files)


def _beside(dataset_path: Path, config_path: Path | None) -> list[Path]:
    """Returns what lint looks at beside a dataset: its templates, and the fix ledger, which says what people kept."""
    manifest = Dataset.open(dataset_path).manifest
    fixes = ledger_of_dataset(dataset_path, manifest, config_path)
    return [*(file.path for file in template_files(manifest, config_dirs(dataset_path))), *([] if fixes is None else [fixes])]


def _ledger(path: Path | None) -> Path | None:
    return path / "ledger.parquet" if path is not None and path.is_dir() else path


def _tokenizer_files(model: str) -> list[Path]:
    folder = Path(resolve_model(model))
    if not folder.is_dir():
        raise UserError("a model of the hub may change at any time")
    return [folder / name for name in _TOKENIZER_FILES if (folder / name).is_file()]


@cache
def _code_version() -> str:
    """Returns the hash of the code that rules are made of: a rule that was changed, here or by an update, never answers from the cache."""
    root = Path(loopwright.__path__[0]).parent
    packages = [root / name for name in ("loopwright", "templates", "prep")]
    files = sorted(file for package in packages for pattern in ("*.py", "*.jinja") for file in package.rglob(pattern))
    return hash_text(*(hash_file(file) for file in files))


def _write(place: Path, report: LintReport) -> None:
    data: dict[str, Any] = {
        "diagnostics": [dataclasses.asdict(one) for one in report.diagnostics],
        "skipped": [dataclasses.asdict(one) for one in report.skipped],
        "num_examples": report.num_examples,
        "built": report.built,
        "num_suppressed": report.num_suppressed,
        "num_kept": report.num_kept,
        "ran": report.ran,
        "notes": [note.as_json() for note in report.notes],
        "excerpts": [[key, dataclasses.asdict(excerpt)] for key, excerpt in report.excerpts.items()],
    }
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(place, json.dumps(data), private=True)
        for old in sorted(place.parent.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True)[_MAX_KEPT:]:
            old.unlink(missing_ok=True)
    except (OSError, UserError):
        return  # a full or read-only cache costs time at the next run, and nothing else


def _read(place: Path, path: Path) -> LintReport | None:
    try:
        data = json.loads(place.read_text(encoding="utf-8"))
        return LintReport(
            path,
            tuple(_diagnostic(one) for one in data["diagnostics"]),
            tuple(Skipped(**one) for one in data["skipped"]),
            data["num_examples"],
            built=data["built"],
            num_suppressed=data["num_suppressed"],
            num_kept=data["num_kept"],
            ran=tuple(data["ran"]),
            notes=tuple(Note(**{**one, "kind": NoteKind(one["kind"])}) for one in data["notes"]),
            excerpts={(key[0], key[1], key[2] and (key[2][0], key[2][1])): Excerpt(**one) for key, one in data["excerpts"]},
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None  # there is none, or an earlier version wrote it


def _diagnostic(one: dict[str, Any]) -> Diagnostic:
    span = one["span"]
    return Diagnostic(
        **{**one, "severity": Severity(one["severity"]), "related": tuple(one["related"]), "span": span and (span[0], span[1])}
    )
