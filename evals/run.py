"""One evaluation from end to end: the work behind `evals.evaluate`."""

from pathlib import Path

from evals.compare.test_set_looks import add_look, num_looks
from evals.config import EvalsConfig
from evals.data.contract import Report
from evals.data.saved import load_predictions
from evals.metrics.files import metric_ids
from evals.plan import make_plan
from evals.reports.results import PREDICTIONS_NAME, check_out, write_evaluation
from loopwright.console import notice
from loopwright.hashing import hash_text
from loopwright.plugins import PluginFile, use_also
from loopwright.progress import CallbackProgress, Progress
from prep.dataset.plugins import dataset_plugins


def evaluate_dataset(
    dataset_path: Path,
    out: Path,
    config: EvalsConfig | None = None,
    progress: Progress | None = None,
    *,
    config_path: Path | None = None,
    metric_files: tuple[PluginFile, ...] = (),
    last_round: tuple[str, Path] | None = None,
) -> Report:
    """Evaluates systems on one split of a dataset and writes report.json, the reports asked for, predictions.parquet and
    failures.jsonl.

    Args:
        dataset_path: a folder that `prep build` wrote.
        out: the folder to write; an earlier evaluation there is replaced in one step, when all is done.
        config: what to evaluate and how.
        progress: told what is going on.
        config_path: the config whose plug-ins are used; default: the one that lies beside the dataset, see `dataset_plugins`.
        metric_files: files by which metrics of `config` are named, as `my_metrics.py:Cost`.
        last_round: the name of the round before and the folder of its evaluation, whose tuned system this one is held against.

    Raises:
        UserError: the dataset, model or adapter cannot be used, or `out` cannot be written. Nothing is written then.
    """
    with dataset_plugins(dataset_path, config_path), use_also(metric_files):
        given = config or EvalsConfig()
        chosen = given.model_copy(update={"metrics": metric_ids(given.metrics, metric_files)})
        return _evaluate_dataset(dataset_path, out, chosen, progress or CallbackProgress(None), last_round)


def _evaluate_dataset(
    dataset_path: Path, out: Path, config: EvalsConfig, progress: Progress, last_round: tuple[str, Path] | None
) -> Report:
    check_out(out, dataset_path)
    plan = make_plan(dataset_path, config)
    notice(plan.power)
    split_key = hash_text(*sorted(row.id for row in plan.rows))
    looks = num_looks(out, split_key) + 1 if config.split == "test" else None
    # Lint comes with it: nobody should wait for that to read that a folder is missing.
    from evals.evaluation import EarlierAnswers, evaluate

    before = None if last_round is None else EarlierAnswers(last_round[0], load_predictions(last_round[1] / PREDICTIONS_NAME))
    evaluation = evaluate(plan, config, progress, split_key=split_key, looks=looks, last_round=before)
    write_evaluation(evaluation, out, config)
    if looks is not None:
        add_look(out, split_key, plan.dataset.manifest.name)
    return evaluation.report
