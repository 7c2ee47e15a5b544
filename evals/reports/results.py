"""The folder of an evaluation: report.json, the reports asked for, predictions.parquet, failures.jsonl, and what a judge says of it."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from evals.config import EvalsConfig, ReportKind
from evals.data.contract import Report
from evals.data.prediction import Prediction
from evals.data.rows import EvalRow
from evals.data.saved import PARTS
from evals.data.tool_answers import judge_calls
from evals.metrics.base import RowMetric
from loopwright.errors import UserError
from loopwright.files import PRIVATE_MODE, atomic_dir, read_json, require_writable, write_atomic, write_json_lines
from prep.dataset.replaceable import Replaceable, check_replaceable, other_names

if TYPE_CHECKING:
    from evals.evaluation import Evaluation

REPORT_NAME = "report.json"
PAGE_NAME = "report.html"
MARKDOWN_NAME = "report.md"
JUNIT_NAME = "report.junit.xml"
PREDICTIONS_NAME = "predictions.parquet"
FAILURES_NAME = "failures.jsonl"
JUDGE_NAME = "judge.json"
JUDGEMENTS_NAME = "judgements.jsonl"
_OLDER_EVALUATION = Replaceable(
    find_stranger=other_names(  # such as drafts that somebody corrected
        {REPORT_NAME, PAGE_NAME, MARKDOWN_NAME, JUNIT_NAME, PREDICTIONS_NAME, FAILURES_NAME, JUDGE_NAME, JUDGEMENTS_NAME}
    ),
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


def read_report(folder: Path) -> Report:
    """Returns what `report.json` of an evaluation's folder says.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    path = folder / REPORT_NAME
    if not path.is_file():
        cause = "the folder holds no evaluation: there is no report.json in it"
        raise UserError(cause, str(folder), "Make one: evals run DATASET --out DIR")
    try:
        return Report.model_validate(read_json(path))
    except ValueError as error:
        raise UserError("report.json is damaged or of another version", str(path), "Evaluate again: evals run.") from error


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
    """Returns one row a system and example, and seed where a run has several: ids, answer, reference, likelihoods, parts, scores, state."""
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
                    "parts": None if prediction.parts is None else [asdict(part) for part in prediction.parts],
                    "scores": {name: scores.get(name) for name in scored},
                    "state": prediction.state.value,
                    "detail": prediction.detail,
                    "tool_state": _tool_state(row, prediction),
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
            "parts": PARTS,
            "scores": pl.Struct(fields),
            **dict.fromkeys(("state", "detail", "tool_state", "split", "template", "group"), pl.String),
        },
    )


def _tool_state(row: EvalRow, prediction: Prediction) -> str | None:
    verdict = judge_calls(row, prediction)
    return None if verdict is None else verdict.state.value


def _answers(evaluation: "Evaluation", system: str, row: int, prediction: Prediction) -> Iterator[tuple[Prediction, dict[str, float]]]:
    """Yields a prediction with its scores; of several seeds each, that of the median loss first."""
    if not prediction.of_seeds:
        yield prediction, evaluation.measured.scores_of(system, row)
    places = sorted(range(len(prediction.of_seeds)), key=lambda place: prediction.of_seeds[place].seed != prediction.seed)
    for place in places:
        yield prediction.of_seeds[place], evaluation.measured.scores_of(system, row, place)


def _has_scores(evaluation: "Evaluation", name: str) -> bool:
    return any(isinstance(columns[name].metric, RowMetric) for columns in evaluation.measured.columns.values() if name in columns)
