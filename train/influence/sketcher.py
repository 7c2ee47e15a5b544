"""The sketch of each row's gradient, with the weights that the model has at the time."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from loopwright.console import notice
from loopwright.errors import UserError
from train.data.examples import TrainingExample
from train.data.packing import micro_batches
from train.engine.memory import OutOfMemory
from train.engine.passes import Passes
from train.influence.linear_layers import RowLayout, UnknownLayoutError, linear_layers, taking_row_gradients
from train.ledger.projection import Projection
from train.methods.base import trainable

Advance = Callable[[int], None]

# Of the relative difference of two sketches, as `train.proofs.equal_batches` allows for gradients.
_TOLERANCES = {torch.float32: 1e-3, torch.bfloat16: 0.25}


def _nobody(_: int) -> None:
    """Is told how far it is where nobody else wants to know."""


@dataclass(frozen=True, slots=True)
class Sketcher:
    """Sketches rows: the gradient of the row's own mean loss with respect to all that is trained, projected.

    A row's loss is what training makes of it alone (`Passes.accumulate`), without dropout. Where the matrices of linear layers are all
    that is trained, as with LoRA, several rows share a backward pass; else each has its own.

    Attributes:
        passes: with the model, and the reference of the rows where the objective needs one.
        projection: how gradients become sketches.
    """

    passes: Passes
    projection: Projection

    @classmethod
    def of(cls, passes: Passes, projection: Projection) -> "Sketcher":
        """Returns one whose passes go through the model's modules, where gradients are taken."""
        return cls(replace(passes, scorer=passes.scorer.through_modules()), projection)

    def sketch(self, examples: list[TrainingExample], advance: Advance = _nobody) -> torch.Tensor:
        """Returns the sketches of some examples in their order, float32 [N, size], on the CPU. The weights stay as they are.

        Args:
            examples: the rows.
            advance: called with the number of rows that have just been done.

        Raises:
            UserError: a row does not fit into memory.
        """
        examples = [replace(example, weight=1.0) for example in examples]  # what a row counts for beside others is not its own
        self.passes.model.eval()  # dropout would make another row of it each time
        layers = self._proven_layers(examples)
        if layers is not None:
            return self._shared(examples, layers, advance)
        found = torch.zeros(len(examples), self.projection.size)
        for place, example in enumerate(examples):
            found[place] = self._alone(example)
            advance(1)
        return found

    def _proven_layers(self, examples: list[TrainingExample]) -> dict[str, torch.nn.Linear] | None:
        """Returns the layers that rows can share a backward pass of, where that is shown to be each row's own on two of them; else None."""
        layers = linear_layers(self.passes.model)
        if layers is None or self.passes.objective.has_baseline or len(examples) < 2:  # a baseline is of all rows of a pass
            return None
        pair = sorted(examples, key=lambda one: (one.num_tokens, one.id))[:2]
        alone = torch.stack([self._alone(example) for example in pair])
        try:
            together = self._shared(pair, layers)
        except UnknownLayoutError:
            together = torch.full_like(alone, float("nan"))
        tolerance = _TOLERANCES.get(self.passes.scorer.dtype, max(_TOLERANCES.values()))
        if bool(((together - alone).norm(dim=1) <= tolerance * alone.norm(dim=1)).all()):
            return layers
        notice("Each row's gradient takes a backward pass of its own: this model's layers do not give it from one of several rows.")
        return None

    def _shared(self, examples: list[TrainingExample], layers: dict[str, torch.nn.Linear], advance: Advance = _nobody) -> torch.Tensor:
        """Returns the sketches of rows, of which many share a backward pass."""
        places = {example.id: place for place, example in enumerate(examples)}
        found = torch.zeros(len(examples), self.projection.size)
        done: set[str] = set()
        for group in self._groups(examples):
            # Of an example whose sequences are apart, each has its own sketch: they add up.
            found.index_add_(0, torch.tensor([places[example.id] for example in group]), self._within_memory(group, layers))
            new = {example.id for example in group} - done
            done |= new
            advance(len(new))
        return found

    def _groups(self, examples: list[TrainingExample]) -> list[list[TrainingExample]]:
        passes, limit = self.passes, self.passes.micro_batch_tokens
        config = passes.config if limit is None else passes.config.model_copy(update={"micro_batch_tokens": limit})
        return list(micro_batches(examples, config, packed=passes.scorer.packed, apart=passes.objective.independent))

    def _within_memory(self, group: list[TrainingExample], layers: dict[str, torch.nn.Linear]) -> torch.Tensor:
        """Returns the sketches of a micro-batch; where memory runs out, of its halves.

        Raises:
            UserError: one row does not fit.
        """
        try:
            return self._together(group, layers)
        except OutOfMemory:
            self.passes.model.zero_grad()
        if len(group) == 1:
            raise _no_memory(group[0])
        half = len(group) // 2
        return torch.cat([self._within_memory(part, layers) for part in (group[:half], group[half:])])

    def _together(self, group: list[TrainingExample], layers: dict[str, torch.nn.Linear]) -> torch.Tensor:
        """Returns the sketches of rows that share one forward and backward pass, in their order."""
        passes = self.passes
        limits = {"micro_batch_size": None, "micro_batch_tokens": 1 << 30}
        whole = replace(passes, config=passes.config.model_copy(update=limits), micro_batch_tokens=None)
        (ordered,) = micro_batches(group, whole.config, packed=passes.scorer.packed, apart=passes.objective.independent)
        sketches = torch.zeros(len(group), self.projection.size, device=passes.scorer.device)

        def take(name: str, gradients: torch.Tensor) -> None:
            sketches.add_(self.projection.sketch(name, gradients))

        passes.model.zero_grad()
        with taking_row_gradients(layers, RowLayout.of(ordered, packed=passes.scorer.packed), take):
            whole.accumulate(ordered)
        passes.model.zero_grad()
        # The pass's loss is the mean by the normalizers of all of its rows; a row's own is by its own.
        total = sum(example.normalizer for example in ordered)
        by_token = passes.config.normalize == "token"
        factors = [total / example.normalizer if by_token else float(len(ordered)) for example in ordered]
        scaled = sketches.cpu() * torch.tensor(factors).unsqueeze(1)
        # Parts of one example have its id: how often it has come before tells them apart.
        rows = {key: row for row, key in enumerate(_keys(ordered))}
        return scaled[[rows[key] for key in _keys(group)]]

    def _alone(self, example: TrainingExample) -> torch.Tensor:
        """Returns the sketch of one row from its own backward pass, [size].

        Raises:
            UserError: it does not fit into memory.
        """
        passes = self.passes
        passes.model.zero_grad()
        try:
            replace(passes).accumulate([example])
        except OutOfMemory:
            passes.model.zero_grad()
            raise _no_memory(example) from None
        sketch = torch.zeros(self.projection.size)
        for name, weight in trainable(passes.model).items():
            if weight.grad is not None:
                sketch += self.projection.sketch(name, weight.grad.unsqueeze(0))[0].cpu()
        passes.model.zero_grad()
        return sketch


def _keys(group: list[TrainingExample]) -> list[tuple[str, int]]:
    """Returns the id of each example of a micro-batch, and how many of that id stand before it."""
    seen: dict[str, int] = {}
    keys = []
    for example in group:
        keys.append((example.id, seen.get(example.id, 0)))
        seen[example.id] = seen.get(example.id, 0) + 1
    return keys


def _no_memory(example: TrainingExample) -> UserError:
    return UserError(
        f"memory runs out on the gradient of row {example.row_id}, which has {example.num_tokens} tokens",
        example.location,
        "Close what else takes memory and go on with --resume; without --influence, the run is finished without sketches.",
    )
