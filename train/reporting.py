"""The page of a finished run made anew: the work behind `train.report_run`."""

from pathlib import Path

from loopwright.console import notice
from loopwright.errors import UserError
from prep.dataset.plugins import dataset_plugins
from templates.chat import load_tokenizer
from train.config import TrainConfig
from train.data.examples import TrainingExample, load_examples
from train.data.recorded import dataset_of
from train.models.load import model_folder
from train.objectives.base import OBJECTIVES
from train.prepare import length_limit
from train.reports.cartography import RowFacts
from train.reports.page import write_report, write_seeds_report
from train.runs.folder import seed_dir
from train.runs.record import REPORT_NAME, RunRecord


def row_facts(examples: list[TrainingExample]) -> dict[str, RowFacts]:
    """Returns what a run's page says of each row that it trains on."""
    return {one.id: RowFacts(one.location, one.num_tokens) for one in examples}


def report_run(run_dir: Path, dataset_dir: Path | None = None, model: str | None = None, config_path: Path | None = None) -> Path:
    """Writes the page of a finished run again, of several seeds those of the seeds as well.

    Args:
        run_dir: a finished run.
        dataset_dir: the dataset that it was trained on, for where rows stand and how long they are; default: the one that `run.json` names,
            where it is still there.
        model: the base model, whose tokenizer counts, where it is no longer where `run.json` says.
        config_path: the config whose plug-ins are used; default: the one that lies beside the dataset.

    Returns:
        The page's path.

    Raises:
        UserError: the run is not finished or of no rows, model or dataset are not the run's, or the page cannot be written.
    """
    record = RunRecord.load(run_dir)
    if record.rlhf is not None:
        cause = "the run was trained on answers that it drew itself: it has no rows to show"
        raise UserError(cause, str(run_dir), "Its rewards stand in metrics.jsonl, a line a step, and under 'rlhf' in run.json.")
    rows = _rows(record, dataset_dir, model, config_path) if dataset_dir else _rows_if_there(record, model, config_path)
    if record.seeds is None:
        write_report(record, run_dir, rows)
    else:
        records = [RunRecord.load(seed_dir(run_dir, seed)) for seed in record.seeds]
        for one in records:
            write_report(one, seed_dir(run_dir, one.seed), rows)
        write_seeds_report(record, records, run_dir)
    return run_dir / REPORT_NAME


def _rows_if_there(record: RunRecord, model: str | None, config_path: Path | None) -> dict[str, RowFacts]:
    if record.mixture is not None:
        notice("The report does not say where rows stand and how long they are: the run was trained on several datasets", always=True)
        return {}
    try:
        return _rows(record, Path(record.dataset), model, config_path)
    except UserError as error:
        notice(f"The report does not say where rows stand and how long they are: {error}", always=True)
        return {}


def _rows(record: RunRecord, dataset_dir: Path, model: str | None, config_path: Path | None) -> dict[str, RowFacts]:
    dataset = dataset_of(record, [dataset_dir])
    with dataset_plugins(dataset_dir, config_path):
        name = model or record.base_model
        folder = model_folder(name)
        record.require_base(name, folder)
        config = TrainConfig.model_validate({**record.config, "model": name, "validation": False})
        tokenizer = load_tokenizer(name, record.chat_template.on_a_day())
        data = load_examples(dataset, OBJECTIVES.get(config.objective)(config), tokenizer, config, length_limit(folder, config))
        return row_facts(data.train)
