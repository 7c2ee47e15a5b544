"""Training stages one after the other: the work behind `train stages`."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from loopwright import __version__
from loopwright.console import library_call, notice
from loopwright.errors import UserError
from loopwright.files import require_writable, write_json
from loopwright.hashing import hash_text
from loopwright.progress import ProgressCallback
from prep.dataset.plugins import dataset_plugins
from train.config import ELSEWHERE
from train.data.mixture import first_path
from train.methods.base import METHODS
from train.methods.started import weights_hash
from train.prepare import Prepared, prepare
from train.run import train
from train.runs.folder import weights_dir
from train.stages.plan import Stage
from train.stages.result import BASE, STAGES_NAME, Change, Score, StageOutcome, StagesResult, read_scores
from train.world import require_alone


@dataclass(frozen=True, slots=True)
class _Measured:
    """What of a checked stage models are measured on, and its key."""

    prepared: Prepared
    key: str


def run_stages(
    stages: list[Stage],
    out: Path,
    *,
    overwrite: bool = False,
    progress: ProgressCallback | None = None,
    config_path: Path | None = None,
) -> StagesResult:
    """Trains each stage from the weights of the one before, and measures every model on every stage.

    A stage that is there already, finished or not, is taken up again. All stages are checked before the first is trained.

    Args:
        stages: what `plan_stages` returned.
        out: the folder of all; each stage is a run in a folder of its name.
        overwrite: train all of them anew.
        progress: called after each step of each run.
        config_path: the config whose plug-ins are used.

    Raises:
        UserError: a dataset, its rows, the model, an option or a folder is not fit; or training diverged.
    """
    require_alone("train stages")
    _require_fit(stages, out)
    measured = _check(stages, out, overwrite=overwrite, config_path=config_path)
    outcomes: list[StageOutcome] = []
    for number, stage in enumerate(stages, start=1):
        notice(f"== stage {number} of {len(stages)}: {stage.name} ==")
        start = {} if number == 1 else {"start": str(outcomes[-1].folder)}
        config = stage.config.model_copy(update=start)
        folder = out / stage.name
        again = partial(train, resume=not overwrite, overwrite=overwrite)
        record = again(stage.source, folder, config, progress=progress, config_path=config_path)
        outcomes.append(StageOutcome(stage.name, folder, stage.replay, record))
    with _plugins(stages, config_path):
        return _result(stages, out, outcomes, measured)


def _require_fit(stages: list[Stage], out: Path) -> None:
    """Makes sure that the folder is one of these stages.

    Raises:
        UserError: it is not.
    """
    if out.exists() and not out.is_dir():
        raise UserError("the folder of the stages is a file", str(out), "Give another --out.")
    known = {STAGES_NAME, *(stage.name for stage in stages)}
    strangers = [path.name for path in sorted(out.iterdir()) if path.name not in known] if out.is_dir() else []
    if stranger := next((name for name in strangers if not name.startswith(".")), None):
        raise UserError(f"the folder holds '{stranger}', which is none of these stages", str(out), "Give another --out, or move it.")
    require_writable(out)


def _check(stages: list[Stage], out: Path, *, overwrite: bool, config_path: Path | None) -> list[_Measured]:
    """Checks every stage as its run will, so that the last one's mistakes are not found when the others are trained."""
    checked = []
    for stage in stages:
        with _plugins([stage], config_path), library_call():  # each run says of itself what there is to say
            prepared = prepare(
                stage.source, out / stage.name, stage.config, resume=not overwrite, overwrite=overwrite, config_path=config_path
            )
        options = stage.config.model_dump_json(exclude=ELSEWHERE)
        checked.append(_Measured(prepared, hash_text(prepared.dataset.manifest.key, options)))
    return checked


@contextmanager
def _plugins(stages: list[Stage], config_path: Path | None) -> Iterator[None]:
    with dataset_plugins(first_path(stages[0].own), config_path):
        yield


def _result(stages: list[Stage], out: Path, outcomes: list[StageOutcome], measured: list[_Measured]) -> StagesResult:
    """Measures every model on every stage, unless that was done for these very models before."""
    models = _models(outcomes, measured)
    method = METHODS.get(stages[0].config.method)
    hashes = ["" if folder is None else weights_hash(method, folder) for folder in models.values()]
    key = hash_text(__version__, outcomes[0].record.model_sha256, *hashes, *(one.key for one in measured))
    scores, changes = _known(out, key) or _measure(stages, models, measured)
    result = StagesResult(out, outcomes, scores, changes)
    write_json(out / STAGES_NAME, {**result.as_json(), "key": key})
    return result


def _models(outcomes: list[StageOutcome], measured: list[_Measured]) -> dict[str, Path | None]:
    """Returns the folders of the weights of each model that is measured, by the name of the stage that it comes from."""
    start = measured[0].prepared.start
    first = {BASE: None} | ({} if start is None else {"start": start.weights})
    return {**first, **{one.name: weights_dir(one.folder) for one in outcomes}}


def _known(out: Path, key: str) -> tuple[list[Score], list[Change]] | None:
    try:
        saved = json.loads((out / STAGES_NAME).read_text(encoding="utf-8"))
        return read_scores(saved) if saved["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):  # it is measured again
        return None


def _measure(stages: list[Stage], models: Mapping[str, Path | None], measured: list[_Measured]) -> tuple[list[Score], list[Change]]:
    from train.engine.best import LossScorer
    from train.stages.matrix import Column, measure

    notice(f"Measuring {len(models)} models on {len(stages)} stages.")
    names, num_before = list(models), len(models) - len(stages)
    columns = {
        stage.name: Column(one.prepared.objective, stage.config, one.prepared.data.validation, num_before + number - 1)
        for number, (stage, one) in enumerate(zip(stages, measured, strict=True))
        if one.prepared.data.validation
    }
    found = measure(stages[0].config, list(columns.values()), list(models.values())) if columns else []
    by_loss = {name: LossScorer(column.examples) for name, column in columns.items()}
    losses = {(after, on): found[row][place] for row, after in enumerate(names) for place, on in enumerate(columns)}
    scores: list[Score] = []
    for after in names:
        for stage in stages:
            if stage.name in columns:
                value = by_loss[stage.name].value(losses[after, stage.name])
                scores.append(Score(after, stage.name, value.value, value.low, value.high))
            else:
                scores.append(Score(after, stage.name, None, why_not=_why_not(stage)))
    changes = []
    for stage in stages[:-1]:
        if stage.name in columns:
            rise = by_loss[stage.name].gain(losses[stage.name, stage.name], losses[names[-1], stage.name])
            changes.append(Change(stage.name, rise.value, rise.low, rise.high))
    return scores, changes


def _why_not(stage: Stage) -> str:
    return "there are no validation rows" if stage.config.validation else "validation: false"
