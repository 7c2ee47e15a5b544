"""The library calls of `evals`: what its commands do, each in one call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from evals.comparison import EvaluationComparison
from evals.comparison import compare_evaluations as compared
from evals.config import SCORED_FORMS, EvalsConfig
from evals.data.contract import Report
from evals.data.saved import read_predictions
from evals.judge.contract import JudgeReport
from evals.judge.run import DEFAULT_REPEATS, JudgeOptions, judge
from evals.judge.table import judge_lines
from evals.metrics.files import metric_files
from evals.progress import progress_for
from evals.reports.results import JUDGEMENTS_NAME, PREDICTIONS_NAME
from evals.run import evaluate_dataset
from evals.score.score import ScoreOptions, ScoreReport
from evals.score.score import score_dataset as write_scores
from loopwright.console import library_call
from loopwright.errors import UserError
from loopwright.files import read_json_lines
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
_JUDGEMENT_SCHEMA = {
    **dict.fromkeys(("id", "order"), pl.String()),
    "repeat": pl.Int64(),
    **dict.fromkeys(("state", "verdict"), pl.String()),
    "probability": pl.Float64(),
    "detail": pl.String(),
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


@dataclass(frozen=True, slots=True)
class JudgeResult:
    """A judged evaluation.

    Attributes:
        out: the evaluation's folder, with judge.json and judgements.jsonl.
        report: what `judge.json` says.
    """

    out: Path
    report: JudgeReport

    @property
    def verdict(self) -> str:
        """What the judge says, and whether it can be relied on, in a sentence."""
        return self.report.verdict

    def to_polars(self) -> pl.DataFrame:
        """Returns the judgements: one row for each time that the judge was asked about an example.

        Raises:
            UserError: the evaluation's folder is no longer there, or damaged.
        """
        return pl.DataFrame(read_json_lines(self.out / JUDGEMENTS_NAME), schema=_JUDGEMENT_SCHEMA, orient="row")

    def _repr_html_(self) -> str:
        report = self.report
        title = f"{report.endpoint}: {report.num_examples} examples of {report.split}, {report.kind}"
        return html_table(title, ("what", "value", "rests on"), judge_lines(report), [report.verdict, *report.warnings, *report.notes])


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
            A metric of your own may be named by its file, as `metrics=["my_metrics.py:Cost"]`.

    Raises:
        UserError: the dataset, model or adapter cannot be used, or `out` cannot be written. Nothing is written then.
    """
    with library_call(progress) as callback:
        chosen = section_options(config, "evals", EvalsConfig, options, "evals")
        # Whoever calls may name a metric by its file; a config names files under `plugins:`, where what it may name is checked.
        files = metric_files(chosen.metrics) if options.get("metrics") is not None or config_file(config) is None else ()
        with progress_for(progress, callback) as shown:
            report = evaluate_dataset(Path(dataset), Path(out), chosen, shown, config_path=config_file(config), metric_files=files)
            return EvaluationResult(Path(out), report)


def compare_evaluations(
    a: StrPath,
    b: StrPath,
    *,
    systems: Sequence[str] | None = None,
    dataset: StrPath | None = None,
    config: StrPath | Mapping[str, Any] | EvalsConfig | None = None,
) -> EvaluationComparison:
    """Compares what two evaluations answered, on the examples that both have, as `evals compare` does.

    Args:
        a: the folder of an evaluation; the verdict is about its system.
        b: the folder of another one.
        systems: one name of each; default: the system that each report is about.
        dataset: the built dataset; default: the one that the first report names.
        config: a config file, of which the `evals:` section is read; or what such a section says, as a mapping or `EvalsConfig`.

    Raises:
        UserError: a folder holds no evaluation, or the two cannot be compared.
    """
    if systems is not None and len(systems) != 2:
        raise UserError(f"{len(systems)} systems are named, and two are compared", "--systems", "Name one of each evaluation.")
    with library_call(progress=False):
        chosen = section_options(config, "evals", EvalsConfig, {}, "evals")
        pair = None if systems is None else (systems[0], systems[1])
        return compared(Path(a), Path(b), systems=pair, dataset=None if dataset is None else Path(dataset), config=chosen)


def judge_evaluation(
    evaluation: StrPath,
    endpoint: str,
    labels: StrPath,
    config: StrPath | Mapping[str, Any] | EvalsConfig | None = None,
    *,
    systems: Sequence[str] = (),
    rubric: StrPath | None = None,
    dataset: StrPath | None = None,
    repeats: int = DEFAULT_REPEATS,
    progress: ProgressOption = False,
) -> JudgeResult:
    """Lets a model judge the answers of a finished evaluation, as `evals judge` does.

    Args:
        evaluation: the folder of a finished evaluation, into which judge.json and judgements.jsonl are written.
        endpoint: the judge, as `URL#MODEL`.
        labels: people's verdicts: a table with the columns id, a, b, winner, or with id, pass.
        config: as for `evaluate`; its `endpoint:` says how the server is asked, and its `confidence`, `num_resamples` and `seed` count.
        systems: what is judged, by the names of the report; default: the tuned system and its base, or, of single answers, the tuned one.
        rubric: a prompt of your own, as Jinja.
        dataset: where the evaluated dataset is now; default: where report.json says.
        repeats: how many examples are asked once more.
        progress: true shows a bar on stderr; a function is called with `judge`, the requests that are answered, and their number.

    Raises:
        UserError: the evaluation, its dataset, the labels or the rubric cannot be used, fewer than 30 examples are labelled, or the judge
            cannot be asked. Nothing is written then.
    """
    given = JudgeOptions(
        endpoint,
        Path(labels),
        tuple(systems),
        None if rubric is None else Path(rubric),
        None if dataset is None else Path(dataset),
        repeats,
    )
    with library_call(progress) as callback:
        chosen = section_options(config, "evals", EvalsConfig, {}, "evals")
        with progress_for(progress, callback) as shown:
            return JudgeResult(Path(evaluation), judge(Path(evaluation), given, chosen, shown))


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
