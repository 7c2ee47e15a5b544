"""What every objective and every method has to keep, for the tests of whoever writes one: plain assertions, for any test runner.

from train.testing import check_objective
from my_objectives import MyObjective

def test_my_objective():
    check_objective(MyObjective, tokenizer, [{"messages": [...]}, {"messages": [...]}])
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwright.errors import UserError
from prep.dataset.schema import EXAMPLE_SCHEMA
from templates.form import Form
from train.config import TrainConfig
from train.methods.base import Method, trainable
from train.models.load import Model
from train.objectives.base import Objective, TokenScores, TokenSequence

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

_HEADING = "## What it trains"


def check_objective(
    objective: type[Objective],
    tokenizer: "PreTrainedTokenizerBase",
    examples: Sequence[dict[str, Any]],
    config: TrainConfig | None = None,
) -> None:
    """Makes sure that an objective keeps all that an objective has to.

    It is documented; it makes sequences of each example whose supervised tokens are the example's own; its losses are a finite number a
    row, differentiable, and no row's depends on the rows beside it, so that batches can be cut anywhere; where it is `independent`, a row's
    sequences may be cut apart as well.

    Args:
        objective: its class.
        tokenizer: with a chat template, where the objective needs one.
        examples: two or more, by the columns of `EXAMPLE_SCHEMA`; one that is left out is empty.
        config: the run's options.

    Raises:
        AssertionError: it does not; the message says in what.
    """
    who = f"the objective '{objective.name}'"
    assert _HEADING in (objective.__doc__ or ""), f"{who} does not say in its docstring what it trains, under '{_HEADING}'"
    assert isinstance(objective.form, Form), f"{who} has no form of examples"
    assert len(examples) > 1, f"{who}: give two examples or more, as rows must not depend on each other"
    made = objective(config or TrainConfig())
    encoded = [made.encode(tokenizer, dict.fromkeys(EXAMPLE_SCHEMA.names()) | example) for example in examples]
    for number, sequences in enumerate(encoded, start=1):
        _check_sequences(f"{who}, example {number}", sequences, objective.reads)
        assert made.normalizer(sequences) > 0, f"{who}: example {number} counts for nothing"
    _check_losses(who, made, encoded)


def check_method(
    method: type[Method], load_model: Callable[[], Model], input_ids: "torch.Tensor", folder: Path, config: TrainConfig | None = None
) -> None:
    """Makes sure that a method keeps all that a method has to.

    It is documented; something is trained, in float32; what it saves are its files, equal bytes for equal values; another run begins with
    them, where it can (`begin_from`); loaded again, the model answers as it did, and with the method off exactly as the base; merged, where
    it can be, it is a model of the base's class that answers as it did; a folder without the files is refused.

    Args:
        method: its class.
        load_model: loads the base model, the same each time.
        input_ids: some tokens, [1, T].
        folder: an empty folder to save into.
        config: the run's options.

    Raises:
        AssertionError: it does not; the message says in what.
    """
    import torch

    who = f"the method '{method.name}'"
    for heading in (_HEADING, "## What it saves"):
        assert heading in (method.__doc__ or ""), f"{who} has no '{heading}' in its docstring"
    assert method.file_names, f"{who} names no file that it saves"
    with torch.no_grad():
        base = load_model().eval()(input_ids=input_ids).logits
    made = method(config or TrainConfig())
    model = made.fresh(load_model()).eval()
    trained = trainable(model)
    assert trained, f"{who} trains nothing"
    coarse = [name for name, parameter in trained.items() if parameter.dtype != torch.float32]
    assert not coarse, f"{who} trains '{coarse[0]}' in {trained[coarse[0]].dtype}, where small updates are lost: train in float32"
    generator = torch.Generator().manual_seed(17)
    with torch.no_grad():
        for parameter in trained.values():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
        tuned = model(input_ids=input_ids).logits
    assert not torch.equal(tuned, base), f"{who} changes nothing of what the model says"
    _check_saved(who, made, model, folder)
    if method.begin_from is not Method.begin_from:
        begun = made.fresh(load_model())
        made.begin_from(begun, folder)
        unlike = [name for name, weight in trainable(begun).items() if not torch.allclose(weight, trained[name], rtol=1e-2, atol=1e-4)]
        assert not unlike, f"{who} begins with other weights than it saved: '{unlike[0]}'"
    loaded = method.load(load_model(), folder, "tuned").eval()
    with torch.no_grad():
        with method.using(loaded, "tuned") as used:
            torch.testing.assert_close(used(input_ids=input_ids).logits, tuned, rtol=1e-4, atol=1e-4)
        with method.using(loaded, None) as used:
            assert torch.equal(used(input_ids=input_ids).logits, base), f"{who}, switched off, does not answer as the base model"
    if method.can_merge():
        _check_merged(who, method.merged(loaded, "tuned"), type(load_model()), input_ids, tuned)


def _check_merged(who: str, merged: Model, kind: type[Model], input_ids: "torch.Tensor", tuned: "torch.Tensor") -> None:
    import torch

    assert type(merged) is kind, f"{who} merges to a {type(merged).__name__}, where the base is a {kind.__name__}"
    with torch.no_grad():
        found = merged(input_ids=input_ids).logits
    torch.testing.assert_close(found, tuned, rtol=1e-4, atol=1e-4, msg=lambda text: f"{who}, merged, answers otherwise: {text}")


def _check_sequences(who: str, sequences: Sequence[TokenSequence], reads: str) -> None:
    assert sequences, f"{who} becomes no sequence"
    for one in sequences:
        assert one.sign in {1, -1}, f"{who}: a sign is 1 or -1"
        assert len(one.positions) == len(one.targets) == len(one.weights), f"{who}: positions, targets and weights differ in number"
        if reads == "values":
            assert not one.targets, f"{who}: a token is supervised, where values are read"
            continue
        assert one.targets, f"{who}: no token is supervised"
        assert one.positions == sorted(set(one.positions)), f"{who}: positions do not rise"
        assert one.positions[0] >= 0 and one.positions[-1] < one.num_tokens, f"{who}: a position lies outside of the sequence"
        assert all(weight > 0 for weight in one.weights), f"{who}: a supervised token has no weight"


def _check_losses(who: str, objective: Objective, encoded: Sequence[Sequence[TokenSequence]]) -> None:
    import torch

    generator = torch.Generator().manual_seed(17)
    values = [[torch.rand(_num_read(objective, one), generator=generator) * -3 - 0.1 for one in sequences] for sequences in encoded]
    whole = _scores(encoded, values, objective)
    losses = objective.row_losses(whole)
    assert losses.shape == (len(encoded),), f"{who} gives losses of the shape {tuple(losses.shape)}: one a row"
    assert bool(torch.isfinite(losses).all()), f"{who} gives a loss that is no number"
    summed = objective.loss(whole)
    _assert_equal(summed, losses.sum(), f"{who}: its loss is not the sum of its rows' losses")
    summed.backward()  # type: ignore[no-untyped-call]
    gradient = (whole.logprobs if whole.values is None else whole.values).grad
    assert gradient is not None and bool(torch.isfinite(gradient).all()), f"{who} has no gradient"
    assert bool(gradient.any()), f"{who} has a loss that no token changes"
    for row, (sequences, own) in enumerate(zip(encoded, values, strict=True)):
        alone = objective.row_losses(_scores([sequences], [own], objective))
        _assert_equal(alone[0], losses[row], f"{who}: a row's loss depends on the rows beside it")
        if objective.independent:
            parts = _scores([[one] for one in sequences], [[one] for one in own], objective)
            _assert_equal(objective.row_losses(parts).sum(), losses[row], f"{who} is independent, and its sequences do not add up")
    margins = objective.margins(whole)
    assert all(one.shape == losses.shape for one in margins), f"{who} gives margins that are not one a row"


def _num_read(objective: Objective, sequence: TokenSequence) -> int:
    """Returns how many numbers the objective reads of a sequence."""
    return len(sequence.targets) if objective.reads == "tokens" else 1


def _assert_equal(found: "torch.Tensor", expected: "torch.Tensor", what: str) -> None:
    import torch

    torch.testing.assert_close(found, expected, msg=lambda text: f"{what}: {text}")


def _scores(encoded: Sequence[Sequence[TokenSequence]], values: "Sequence[Sequence[torch.Tensor]]", objective: Objective) -> TokenScores:
    """Returns scores as the trainer hands them over, of log-probabilities that are given."""
    import torch

    flat = [(row, one) for row, sequences in enumerate(encoded) for one in sequences]
    read = torch.cat([one for own in values for one in own]).requires_grad_()
    logprobs = read if objective.reads == "tokens" else torch.zeros(0)
    return TokenScores(
        logprobs=logprobs,
        values=read if objective.reads == "values" else None,
        margins=logprobs.detach() + 0.7,
        weights=torch.tensor([weight for _, one in flat for weight in one.weights]),
        sequences=torch.tensor([index for index, (_, one) in enumerate(flat) for _ in one.targets], dtype=torch.int64),
        rows=torch.tensor([row for row, _ in flat]),
        signs=torch.tensor([float(one.sign) for _, one in flat]),
        num_rows=len(encoded),
        baseline=torch.tensor(0.3) if objective.has_baseline else None,
        reference=torch.tensor([-2.0 - 0.1 * len(one.targets) for _, one in flat]) if objective.needs_reference else None,
    )


def _check_saved(who: str, method: Method, model: Model, folder: Path) -> None:
    try:
        method.require_saved(folder)
    except UserError:
        pass
    else:
        raise AssertionError(f"{who} takes an empty folder for a run")
    method.save(model, folder)
    written = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(written) == set(method.file_names), f"{who} writes {sorted(written)}, and says {sorted(method.file_names)}"
    method.require_saved(folder)
    method.save(model, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == written, f"{who} writes other bytes for the same values"
