"""Two evaluations joined by row id: what one model answers and another, whenever each was asked."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from evals.compare.compared import subject_of
from evals.compare.judgements import judge_answers
from evals.compare.measure import measure
from evals.compare.verdict import judge
from evals.config import EvalsConfig
from evals.data.contract import MetricValue, PairReport, Report, VerdictDetail
from evals.data.prediction import Prediction, num_seeds
from evals.data.role import Role
from evals.data.rows import EvalRow
from evals.data.saved import load_predictions, read_predictions
from evals.plan import Scoring
from evals.reports.results import PREDICTIONS_NAME, read_report
from loopwright.errors import UserError, did_you_mean
from prep.dataset.manifest import Dataset


class EvaluationComparison(BaseModel):
    """What `evals compare A B --json` prints: `a` less `b` in each pair."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    a: str
    b: str
    dataset: str
    split: str
    num_common: int
    num_only_a: int  # examples that b has no answer to, or that the dataset no longer has
    num_only_b: int
    num_changed: int  # examples whose reference was another when one of them was evaluated: scored against the present one
    values: dict[str, dict[str, MetricValue]]
    pairs: list[PairReport]
    fixed: list[str]  # ids of examples that b fails and a does not
    broken: list[str]
    verdict: str
    verdict_detail: VerdictDetail


def compare_evaluations(
    a: Path, b: Path, *, systems: tuple[str, str] | None = None, dataset: Path | None = None, config: EvalsConfig | None = None
) -> EvaluationComparison:
    """Compares what two evaluations have written, on the examples that both have, scored anew against the dataset as it is.

    Args:
        a: the folder of one evaluation; its system is what the verdict is about.
        b: the folder of the other.
        systems: of a and of b, by name; default: the system that each report is about, tuned before base before any.
        dataset: the built dataset; default: the one that a's report names.
        config: metrics, resamples, confidence and what would matter; its split is that of a.

    Raises:
        UserError: a folder holds no evaluation, the two are of different splits, or have no example in common.
    """
    reports = read_report(a), read_report(b)
    if reports[0].split != reports[1].split:
        cause = f"one evaluation is of the {reports[0].split} split, the other of {reports[1].split}: they have no example in common"
        raise UserError(cause, f"{a}, {b}", "Evaluate both on one split: evals run --split.")
    labels = systems or (_subject(reports[0]), _subject(reports[1]))
    predictions = _predictions(a, reports[0], labels[0]), _predictions(b, reports[1], labels[1])
    names = labels if labels[0] != labels[1] else (f"{a}: {labels[0]}", f"{b}: {labels[1]}")
    answers = dict(zip(names, predictions, strict=True))
    opened = Dataset.open(dataset or _dataset_of(a, reports[0]))
    chosen = (config or EvalsConfig()).model_copy(update={"split": reports[0].split, "limit": None})
    scoring = Scoring.of(opened, chosen)
    primary = scoring.primary
    rows = [row for row in scoring.rows if all(row.id in of_one for of_one in predictions)]
    if not rows:
        cause = f"no example of the {chosen.split} split of {opened.path} was answered in both evaluations"
        raise UserError(cause, f"{a}, {b}", "Evaluate both on builds that share rows, or name the dataset with --dataset.")
    measured = measure(rows, scoring.metrics, answers, dict.fromkeys(names, Role.TUNED), chosen, train_rows=scoring.train_rows)
    verdict, detail = judge(
        dict.fromkeys(names, Role.TUNED),
        measured.pairs,
        primary,
        chosen.confidence,
        minimum_effect=chosen.minimum_effect.get(primary),
        num_seeds=max(map(num_seeds, predictions)),
    )
    failed = {}
    for name, of_one in answers.items():
        judged = judge_answers(rows, of_one, measured.scores_of_rows(name, len(rows)), scoring.standards)
        failed[name] = {id_ for id_, judgement in judged.items() if judgement.has_failed}
    ids = {row.id for row in rows}
    return EvaluationComparison(
        a=names[0],
        b=names[1],
        dataset=str(opened.path),
        split=chosen.split,
        num_common=len(rows),
        num_only_a=len(predictions[0].keys() - ids),
        num_only_b=len(predictions[1].keys() - ids),
        num_changed=_num_changed(rows, a, b, labels),
        values=measured.values,
        pairs=measured.pairs,
        fixed=[row.id for row in rows if row.id in failed[names[1]] - failed[names[0]]],
        broken=[row.id for row in rows if row.id in failed[names[0]] - failed[names[1]]],
        verdict=verdict,
        verdict_detail=detail,
    )


def _subject(report: Report) -> str:
    return subject_of({label: system.role for label, system in report.systems.items()})


def _predictions(folder: Path, report: Report, label: str) -> Mapping[str, Prediction]:
    if label not in report.systems:
        raise UserError(f"the evaluation has no system '{label}'", str(folder), did_you_mean(label, list(report.systems)))
    return load_predictions(folder / PREDICTIONS_NAME, label)


def _dataset_of(folder: Path, report: Report) -> Path:
    path = Path(report.dataset)
    if not path.is_dir():
        cause = f"the dataset that the evaluation is of is not there any more: {path}"
        raise UserError(cause, str(folder), "Say where it is: --dataset DIR.")
    return path


def _num_changed(rows: list[EvalRow], a: Path, b: Path, labels: tuple[str, str]) -> int:
    """Returns how many examples had another reference in one of the two evaluations."""
    changed: set[str] = set()
    present = {row.id: row.reference for row in rows}
    for folder, label in zip((a, b), labels, strict=True):
        frame = read_predictions(folder / PREDICTIONS_NAME)
        for id_, system, reference in frame.select("id", "system", "reference").iter_rows():
            if system == label and id_ in present and reference != present[id_]:
                changed.add(id_)
    return len(changed)
