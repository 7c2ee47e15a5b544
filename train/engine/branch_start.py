"""The checkpoint that a branch begins with: another run's."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from loopwright.console import notice
from loopwright.errors import UserError
from train.data.branch import Branch
from train.engine.checkpoint import REFERENCE, Checkpoint, kept_dir, load_checkpoint
from train.runs.folder import METRICS_NAME


def branch_start(branch: Branch, identity: dict[str, Any], out: Path) -> Checkpoint:
    """Returns the checkpoint, and puts into the branch's folder what it needs of the run before: its curve, and its best checkpoint.

    What the model that the run began with says of the rows is not taken over: it is asked of the rows as they are now.

    Args:
        branch: where the run goes on from.
        identity: the branch's; that of the run before has its own seed, and no branch.
        out: the branch's folder.

    Raises:
        UserError: the checkpoint is not there, damaged, or of a run with another dataset, model or config.
    """
    before = {key: value for key, value in identity.items() if key != "branch"}
    before["config"] = {**identity["config"], "seed": branch.seed}
    found = load_checkpoint(branch.run_dir, before, branch.step)
    if found is None:
        raise UserError(f"the run keeps no checkpoint of step {branch.step}", str(branch.run_dir), "Train with keep_checkpoints: [STEP].")
    progress, best = found.progress, found.progress.best
    out.mkdir(parents=True, exist_ok=True)
    if best is not None and not kept_dir(branch.run_dir, best.step).is_dir():
        notice(f"The run's best checkpoint until then, of step {best.step}, is no longer kept: the branch ends with its own best.")
        progress = replace(progress, best=None)
    elif best is not None:
        earlier = load_checkpoint(branch.run_dir, before, best.step)
        assert earlier is not None, "it was there a moment ago"
        earlier.keep(out, identity)
    if (branch.run_dir / METRICS_NAME).is_file():
        shutil.copyfile(branch.run_dir / METRICS_NAME, out / METRICS_NAME)
    return Checkpoint(progress, found.ledger, {name: value for name, value in found.tensors.items() if name != REFERENCE})
