"""Log-likelihoods of choices, in batches: one forward pass for all choices of many examples.

Where a model has a fast path (`train.fast`), what any texts of a batch begin with alike is computed once: an instruction, a context, the
beginnings that choices share. Otherwise the choices of an example hang from one copy of their context as branches of a tree: each branch
sees the context and itself (a 4-D attention mask) and counts positions from the end of the context. The output head sees only the
positions that are needed.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from loopwright.progress import Advance
from train.inference.hidden import QuestionStates, middle_number
from train.inference.requests import ChoiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from train.fast.forward import FastForward

# Largest difference, in nats, between a tree and its choices one by one that rounding explains. A mask that a model ignores
# (a sliding window, say) changes log-likelihoods by whole nats.
_ROUNDING = {"float32": 1e-3, "bfloat16": 0.5, "float16": 0.5}
# A batch ends before a tree shorter than this share of its longest, as padding costs what tokens do; but not below so many
# positions, where a forward pass takes about the same time however few they are.
_LEAST_SHARE = 0.8
_FEWEST_POSITIONS = 256
# Choices of a request that sharing is proven on: the mask is wrong for the second, or for none.
_PROVEN_CHOICES = 3


@dataclass(frozen=True, slots=True)
class _Tree:
    """A context with the branches of some of its choices.

    Attributes:
        request: index of the request.
        choices: index of each branch's choice.
        context_ids: the shared ids, at least one.
        branches: continuation ids of each choice, at least one each.
    """

    request: int
    choices: list[int]
    context_ids: list[int]
    branches: list[list[int]]

    @property
    def length(self) -> int:
        """Input tokens; the last token of a branch is predicted and never read."""
        return len(self.context_ids) + sum(len(branch) - 1 for branch in self.branches)

    @property
    def is_line(self) -> bool:
        """At most one branch has tokens to read: plain causal attention is enough."""
        return sum(len(branch) > 1 for branch in self.branches) <= 1


@dataclass(frozen=True, slots=True)
class Scored:
    """The log-likelihoods of one request.

    Attributes:
        loglikelihoods: of each choice, in nats: of all its words together.
        is_cut: the beginning of the context did not fit and was cut off.
    """

    loglikelihoods: tuple[float, ...]
    is_cut: bool


def score_choices(
    model: Any,
    requests: Sequence[ChoiceRequest],
    *,
    max_length: int,
    max_batch_tokens: int,
    share: bool = True,
    exact: bool = False,
    advance: Advance,
    states: QuestionStates | None = None,
) -> list[Scored]:
    """Scores the choices of each request by the conventions of lm-evaluation-harness 0.4: sums of log-probabilities, in float32.

    Args:
        model: a causal language model in evaluation mode.
        requests: contexts and continuations.
        max_length: the model's context in tokens. Of a longer text the last `max_length + 1` tokens count.
        max_batch_tokens: tokens of a batch, padding included.
        share: compute a context once for all its choices. Proven on a long request first, and given up where a model's attention does
            not follow the mask.
        exact: the model's own modules are to compute all.
        advance: told how many requests are done.
        states: keeps what a middle layer says of each question on the way.

    Returns:
        One result a request, in their order.
    """
    sums = [[0.0] * len(request.continuations) for request in requests]
    cut = [_is_cut(request, max_length) for request in requests]
    fast = None if exact or not share or not requests else _fast_path(model, requests, max_length)
    trees = [tree for index, request in enumerate(requests) for tree in _grow(index, request, max_length, share=share)]
    trees.sort(key=lambda tree: tree.length, reverse=True)
    if fast is None and share and not _sharing_is_proven(model, trees):
        trees = [tree for index, request in enumerate(requests) for tree in _grow(index, request, max_length, share=False)]
        trees.sort(key=lambda tree: tree.length, reverse=True)
    missing = [len(request.continuations) for request in requests]
    for batch in _batches(trees, max_batch_tokens, padded=fast is None):
        scores = _score_plain(model, batch, states) if fast is None else _score_fast(fast, batch, states)
        for tree, values in zip(batch, scores, strict=True):
            for choice, value in zip(tree.choices, values, strict=True):
                sums[tree.request][choice] = value
            missing[tree.request] -= len(tree.choices)
            if not missing[tree.request]:
                advance(1)
    return [
        Scored(sum_words(values, request.words_of_choices), is_cut) for values, is_cut, request in zip(sums, cut, requests, strict=True)
    ]


def _fast_path(model: Any, requests: Sequence[ChoiceRequest], max_length: int) -> "FastForward | None":
    """Returns the fast path of a model; None where it has none, or one whose attention does not see as far as the requests are long."""
    from train.fast.forward import FastForward

    fast = FastForward.of(model)
    longest = max(len(request.context_ids) + max(map(len, request.continuations)) for request in requests)
    return None if isinstance(fast, str) or not fast.sees(min(longest, max_length)) else fast


def sum_words(values: Sequence[float], words_of_choices: Sequence[int]) -> tuple[float, ...]:
    """Sums the probabilities of each choice's words: the log of the sum of their exponentials.

    Args:
        values: log-likelihood of each word, in nats.
        words_of_choices: how many in a row say each choice; empty where each is said by one.
    """
    if not words_of_choices:
        return tuple(values)
    rest = iter(values)
    return tuple(_log_sum_exp([next(rest) for _ in range(number)]) for number in words_of_choices)


def _log_sum_exp(values: Sequence[float]) -> float:
    top = max(values)
    # One word alone keeps its value to the last bit; infinities and NaN are reported as what they are.
    return values[0] if len(values) == 1 or not all(map(math.isfinite, values)) else top + math.log(sum(math.exp(v - top) for v in values))


def _is_cut(request: ChoiceRequest, max_length: int) -> bool:
    return len(request.context_ids) + max(map(len, request.continuations)) - 1 > max_length


def _grow(index: int, request: ChoiceRequest, max_length: int, *, share: bool) -> list[_Tree]:
    """Makes one tree of a request, or one a choice where they cannot share: a cut leaves each choice another context."""
    choices = list(range(len(request.continuations)))
    whole = _Tree(index, choices, request.context_ids, request.continuations)
    if share and whole.length <= max_length:
        return [whole]
    trees = []
    for choice, continuation in zip(choices, request.continuations, strict=True):
        kept = continuation[-max_length:]
        room = max_length + 1 - len(kept)
        trees.append(_Tree(index, [choice], request.context_ids[-room:], [kept]))
    return trees


def _batches(trees: list[_Tree], max_batch_tokens: int, *, padded: bool) -> "Iterator[list[_Tree]]":
    """Cuts trees, longest first, into batches: little padding, and a batch too large for memory fails at once, not after an hour."""
    batch: list[_Tree] = []
    for tree in trees:
        if batch and not padded:
            if sum(one.length for one in batch) + tree.length > max_batch_tokens:
                yield batch
                batch = []
        elif batch:
            longest = batch[0].length
            is_unlike = longest * len(batch) >= _FEWEST_POSITIONS and tree.length < _LEAST_SHARE * longest
            if is_unlike or longest * (len(batch) + 1) > max_batch_tokens:
                yield batch
                batch = []
        batch.append(tree)
    if batch:
        yield batch


def _sharing_is_proven(model: Any, trees: list[_Tree]) -> bool:
    """Scores the longest choices of the longest real tree both ways: a model whose attention does not follow the mask is found out here."""
    found = next((tree for tree in trees if not tree.is_line), None)
    if found is None:
        return True
    long = sorted(zip(found.choices, found.branches, strict=True), key=lambda one: len(one[1]), reverse=True)[:_PROVEN_CHOICES]
    tree = _Tree(found.request, [choice for choice, _ in long], found.context_ids, [branch for _, branch in long])
    shared = _score_batch(model, [tree])[0]
    apart = [
        _score_batch(model, [_Tree(tree.request, [choice], tree.context_ids, [branch])])[0][0]
        for choice, branch in zip(tree.choices, tree.branches, strict=True)
    ]
    tolerance = _ROUNDING.get(str(model.dtype).removeprefix("torch."), 1e-3)
    # `not >`: a NaN in both is the model's, and is reported as such.
    return not any(abs(a - b) > tolerance for a, b in zip(shared, apart, strict=True))


def _score_fast(fast: "FastForward", trees: list[_Tree], states: QuestionStates | None) -> list[list[float]]:
    """Returns the log-likelihood of each branch of each tree, on the fast path."""
    from train.fast.forward import Read

    sequences: list[list[int]] = []
    reads: list[Read] = []
    owners: list[tuple[int, int]] = []
    contexts: list[int] = []  # of each tree, a sequence that begins with its context
    for number, tree in enumerate(trees):
        end = len(tree.context_ids)
        contexts.append(len(sequences))
        # A branch that another begins with is read there: of choices of one token each, the context alone is left.
        texts = sorted(range(len(tree.branches)), key=lambda branch: tree.branches[branch][:-1], reverse=True)
        last: list[int] | None = None
        for branch in texts:
            tokens = tree.branches[branch]
            if last is None or last[: len(tokens) - 1] != tokens[:-1]:
                last = tokens[:-1]
                sequences.append([*tree.context_ids, *last])
            reads += [Read(len(sequences) - 1, end - 1 + index, token) for index, token in enumerate(tokens)]
            owners += [(number, branch)] * len(tokens)
    found = fast.logprobs(sequences, reads, None if states is None else _watching(states, trees, sequences, contexts, fast))
    sums = [[0.0] * len(tree.branches) for tree in trees]
    for (number, branch), value in zip(owners, found, strict=True):
        sums[number][branch] += value
    return sums


def _watching(
    states: QuestionStates, trees: list[_Tree], sequences: list[list[int]], contexts: list[int], fast: "FastForward"
) -> "Callable[[int, torch.Tensor], None]":
    """Returns what keeps the states of each tree's context, from what the middle layer gives at all tokens of all sequences."""
    starts = [0, *accumulate(map(len, sequences))]
    middle = middle_number(len(fast.layers.layers))

    def watch(layer: int, at_tokens: "torch.Tensor") -> None:
        if layer == middle:
            for tree, sequence in zip(trees, contexts, strict=True):
                states.keep(tree.request, at_tokens[starts[sequence] : starts[sequence] + len(tree.context_ids)])

    return watch


def _score_plain(model: Any, trees: list[_Tree], states: QuestionStates | None) -> list[list[float]]:
    """Returns the same, by the model's own modules."""
    if states is None:
        return _score_batch(model, trees)
    with states.capturing(model):
        scores = _score_batch(model, trees)
    states.after_batch([(tree.request, len(tree.context_ids)) for tree in trees])
    return scores


def _score_batch(model: Any, trees: list[_Tree]) -> list[list[float]]:
    """Runs one forward pass and returns the log-likelihood of each branch of each tree."""
    import torch

    inputs, reads = _lay_out(trees, model.dtype, model.device)
    # Branches share their first position (the end of the context): each position goes through the head once.
    positions = sorted({(row, column) for row, column, _, _ in reads})
    place = {position: index for index, position in enumerate(positions)}
    rows = torch.tensor([row for row, _ in positions], device=model.device)
    columns = torch.tensor([column for _, column in positions], device=model.device)
    with torch.inference_mode(), _head_sees_only(model, rows, columns):
        logits = model(**inputs, use_cache=False).logits[0].float()
        normaliser = logits.logsumexp(dim=-1)
        where = torch.tensor([place[row, column] for row, column, _, _ in reads], device=model.device)
        tokens = torch.tensor([token for _, _, token, _ in reads], device=model.device)
        log_probabilities = (logits[where, tokens] - normaliser[where]).tolist()
    sums = [[0.0] * len(tree.branches) for tree in trees]
    for (row, _, _, branch), value in zip(reads, log_probabilities, strict=True):
        sums[row][branch] += value
    return sums


def _lay_out(
    trees: list[_Tree], dtype: "torch.dtype", device: "torch.device"
) -> "tuple[dict[str, torch.Tensor], list[tuple[int, int, int, int]]]":
    """Returns the model's inputs, `[B, T]` padded on the right, and what to read: (row, position, predicted token, branch)."""
    import torch

    length = trees[0].length
    ids = torch.zeros(len(trees), length, dtype=torch.long)
    positions = torch.zeros(len(trees), length, dtype=torch.long)
    visible = torch.ones(length, length, dtype=torch.bool).tril().repeat(len(trees), 1, 1)
    reads: list[tuple[int, int, int, int]] = []
    for row, tree in enumerate(trees):
        end = len(tree.context_ids)
        ids[row, :end] = torch.tensor(tree.context_ids)
        positions[row, :end] = torch.arange(end)
        start = end
        for branch, tokens in enumerate(tree.branches):
            stop = start + len(tokens) - 1
            ids[row, start:stop] = torch.tensor(tokens[:-1], dtype=torch.long)
            positions[row, start:stop] = torch.arange(end, end + stop - start)
            visible[row, start:stop, end:start] = False  # a branch does not see the branches before it
            reads.append((row, end - 1, tokens[0], branch))
            reads.extend((row, start + index, token, branch) for index, token in enumerate(tokens[1:]))
            start = stop
    inputs = {"input_ids": ids.to(device)}
    if not all(tree.is_line for tree in trees):
        # Additive, not boolean: every attention implementation takes it. The lowest finite number, as -inf gives NaN in padding.
        mask = torch.zeros(visible.shape, dtype=dtype).masked_fill_(~visible, torch.finfo(dtype).min)
        inputs |= {"attention_mask": mask[:, None].to(device), "position_ids": positions.to(device)}
    # Without branches no mask is needed: padding stands on the right, where causal attention never looks.
    return inputs, reads


@contextmanager
def _head_sees_only(model: Any, rows: "torch.Tensor", columns: "torch.Tensor") -> "Iterator[None]":
    """Passes only some positions, `[1, P, H]` of `[B, T, H]`, to the output head, the most expensive layer of a small model.

    A hook rather than a call of the head by hand: what a model does to its logits afterwards (caps, scales) stays in place.
    """

    def pick(_module: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        return (arguments[0][rows, columns][None], *arguments[1:])

    handle = model.get_output_embeddings().register_forward_pre_hook(pick)
    try:
        yield
    finally:
        handle.remove()
