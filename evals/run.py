"""One evaluation from end to end: the work behind `evals.evaluate`."""

from pathlib import Path

from evals.compare.test_set_looks import add_look, num_looks
from evals.config import EvalsConfig
from evals.data.contract import Report
from evals.plan import make_plan
from evals.reports.results import check_out, write_evaluation
from loopwright.hashing import hash_text
from loopwright.progress import CallbackProgress, Progress
from prep.dataset.plugins import dataset_plugins


def evaluate_dataset(
    dataset_path: Path,
    out: Path,
    config: EvalsConfig | None = None,
    progress: Progress | None = None,
    *,
    config_path: Path | None = None,
) -> Report:
    """Evaluates systems on one split of a dataset and writes report.json, the reports asked for, predictions.parquet and
    failures.jsonl.

    Args:
        dataset_path: a folder that `prep build` wrote.
        out: the folder to write; an earlier evaluation there is replaced in one step, when all is done.
        config: what to evaluate and how.
        progress: told what is going on.
        config_path: the config whose plug-ins are used; default: the one that lies beside the dataset, see `dataset_plugins`.

    Raises:
        UserError: the dataset, model or adapter cannot be used, or `out` cannot be written. Nothing is written then.
    """
    with dataset_plugins(dataset_path, config_path):
        return _evaluate_dataset(dataset_path, out, config or EvalsConfig(), progress or CallbackProgress(None))


def _evaluate_dataset(dataset_path: Path, out: Path, config: EvalsConfig, progress: Progress) -> Report:
    check_out(out, dataset_path)
    plan = make_plan(dataset_path, config)
    split_key = hash_text(*sorted(row.id for row in plan.rows))
    looks = num_looks(out, split_key) + 1 if config.split == "test" else None
    # Lint comes with it: nobody should wait for that to read that a folder is missing.
    from evals.evaluation import evaluate

    evaluation = evaluate(plan, config, progress, split_key, looks)
    write_evaluation(evaluation, out, config)
    if looks is not None:
        add_look(out, split_key, plan.dataset.manifest.name)
    return evaluation.report
