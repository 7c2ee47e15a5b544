"""The folder of an evaluation: report.json, the reports that are asked for, predictions.parquet, failures.jsonl."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from evals.config import EvalsConfig, ReportKind
from evals.data.prediction import Prediction
from evals.metrics.base import RowMetric
from evals.systems.spec import role_of_earlier_name
from loopwright.errors import UserError
from loopwright.files import PRIVATE_MODE, atomic_dir, require_writable, write_atomic, write_json_lines
from prep.dataset.replaceable import Replaceable, check_replaceable, other_names

if TYPE_CHECKING:
    from evals.evaluation import Evaluation

REPORT_NAME = "report.json"
PAGE_NAME = "report.html"
MARKDOWN_NAME = "report.md"
JUNIT_NAME = "report.junit.xml"
PREDICTIONS_NAME = "predictions.parquet"
FAILURES_NAME = "failures.jsonl"
_OLDER_EVALUATION = Replaceable(
    find_stranger=other_names(
        {REPORT_NAME, PAGE_NAME, MARKDOWN_NAME, JUNIT_NAME, PREDICTIONS_NAME, FAILURES_NAME}
    ),  # such as drafts that somebody corrected
    file=("there is a file where the output folder is to be", "Choose another folder for --out."),
    stranger=(
        "the folder holds something else than an evaluation: '{stranger}'",
        "Move it elsewhere, or choose an empty or new folder for --out.",
    ),
)


def check_out(out: Path, dataset_path: Path) -> None:
    """Makes sure that writing to `out` replaces nothing but an earlier evaluation, and can be done.

    Raises:
        UserError: something else is there, or the folder cannot be written to.
    """
    if out.resolve() == dataset_path.resolve():
        raise UserError("the output folder is the dataset itself", str(out), "Choose another folder for --out.")
    check_replaceable(out, _OLDER_EVALUATION)
    require_writable(out.resolve().parent)


def write_evaluation(evaluation: "Evaluation", out: Path, config: EvalsConfig) -> None:
    """Writes the whole folder, in one step at the end.

    The page and the Markdown are for showing, and mask personal identifiers. They hold corpus text all the same, as predictions and
    failures do unmasked: mode 0600.

    Raises:
        UserError: it cannot be written.
    """
    with atomic_dir(out) as folder:
        write_atomic(folder / REPORT_NAME, evaluation.report.model_dump_json(indent=2) + "\n")
        for kind in dict.fromkeys(config.report):
            _write_report(kind, evaluation, folder, config)
        predictions_table(evaluation).write_parquet(folder / PREDICTIONS_NAME)
        (folder / PREDICTIONS_NAME).chmod(PRIVATE_MODE)
        write_json_lines(folder / FAILURES_NAME, [failure.to_json() for failure in evaluation.failures], private=True)


def written_reports(out: Path) -> list[Path]:
    """Returns the reports for people and machines that an evaluation's folder holds, beside report.json."""
    return [out / name for name in (PAGE_NAME, MARKDOWN_NAME, JUNIT_NAME) if (out / name).is_file()]


def _write_report(kind: ReportKind, evaluation: "Evaluation", folder: Path, config: EvalsConfig) -> None:
    if kind == "html":
        from evals.reports.page import render_page

        write_atomic(folder / PAGE_NAME, render_page(evaluation, config), private=True)
    elif kind == "md":
        from evals.reports.markdown import render_markdown

        write_atomic(folder / MARKDOWN_NAME, render_markdown(evaluation), private=True)
    else:
        from evals.reports.junit import render_junit

        write_atomic(folder / JUNIT_NAME, render_junit(evaluation.report))


def predictions_table(evaluation: "Evaluation") -> pl.DataFrame:
    """Returns one row a system and example, and seed where a run has several: ids, answer, reference, likelihoods, scores, state."""
    metrics = list(dict.fromkeys(name for columns in evaluation.measured.columns.values() for name in columns))
    scored = [name for name in metrics if _has_scores(evaluation, name)]
    records: list[dict[str, Any]] = []
    for system, predictions in evaluation.answers.items():
        for index, row in enumerate(evaluation.rows):
            if row.id not in predictions:
                continue
            records += [
                {
                    "id": row.id,
                    "row_id": row.row_id,
                    "system": system,
                    "role": evaluation.report.systems[system].role.value,
                    "seed": prediction.seed,
                    "reference": row.reference,
                    "prediction": prediction.text,
                    "choice_loglikelihoods": prediction.loglikelihoods,
                    "scores": {name: scores.get(name) for name in scored},
                    "state": prediction.state.value,
                    "detail": prediction.detail,
                    "split": row.split,
                    "template": row.template,
                    "group": row.group,
                }
                for prediction, scores in _answers(evaluation, system, index, predictions[row.id])
            ]
    # Parquet has no struct without a field; a metric of sets of rows alone leaves one null behind.
    fields = dict.fromkeys(scored or ["none"], pl.Float64)
    names, answer = dict.fromkeys(("id", "row_id", "system", "role"), pl.String), dict.fromkeys(("reference", "prediction"), pl.String)
    return pl.DataFrame(
        records,
        schema={
            **names,
            "seed": pl.Int64,
            **answer,
            "choice_loglikelihoods": pl.List(pl.Float64),
            "scores": pl.Struct(fields),
            **dict.fromkeys(("state", "detail", "split", "template", "group"), pl.String),
        },
    )


def _answers(evaluation: "Evaluation", system: str, row: int, prediction: Prediction) -> Iterator[tuple[Prediction, dict[str, float]]]:
    """Yields a prediction with its scores; of several seeds each, that of the median loss first."""
    if not prediction.of_seeds:
        yield prediction, evaluation.measured.scores_of(system, row)
    places = sorted(range(len(prediction.of_seeds)), key=lambda place: prediction.of_seeds[place].seed != prediction.seed)
    for place in places:
        yield prediction.of_seeds[place], evaluation.measured.scores_of(system, row, place)


def read_predictions(path: Path) -> pl.DataFrame:
    """Returns what `predictions.parquet` holds; a file of before roles or seeds were written gets them: by the systems' names, and null.

    Raises:
        UserError: the file is none that an evaluation wrote.
    """
    try:
        frame = pl.read_parquet(path)
        if "role" not in frame.columns:
            roles = {system: role_of_earlier_name(system).value for system in frame["system"].unique()}
            frame = frame.with_columns(role=pl.col("system").replace_strict(roles, return_dtype=pl.String))
        if "seed" not in frame.columns:
            frame = frame.with_columns(seed=pl.lit(None, pl.Int64))
    except pl.exceptions.PolarsError as error:
        raise UserError(f"cannot read the predictions: {error}", str(path), "Evaluate again: evals run.") from error
    return frame


def _has_scores(evaluation: "Evaluation", name: str) -> bool:
    return any(isinstance(columns[name].metric, RowMetric) for columns in evaluation.measured.columns.values() if name in columns)
