"""The library calls of `evals`: what its commands do, each in one call."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from evals.config import SCORED_FORMS, EvalsConfig
from evals.data.contract import Report
from evals.progress import progress_for
from evals.reports.results import PREDICTIONS_NAME, read_predictions
from evals.run import evaluate_dataset
from evals.score.score import ScoreOptions, ScoreReport
from evals.score.score import score_dataset as write_scores
from loopwright.console import library_call
from loopwright.errors import UserError
from loopwright.library import StrPath, config_file, section_options
from loopwright.notebook import html_table
from loopwright.progress import ProgressOption
from templates.form import Form
from train.models.load import Dtype

_SCHEMA = {
    **dict.fromkeys(("system", "role", "metric"), pl.String()),
    **dict.fromkeys(("value", "low", "high"), pl.Float64()),
    **dict.fromkeys(("num_scored", "num_examples"), pl.Int64()),
}


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """A finished evaluation.

    Attributes:
        out: its folder, with report.json, report.html (or what `report` asks for), predictions.parquet and failures.jsonl.
        report: what `report.json` says.
    """

    out: Path
    report: Report

    @property
    def verdict(self) -> str:
        """Whether the tuned system is better than what it is compared with, in a sentence."""
        return self.report.verdict

    def to_polars(self) -> pl.DataFrame:
        """Returns the metrics: one row a system and metric, with the value and its interval."""
        return pl.DataFrame(_metric_rows(self.report), schema=_SCHEMA, orient="row")

    def predictions(self) -> pl.DataFrame:
        """Returns the predictions: one row a system and example, with the texts as they are.

        Raises:
            UserError: the evaluation's folder is no longer there, or damaged.
        """
        return read_predictions(self.out / PREDICTIONS_NAME)

    def _repr_html_(self) -> str:
        report = self.report
        title = f"{report.dataset_name}: {report.num_examples} examples of {report.split}, {report.form} form"
        columns = ("system", "role", "metric", "value", "low", "high", "scored")
        return html_table(title, columns, (row[:7] for row in _metric_rows(report)), [report.verdict, *report.warnings, *report.notes])


def evaluate(
    dataset: StrPath,
    out: StrPath,
    config: StrPath | Mapping[str, Any] | EvalsConfig | None = None,
    *,
    progress: ProgressOption = False,
    **options: Any,
) -> EvaluationResult:
    """Evaluates systems on one split of a dataset and writes the evaluation's folder, as `evals run` does.

    Args:
        dataset: a built dataset's folder.
        out: the folder to write; an earlier evaluation there is replaced in one step, when all is done.
        config: a config file, of which the `evals:` section is read; or what such a section says, as a mapping or `EvalsConfig`.
        progress: true shows a bar on stderr; a function is called with each system, the examples that it has done, and their number.
        options: keys of the `evals:` section by name, such as `adapter` or `split`, which override the config; None is not given.

    Raises:
        UserError: the dataset, model or adapter cannot be used, or `out` cannot be written. Nothing is written then.
    """
    with library_call(progress) as callback:
        chosen = section_options(config, "evals", EvalsConfig, options, "evals")
        with progress_for(progress, callback) as shown:
            return EvaluationResult(Path(out), evaluate_dataset(Path(dataset), Path(out), chosen, shown, config_path=config_file(config)))


def score_dataset(
    dataset: StrPath,
    out: StrPath,
    *,
    model: str | None = None,
    adapter: StrPath | None = None,
    form: Form | str | None = None,
    dtype: Dtype = "auto",
    max_batch_tokens: int = 4096,
    max_choices: int | None = None,
    config: StrPath | None = None,
    progress: ProgressOption = False,
) -> ScoreReport:
    """Writes what a model says of every row, for `prep.lint_dataset(..., model_scores=out)`, as `evals score` does.

    Args:
        dataset: a built dataset's folder, or any training file that `prep` reads.
        out: the parquet to write.
        model: the base model; default: the one that the adapter was trained on.
        adapter: a run folder of `train run`.
        form: `chat` or `verbalizer`; default: the adapter's, else verbalizer for rows that have it, else chat.
        dtype: precision of weights and computation.
        max_batch_tokens: tokens of a batch, padding included.
        max_choices: rows that have more choices get no probabilities; None: no limit.
        config: the config whose plug-ins are used; default: the one that lies beside a built dataset.
        progress: true shows a bar on stderr; a function is called with each chunk of rows, those that are done, and their number.

    Raises:
        UserError: the data, model or adapter cannot be used, or `out` cannot be written. Nothing is written then.
    """
    known = _scored_form(form)
    options = ScoreOptions(model, None if adapter is None else str(Path(adapter)), known, dtype, max_batch_tokens, max_choices)
    with library_call(progress) as callback, progress_for(progress, callback) as shown:
        return write_scores(Path(dataset), Path(out), options, shown.start, config_path=config_file(config))


def _scored_form(form: Form | str | None) -> Form | None:
    """Returns the form of that name.

    Raises:
        UserError: rows are not scored in a form of that name.
    """
    if form is not None and form not in SCORED_FORMS:
        raise UserError(f"rows are not scored in the form '{form}'", remedy=f"Give {' or '.join(SCORED_FORMS)}.")
    return None if form is None else Form(form)


def _metric_rows(report: Report) -> list[tuple[Any, ...]]:
    return [
        (name, system.role.value, metric, value.value, value.low, value.high, system.n_scored, system.n_total)
        for name, system in report.systems.items()
        for metric, value in system.metrics.items()
    ]
