"""Which tokens of a micro-batch are computed, each once, and which of them see which."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from train.fast.gather import Gather

# A prefix that several sequences share is computed once where that saves at least so many tokens: attending to it apart has its price.
_FEWEST_SAVED = 16
# Nodes that see up to so many tokens keep their probabilities for the backward pass: two products and a softmax are faster than the flash
# kernel there, and what is kept is little beside the rest. Such nodes are attended together, padded to the longest; longer ones one by one.
KEPT_LENGTH = 384
# The shortest of those is at least this share of the longest, or they have so few tokens, padding included, that a second group would take
# longer than the padding.
_LIKE_LENGTH, _FEW_TOKENS = 0.8, 768
# A group has no more pairs of tokens than these: of the probabilities of some dozen heads, about what a processor's caches hold.
_MOST_PAIRS = 1 << 20
# What nodes continue stands before the keys of each of them, where it is at most so many times as long as the node: that is fewer passes
# over memory than to attend to it apart. The few tokens of a choice see their long prompt apart, which is there once.
_COPIED = 4

Ids = npt.NDArray[np.int64]


@dataclass(slots=True, eq=False)
class Node:
    """A stretch of tokens that is computed once: a whole sequence, what several begin with, or what one adds to that.

    Attributes:
        ids: its tokens.
        before: the nodes that it continues, from the first on.
        start: where it lies among all tokens that are computed.
    """

    ids: Ids
    before: tuple["Node", ...] = ()
    start: int = 0

    @property
    def offset(self) -> int:
        """The tokens of a sequence that stand before it."""
        return sum(len(node.ids) for node in self.before)

    @property
    def path(self) -> tuple["Node", ...]:
        """All that a sequence which ends with it consists of."""
        return (*self.before, self)

    @property
    def is_copied(self) -> bool:
        """What it continues stands before its own keys; else it is seen apart."""
        return bool(self.before) and self.offset <= _COPIED * len(self.ids) and self.offset + len(self.ids) <= KEPT_LENGTH

    @property
    def places(self) -> Ids:
        """Where its tokens lie."""
        return np.arange(self.start, self.start + len(self.ids))


@dataclass(frozen=True, slots=True)
class Own:
    """G nodes of at most L tokens that lie one behind the other; each token sees those of its node up to itself.

    Attributes:
        start: where the first lies.
        end: where the last ends.
        num: G.
        length: L.
        padded: where each token lies, padded to L by a node's last token, int64 [G, L].
        real: of those, the tokens that are no padding, an index into G * L, int64 [end - start].
        context: where the tokens lie that stand before the keys of each node, int64 [P].
        is_whole: that is all that they see; else some see more, which `Layout.seen` says.
    """

    start: int
    end: int
    num: int
    length: int
    padded: torch.Tensor
    real: torch.Tensor
    context: torch.Tensor
    is_whole: bool
    _gathers: dict[tuple[int, int], Gather] = field(default_factory=dict)

    @property
    def is_kept(self) -> bool:
        """Its probabilities are kept for the backward pass."""
        return self.length + len(self.context) <= KEPT_LENGTH

    def gather(self, num_heads: int, num_kv: int) -> Gather:
        """Returns where the heads of its tokens lie, which each layer asks for."""
        key = num_heads, num_kv
        if key not in self._gathers:
            self._gathers[key] = Gather.of(self.padded, self.real, self.context, num_heads, num_kv)
        return self._gathers[key]

    @classmethod
    def of(cls, nodes: Sequence[Node]) -> "Own":
        """Lays nodes out side by side, as they lie; all see the same before them, or nothing that stands before their keys."""
        lengths = np.array([len(node.ids) for node in nodes])
        longest, start = int(lengths.max()), nodes[0].start
        within = np.minimum(np.arange(longest), lengths[:, None] - 1)
        padded = np.array([node.start for node in nodes])[:, None] + within
        real = np.flatnonzero(np.arange(longest) < lengths[:, None])
        context = [before.places for before in nodes[0].before] if nodes[0].is_copied else []
        places = np.concatenate([np.zeros(0, dtype=np.int64), *context])
        end = start + int(lengths.sum())
        is_whole = all(node.is_copied or not node.before for node in nodes)
        return cls(start, end, len(nodes), longest, torch.from_numpy(padded), torch.from_numpy(real), torch.from_numpy(places), is_whole)


@dataclass(frozen=True, slots=True)
class Seen:
    """A node that others continue: each of their tokens sees all of it.

    Attributes:
        start: where the node lies.
        end: where it ends.
        queries: where the tokens lie that see it, int64 [Q].
        block: where the first of them lies and where the last ends, if they lie one behind the other; else None.
    """

    start: int
    end: int
    queries: torch.Tensor
    block: tuple[int, int] | None

    @property
    def is_kept(self) -> bool:
        """Its probabilities are kept for the backward pass."""
        return self.end - self.start <= KEPT_LENGTH

    def of(self, states: torch.Tensor) -> torch.Tensor:
        """Returns what the tokens have that see it, [N, ...] -> [Q, ...]."""
        return states.index_select(0, self.queries) if self.block is None else states[self.block[0] : self.block[1]]

    def put(self, states: torch.Tensor, into: torch.Tensor) -> None:
        """Puts [Q, ...] into [N, ...]."""
        if self.block is None:
            into[self.queries] = states
        else:
            into[self.block[0] : self.block[1]] = states

    def add(self, states: torch.Tensor, into: torch.Tensor) -> None:
        """Adds [Q, ...] to what is there."""
        if self.block is None:
            into.index_add_(0, self.queries, states)
        else:
            into[self.block[0] : self.block[1]] += states


@dataclass(frozen=True, slots=True)
class Layout:
    """The N tokens that are computed for sequences of T tokens in all.

    Attributes:
        input_ids: int64 [N].
        position_ids: int64 [N], from 0 in each sequence.
        places: where each of the T tokens, sequence by sequence, is computed, int64 [T].
        own: what sees itself; each token is in one of them.
        seen: what is seen by those that continue it.
        longest: tokens of the longest sequence.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    places: torch.Tensor
    own: tuple[Own, ...]
    seen: tuple[Seen, ...]
    longest: int

    @property
    def num_pairs(self) -> float:
        """Pairs of tokens of which one sees the other."""
        own = sum(one.num * one.length * (one.length / 2 + len(one.context)) for one in self.own)
        return own + sum((one.end - one.start) * len(one.queries) for one in self.seen)

    @classmethod
    def of(cls, sequences: Sequence[Ids], *, share: bool = True) -> "Layout":
        """Lays sequences out.

        Args:
            sequences: the ids of each, at least one.
            share: compute what sequences have in common at their beginning once.
        """
        leaves = _tree(sequences) if share else [Node(ids) for ids in sequences]
        groups = _together(list({id(node): node for leaf in leaves for node in leaf.path}.values()))
        nodes = [node for group in groups for node in group]
        for node, start in zip(nodes, np.cumsum([0, *(len(node.ids) for node in nodes)]), strict=False):
            node.start = int(start)
        return cls(
            torch.from_numpy(np.concatenate([node.ids for node in nodes])),
            torch.from_numpy(np.concatenate([np.arange(node.offset, node.offset + len(node.ids)) for node in nodes])),
            torch.from_numpy(np.concatenate([node.places for leaf in leaves for node in leaf.path])),
            tuple(Own.of(group) for group in groups),
            _seen(nodes),
            max(map(len, sequences)),
        )


def _seen(nodes: Sequence[Node]) -> tuple[Seen, ...]:
    """Returns which nodes are seen apart by others, which are given in the order in which they lie."""
    after: dict[int, list[Node]] = {}
    for one in nodes:
        for node in () if one.is_copied else one.before:
            after.setdefault(id(node), []).append(one)
    found = []
    for node in nodes:
        if id(node) in after:
            queries = np.concatenate([one.places for one in after[id(node)]])
            first, last = int(queries[0]), int(queries[-1])
            block = (first, last + 1) if len(queries) == last + 1 - first else None
            found.append(Seen(node.start, node.start + len(node.ids), torch.from_numpy(queries), block))
    return tuple(found)


def _tree(sequences: Sequence[Ids]) -> list[Node]:
    """Returns the last node of each sequence, below those that it shares with others."""
    leaves: dict[int, Node] = {}
    # Places of sequences that are the same up to some token; what they have in common is computed, up to another; and by which nodes.
    open_: list[tuple[list[int], int, int, tuple[Node, ...]]] = [(list(range(len(sequences))), 0, 0, ())]
    while open_:
        places, num_same, num_before, path = open_.pop()
        if len(places) > 1:
            num_same = _num_common([sequences[place] for place in places], num_same)
            if (num_same - num_before) * (len(places) - 1) >= _FEWEST_SAVED:
                path = (*path, Node(sequences[places[0]][num_before:num_same], path))
                num_before = num_same
        by_next: dict[int, list[int]] = {}
        for place in places:
            ids = sequences[place]
            if len(places) == 1 or len(ids) == num_same + 1:
                leaves[place] = Node(ids[num_before:], path)
            else:
                by_next.setdefault(int(ids[num_same]), []).append(place)
        open_ += [(some, num_same, num_before, path) for some in by_next.values()]
    return [leaves[place] for place in range(len(sequences))]


def _num_common(sequences: Sequence[Ids], known: int) -> int:
    """Returns how many tokens sequences share at their beginning, at least one of each left over; so many are known to be the same."""
    length = min(map(len, sequences)) - 1
    for one in sequences[1:]:
        unlike = np.flatnonzero(sequences[0][known:length] != one[known:length])
        length = known + int(unlike[0]) if len(unlike) else length
    return length


def _together(nodes: Sequence[Node]) -> list[list[Node]]:
    """Divides nodes into those that are attended together, the short ones first."""
    groups: list[list[Node]] = []
    last_of: dict[int, list[Node]] = {}
    for node in sorted(nodes, key=lambda one: len(one.ids)):
        # Nodes that have the same before their keys; else those that see something apart, and those that do not.
        key = id(node.before[-1]) if node.is_copied else -bool(node.before)
        length, seen = len(node.ids), len(node.ids) + (node.offset if node.is_copied else 0)
        last = last_of.get(key, [])
        is_like = bool(last) and (len(last[0].ids) >= _LIKE_LENGTH * length or (len(last) + 1) * length <= _FEW_TOKENS)
        if is_like and seen <= KEPT_LENGTH and (len(last) + 1) * length * seen <= _MOST_PAIRS:
            last.append(node)
        else:
            last_of[key] = [node]
            groups.append(last_of[key])
    return groups
