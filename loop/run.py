"""One round: build, lint, train, evaluate, propose fixes, and compare with the round before."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from evals.compare.gates import PRIMARY, told_failures
from evals.config import EvalsConfig
from evals.data.contract import Report
from evals.progress import progress_for
from evals.reports.results import FAILURES_NAME
from evals.run import evaluate_dataset
from loop.compare import compare_rounds
from loop.config import LoopConfig
from loop.record import RoundRecord, finished_rounds, round_dir, round_name
from loopwright.config import load_section, overlay
from loopwright.console import library_call, notice
from loopwright.errors import UserError
from loopwright.files import read_json_lines, write_json
from loopwright.hashing import hash_text
from loopwright.library import StrPath
from loopwright.notebook import html_table
from loopwright.plugin_config import plugins_of
from loopwright.plugins import KINDS, plugins_key, use_plugins
from loopwright.progress import Progress, ProgressCallback, ProgressOption
from prep.build.run import BuildResult, build
from prep.build.summary import print_build
from prep.fixes.drafts import save_drafts
from prep.fixes.propose import propose
from prep.lint.reports import as_statistics
from prep.lint.run import LintOptions, lint
from train.config import TrainConfig
from train.given import train_options
from train.run import train
from train.runs.proof import failed_proofs
from train.runs.record import FILE_NAME as RECORD_NAME
from train.runs.record import RunRecord

DRAFTS_NAME = "drafts.jsonl"


class ProofFailed(UserError):
    """The round's run does not prove to be what it says. The round stops there: what such a model answers says nothing about the data."""


_METRICS = {**dict.fromkeys(("system", "metric"), pl.String()), **dict.fromkeys(("value", "low", "high"), pl.Float64())}


@dataclass(frozen=True, slots=True)
class RoundOutcome:
    """What `loop run` did.

    Attributes:
        record: the round.
        folder: its folder.
        report: the evaluation; None where nothing was done.
        done: false where nothing had changed since that round, so that none was run.
    """

    record: RoundRecord
    folder: Path
    report: Report | None
    done: bool

    def to_polars(self) -> pl.DataFrame:
        """Returns the round's metrics on its validation split: one row a system and metric, with the value and its interval."""
        return pl.DataFrame(self._metrics(), schema=_METRICS, orient="row")

    def _repr_html_(self) -> str:
        record = self.record
        notes = [record.verdict, *([record.comparison.verdict] if record.comparison else [])]
        title = f"round {record.number} -> {self.folder}{'' if self.done else ': nothing has changed since'}"
        return html_table(title, tuple(_METRICS), self._metrics(), [*notes, f"{record.num_drafts:,} drafts of fixes"])

    def _metrics(self) -> list[tuple[Any, ...]]:
        systems = self.record.metrics.items()
        return [(system, name, one.value, one.low, one.high) for system, metrics in systems for name, one in metrics.items()]


@dataclass(frozen=True, slots=True)
class Options:
    """The sections of the config that decide a round."""

    train: TrainConfig
    evals: EvalsConfig
    loop: LoopConfig

    @classmethod
    def load(cls, config_path: Path) -> "Options":
        """Reads the sections.

        Raises:
            UserError: one of them is wrong.
        """
        return cls(
            train_options(config_path, {}),
            load_section(config_path, "evals", EvalsConfig),
            load_section(config_path, "loop", LoopConfig),
        )


def rounds_dir_of(config_path: Path, options: LoopConfig) -> Path:
    """Returns the folder of a config's rounds."""
    return config_path.parent / options.out


def run_round(config: StrPath, rounds_dir: StrPath | None = None, *, force: bool = False, progress: ProgressOption = False) -> RoundOutcome:
    """Runs the next round of a config, as `loop run` does. A round that was interrupted is gone on with.

    Args:
        config: the config file, with its `train`, `evals` and `loop` sections.
        rounds_dir: the folder of the rounds; default: the config's.
        force: run it although nothing has changed since the last one.
        progress: true shows on stderr what `loop run` shows; a function is called with each step of the build, of training and each
            system, what is done of it, and its whole number if known.

    Raises:
        UserError: anything in the config or data is wrong, or entries of the fix ledger are stale and nobody allowed that.
        ProofFailed: the run was trained, and one of its proofs does not hold.
    """
    config_path = Path(config)
    options = Options.load(config_path)
    folder = rounds_dir_of(config_path, options.loop) if rounds_dir is None else Path(rounds_dir)
    with (
        library_call(progress) as callback,
        progress_for(progress, callback) as evaluation,
        use_plugins(plugins_of(config_path)),
    ):
        return _run_round(config_path, options, folder, callback, evaluation, force=force)


def _run_round(
    config_path: Path, options: Options, rounds_dir: Path, callback: ProgressCallback | None, progress: Progress, *, force: bool
) -> RoundOutcome:
    started = time.perf_counter()
    rounds = finished_rounds(rounds_dir)
    number = rounds[-1].number + 1 if rounds else 1
    folder = round_dir(rounds_dir, number)
    notice(f"== round {number}: build ==")
    built = build(config_path, folder / "dataset", progress=callback)
    print_build(built)
    _stop_at_stale(built, options.loop)
    plugins = plugins_key(*KINDS)
    code = () if plugins is None else (plugins,)
    key = hash_text(built.manifest.key, options.train.identity(), options.evals.identity(), *code)
    if rounds and rounds[-1].key == key and not force:
        notice(f"nothing has changed since round {rounds[-1].number}: data, fixes, training and evaluation are the same")
        return RoundOutcome(rounds[-1], round_dir(rounds_dir, rounds[-1].number), None, done=False)
    notice(f"== round {number}: lint ==")
    found = lint(folder / "dataset", options=LintOptions(model=options.train.model), config_path=config_path)
    write_json(folder / "lint.json", found.as_json())
    notice(as_statistics(found, verbose=True))
    notice(f"== round {number}: train ==")
    run = _train(folder, options.train, callback, fresh=not built.cached)
    _stop_at_failed_proof(run, folder / "run", number)
    notice(f"== round {number}: evaluate ==")
    evals = overlay(options.evals, {"adapter": str(folder / "run"), "gates": _gates(options)}, "evals")
    last = (round_name(rounds[-1].number), round_dir(rounds_dir, rounds[-1].number) / "evals") if rounds else None
    report = evaluate_dataset(folder / "dataset", folder / "evals", evals, progress, last_round=last)
    failures = folder / "evals" / FAILURES_NAME
    drafts = propose(folder / "dataset", failures_path=failures, model=options.train.model, config_path=config_path)
    save_drafts(folder / DRAFTS_NAME, drafts)
    comparison = compare_rounds(rounds_dir, now=number, before=rounds[-1].number, config=options.evals) if rounds else None
    record = RoundRecord(
        number=number,
        key=key,
        dataset_key=built.manifest.key,
        examples=built.manifest.examples,
        splits=built.manifest.splits,
        dropped=built.manifest.rows.dropped,
        num_fixes=built.manifest.fixes.applied,
        num_stale=len(built.manifest.fixes.stale),
        lint=found.summary,
        lint_skipped=[skipped.code for skipped in found.skipped if not skipped.partly],
        final_train_loss=run.final_train_loss,
        validation_loss=run.validation_loss,
        metrics={name: system.metrics for name, system in report.systems.items()},
        roles={name: system.role for name, system in report.systems.items()},
        verdict=report.verdict,
        num_failures=len(read_json_lines(failures)),
        num_drafts=len(drafts),
        comparison=comparison,
        failed_gates=told_failures(report.gates),
        seconds=round(time.perf_counter() - started, 1),
    )
    record.save(folder)
    return RoundOutcome(record, folder, report, done=True)


def _gates(options: Options) -> dict[str, Any]:
    """Returns the gates of the evaluation, and the one that `loop: gate` stands for."""
    gates = {name: limits.model_dump() for name, limits in options.evals.gates.items()}
    if options.loop.gate == "not_worse":
        gates[PRIMARY] = {**gates.get(PRIMARY, {}), "not_worse_than": "last_round"}
    return gates


def _train(folder: Path, config: TrainConfig, callback: ProgressCallback | None, *, fresh: bool) -> RunRecord:
    """Trains, or goes on with what an interrupted round left, provided that it is of the same data and options."""
    if not fresh:
        try:
            finished = train(folder / "dataset", folder / "run", config, resume=True, progress=callback)
            if not failed_proofs(finished.proofs):
                return finished
            notice("the run that the interrupted round left failed its proofs, and is begun again")
        except UserError as error:
            notice(f"the interrupted training cannot be resumed, and is begun again: {error.cause}")
    return train(folder / "dataset", folder / "run", config, overwrite=True, progress=callback)


def _stop_at_failed_proof(run: RunRecord, run_dir: Path, number: int) -> None:
    if failed := failed_proofs(run.proofs):
        name, proof = next(iter(failed.items()))
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        raise ProofFailed(
            f"round {number} stops before its evaluation: the run failed the proof '{name}'{more}: {proof.reason}",
            str(run_dir / RECORD_NAME),
            f"See all with: train verify {run_dir} --dataset {run_dir.parent / 'dataset'}. Mend the cause, then run the round again.",
        )


def _stop_at_stale(built: BuildResult, options: LoopConfig) -> None:
    stale = built.manifest.fixes.stale
    if stale and not options.allow_stale:
        raise UserError(
            f"{len(stale)} entries of the fix ledger no longer apply to their rows",
            f"{built.manifest.config['fixes']}:{stale[0]['line']}",
            "Fix or remove them, or set 'loop: {allow_stale: true}' to go on without them.",
        )
