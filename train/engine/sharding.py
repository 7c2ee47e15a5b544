"""Dividing a frozen base among the processes of a run, where it does not fit into one: FSDP2."""

from typing import Any

import torch

from loopwright.errors import UserError
from train.config import LAST, LOSS, TrainConfig
from train.models.load import Model, is_sharded, unwrapped
from train.world import World

NOT_WHOLE = "the base is divided among the run's processes: `train verify` loads it whole, where it fits"


def require_shardable(config: TrainConfig, world: World) -> None:
    """Makes sure that a run's base can be divided.

    Raises:
        UserError: there is one process, the method trains the base itself, or an option needs it whole in one process.
    """
    if not config.shard:
        return
    if world.size == 1:
        raise UserError("there is one process to divide the base among", "shard: true", "Start several: torchrun --nproc-per-node N ...")
    if config.method != "lora":
        cause = f"a base that stays as it is can be divided, and the method '{config.method}' trains it"
        raise UserError(cause, "shard: true", "Choose method: lora, or leave shard out.")
    needs = {
        f"best: {config.best}": config.best not in {LOSS, LAST},
        "influence": config.influence is not None,
        f"quantize: {config.quantize}": config.quantize is not None,
    }
    for option in (name for name, needed in needs.items() if needed):
        raise UserError("the option needs the base whole in one process, and shard divides it", option, "Leave one of them out.")


def shard(model: Model) -> None:
    """Divides the frozen weights of a model's layers among all processes; each has them whole while a layer is computed.

    What is trained, embeddings, head and norms between the layers stay whole in each. The model is on the CPU before, and where it
    computes afterwards.

    Args:
        model: as its method prepared it, the same in all processes.

    Raises:
        UserError: the model has no layers of its own that could be divided.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    kind = "cuda" if torch.cuda.is_available() else "cpu"
    mesh = init_device_mesh(kind, (torch.distributed.get_world_size(),))
    causal: Any = unwrapped(model)
    lists = [module for _, module in causal.base_model.named_modules() if isinstance(module, torch.nn.ModuleList)]
    if not lists:
        raise UserError(f"the architecture '{causal.config.model_type}' has no list of layers", "shard: true", "Leave it out.")
    layers = max(lists, key=len)
    for layer in layers:
        trained = {parameter for parameter in layer.parameters() if parameter.requires_grad}
        fully_shard(layer, mesh=mesh, reshard_after_forward=True, ignored_params=trained)
    # The outermost one divides nothing, and has each layer's weights come while the one before is computed.
    fully_shard(causal.base_model, mesh=mesh, ignored_params={one for one in causal.base_model.parameters() if not is_sharded(one)})
    for module in causal.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not is_sharded(parameter):
                getattr(module, name).data = parameter.data.to(kind)
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, buffer.to(kind))
