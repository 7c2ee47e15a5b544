"""What `loopwright doctor` says of training: whether torch is there, and whether it can use the graphics card. torch is not imported."""

from importlib import metadata

from loopwright.checks import Check, Row, State
from loopwright.machine import graphics_cards


def check_torch() -> list[Row]:
    """Returns torch's version, and a failure where a card is there that this build of torch cannot use."""
    try:
        version = metadata.version("torch")
    except metadata.PackageNotFoundError:
        return [Check("torch", State.MISSING, "not installed: no training", "Run: pip install 'loopwright[train]'").as_row()]
    if version.endswith("+cpu") and graphics_cards():
        remedy = "Install a build for your card: https://pytorch.org/get-started/locally"
        return [Check("torch", State.FAILED, f"{version} is built for the CPU, and there is a graphics card", remedy).as_row()]
    return [Check("torch", State.OK, version).as_row()]
