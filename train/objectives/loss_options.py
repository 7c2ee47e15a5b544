"""Whether a run's loss is one of its objective's, and every option of a loss is one of the loss that is used."""

from typing import get_args

from loopwright.errors import UserError
from train.config import Loss
from train.objectives.base import Objective


def require_loss(objective: Objective) -> None:
    """Refuses a loss that the objective does not have, and options that nothing would read.

    Raises:
        UserError: the config has such a loss or such options.
    """
    config = objective.config
    if config.loss and config.loss not in objective.losses:
        known = f"Choose one of {', '.join(objective.losses)}" if objective.losses else "Leave it out"
        raise UserError(f"the objective '{objective.name}' has no loss '{config.loss}'", "loss", f"{known}.")
    for name in get_args(Loss):
        if name == objective.loss_name:
            continue
        for option, field in type(getattr(config, name)).model_fields.items():
            if getattr(getattr(config, name), option) != field.default:
                used = f"the loss is {objective.loss_name}" if objective.loss_name else f"the objective '{objective.name}' has no such loss"
                raise UserError(f"{name}.{option} is set, and {used}", f"{name}.{option}", f"Leave it out, or train with loss: {name}.")
