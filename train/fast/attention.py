"""Causal attention over a layout, with a backward pass of its own: the stock one takes most of a step on a processor."""

from functools import lru_cache
from typing import Any

import torch
from typing_extensions import override

from train.fast.kernels import wide
from train.fast.layout import Layout, Own, Seen

# Nodes of up to this length keep their probabilities for the backward pass: two products and a softmax are faster than the flash kernel
# there, and what is kept is little beside the rest.
_KEPT_LENGTH = 320
# Rows of queries a chunk of the backward pass: of 256, probabilities of 1,000 keys fit into a cache.
_CHUNK = 256


class Attention(torch.autograd.Function):
    """q [T, H, D], k and v [T, KV, D] -> [T, H, D].

    Forward is torch's flash kernel, which keeps the log of each query's sum of exponentials; of short nodes two products and a softmax.
    What a token sees before its own node is attended apart, and the two are put together by these logs. Backward forms the probabilities
    again from their sum, a chunk of queries at a time (Dao et al., "FlashAttention", 2022, algorithm 4), but for those of short nodes,
    which are kept. The queries that share a key head stand together, so that no key is copied.

    Memory decides how fast that is, not arithmetic: of numbers [l, m] as few passes are made as can be. What is subtracted from each row
    of a product, and what a row is multiplied by, is put into its factors, which are small.
    """

    @staticmethod
    @override
    def forward(ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, layout: Layout, scale: float) -> torch.Tensor:
        output = torch.empty(query.shape, dtype=query.dtype)
        logs = torch.empty(query.shape[:2], dtype=torch.float64 if query.dtype == torch.float64 else torch.float32)
        num_kv = key.shape[1]
        kept = []
        for own in layout.own:
            queries, keys, values = (_taken(one, own, num_kv) for one in (query, key, value))
            if own.length <= _KEPT_LENGTH:
                attended, sums, weights = _by_hand(queries, keys, values, scale, with_sums=bool(layout.seen))
                kept += [weights, sums]
            else:
                attended, sums = _flash(queries, keys, values, scale=scale, is_causal=True)
            output[own.start : own.end], logs[own.start : own.end] = _put(attended, own), _put(sums.unsqueeze(-1), own).squeeze(-1)
        for seen in layout.seen:
            folded = _folded(seen.of(query), 1, num_kv)
            keys, values = (_folded(one[seen.start : seen.end], 1, num_kv) for one in (key, value))
            if seen.end - seen.start <= _KEPT_LENGTH:
                attended, sums, weights = _by_hand(folded, keys, values, scale, is_causal=False)
                kept += [weights, sums]
            else:
                attended, sums = _flash(folded, keys, values, scale=scale)
            _merge(output, logs, seen, _unfolded(attended), _unfolded(sums.unsqueeze(-1)).squeeze(-1))
        ctx.save_for_backward(query, key, value, output, logs, *kept)
        ctx.layout, ctx.scale = layout, scale
        return output

    @staticmethod
    @override
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, output, logs, *kept = ctx.saved_tensors
        num_kv = key.shape[1]
        of_query, of_key, of_value = (torch.empty(one.shape, dtype=one.dtype) for one in (query, key, value))
        delta = (wide(gradient) * wide(output)).sum(-1)
        of_short = iter(kept)
        for own in ctx.layout.own:
            queries, keys, values, sums, upstream, deltas = (
                _taken(one, own, num_kv) for one in (query, key, value, logs.unsqueeze(-1), gradient, delta.unsqueeze(-1))
            )
            upstream, deltas, weights = _without_padding(upstream, own), _without_padding(deltas, own), None
            if own.length <= _KEPT_LENGTH:
                weights, divisors = next(of_short), next(of_short).unsqueeze(-1)
                if ctx.layout.seen:  # they are of the node alone, and others are seen as well
                    upstream, deltas = _times((divisors - sums).exp(), upstream, deltas)
            found = _gradients((queries, keys, values), (sums, upstream, deltas), ctx.scale, is_causal=True, kept=weights)
            for into, one in zip((of_query, of_key, of_value), found, strict=True):
                into[own.start : own.end] = _put(one, own)
        for seen in ctx.layout.seen:
            queries, sums, upstream, deltas = (
                _folded(seen.of(one), 1, num_kv) for one in (query, logs.unsqueeze(-1), gradient, delta.unsqueeze(-1))
            )
            keys, values = (_folded(one[seen.start : seen.end], 1, num_kv) for one in (key, value))
            weights = None
            if seen.end - seen.start <= _KEPT_LENGTH:
                weights = next(of_short)
                upstream, deltas = _times((next(of_short).unsqueeze(-1) - sums).exp(), upstream, deltas)
            found = _gradients((queries, keys, values), (sums, upstream, deltas), ctx.scale, is_causal=False, kept=weights)
            seen.add(_unfolded(found[0]), of_query)
            of_key[seen.start : seen.end] += _unfolded(found[1])
            of_value[seen.start : seen.end] += _unfolded(found[2])
        return of_query, of_key, of_value, None, None


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, layout: Layout, scale: float) -> torch.Tensor:
    """See `Attention`."""
    return Attention.apply(query, key, value, layout, scale)  # type: ignore[no-any-return, no-untyped-call]


def _folded(states: torch.Tensor, num: int, num_kv: int) -> torch.Tensor:
    """[G * L, H, D] -> [G * KV, g, L, D]: the heads that share a key head stand together."""
    spread = states.reshape(num, -1, num_kv, states.shape[1] // num_kv, states.shape[2]).permute(0, 2, 3, 1, 4)
    return spread.flatten(0, 1)


def _unfolded(states: torch.Tensor, num: int = 1) -> torch.Tensor:
    """[G * KV, g, L, D] -> [G * L, H, D]."""
    return states.view(num, -1, *states.shape[1:]).permute(0, 3, 1, 2, 4).flatten(2, 3).flatten(0, 1)


def _taken(states: torch.Tensor, own: Own, num_kv: int) -> torch.Tensor:
    """Returns what some nodes' tokens have, [T, H, D] -> [G * KV, g, L, D]."""
    mine = states[own.start : own.end] if own.padded is None else states.index_select(0, own.padded)
    return _folded(mine, own.num, num_kv)


def _put(states: torch.Tensor, own: Own) -> torch.Tensor:
    """Returns it token by token again, without padding, [end - start, H, D]."""
    spread = _unfolded(states, own.num)
    return spread if own.real is None else spread.index_select(0, own.real)


def _without_padding(states: torch.Tensor, own: Own) -> torch.Tensor:
    """Sets to zero what stands for padding: it repeats a real token, to whose gradient it must not add."""
    if own.real is None:
        return states
    kept = torch.zeros(own.num * own.length, dtype=states.dtype)
    kept[own.real] = 1
    by_node = kept.view(own.num, 1, 1, own.length, 1).expand(-1, len(states) // own.num, -1, -1, -1).flatten(0, 1)
    return states * by_node


def _flash(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, scale: float, is_causal: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """q [B, g, L, D], k and v [B, 1, M, D] -> [B, g, L, D], and the log of each query's sum of exponentials, [B, g, L]."""
    spread = (-1, query.shape[1], -1, -1)
    attended, sums = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key.expand(spread), value.expand(spread), 0.0, is_causal, scale=scale
    )
    return attended, sums.reshape(query.shape[:3])


def _by_hand(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, *, is_causal: bool = True, with_sums: bool = True
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """q [B, g, L, D], k and v [B, 1, M, D] -> as `_flash`; and the probabilities, [B, g * L, M]. Sums are left out at will."""
    num, shared, length, width = query.shape
    queries, keys = query.reshape(num, -1, width), key.squeeze(1).transpose(1, 2)
    if is_causal:
        products = torch.baddbmm(_later(length, query.dtype, shared).expand(num, -1, -1), queries, keys, alpha=scale)
    else:
        products = _scaled(queries, keys, scale)
    weights = torch.softmax(products, -1)
    attended = torch.bmm(weights, value.squeeze(1)).view(query.shape)
    sums = _divisors(products, weights) if with_sums else wide(products.new_zeros(products.shape[:2]))
    return attended, sums.view(num, shared, length), weights


def _divisors(products: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Returns the log of what a softmax [..., m] was divided by, [...]: any column tells it, and the first is seen by all."""
    found = wide(products[..., 0]) - wide(weights[..., 0]).log()
    return found if bool(found.isfinite().all()) else wide(products).logsumexp(-1)


def _merge(output: torch.Tensor, logs: torch.Tensor, seen: Seen, attended: torch.Tensor, sums: torch.Tensor) -> None:
    """Adds what some tokens see elsewhere to what they have seen: two averages, by the sums that they are over."""
    before, known = seen.of(logs), seen.of(output)
    total = torch.logaddexp(before, sums)
    seen.put(torch.lerp(known, attended, (sums - total).exp().unsqueeze(-1).to(known.dtype)), output)
    seen.put(total, logs)


def _times(share: torch.Tensor, upstream: torch.Tensor, deltas: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Multiplies what comes to some rows, whose probabilities are of a part alone, by that part's share."""
    return (upstream * share).to(upstream.dtype), deltas * share


def _gradients(
    states: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    above: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    scale: float,
    *,
    is_causal: bool,
    kept: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Returns the gradients of q [B, g, L, D], k and v [B, 1, M, D].

    Args:
        states: these three; M is L where it is causal.
        above: of each query the log of its sum of exponentials over all that it sees, [B, g, L, 1]; the gradient of its output,
            [B, g, L, D]; and that gradient's product with the output, [B, g, L, 1].
        scale: what products of queries and keys are multiplied by.
        is_causal: a query sees no key that comes after it.
        kept: the probabilities, [B, g * L, M]; None: they are formed again.
    """
    query, key, value = states
    sums, upstream, deltas = above
    num, shared, length, width = query.shape
    keys, values, ones = key.squeeze(1), _beside_ones(value.squeeze(1)), _beside_ones(key.squeeze(1))
    outer = _beside_less(upstream, deltas)
    lowered = None if kept is not None else _beside_less(query, sums / scale)
    of_query, of_keys, of_values = torch.empty(query.shape, dtype=query.dtype), None, None
    chunk = _CHUNK if kept is None else length
    for start in reversed(range(0, length, chunk)):  # the last queries see all keys
        end = min(start + chunk, length)
        num_seen = end if is_causal else keys.shape[1]
        queries, gradients = (one[:, :, start:end].reshape(num, -1, one.shape[-1]) for one in (query, outer))
        if lowered is None:
            assert kept is not None
            weights = kept
        else:
            weights = _scaled(lowered[:, :, start:end].reshape(num, -1, width + 2), ones[:, :num_seen].transpose(1, 2), scale)
            if is_causal:
                weights.view(num, shared, end - start, num_seen)[..., start:].add_(_later(end - start, weights.dtype))
            weights.exp_()
        # The softmax's own gradient: probabilities times what is above the mean.
        of_products = torch.bmm(gradients, values[:, :num_seen].transpose(1, 2)).mul_(weights)
        of_query[:, :, start:end] = _scaled(of_products, keys[:, :num_seen], scale).view(num, shared, end - start, width)
        some_keys = _scaled(of_products.transpose(1, 2), queries, scale)
        some_values = torch.bmm(weights.transpose(1, 2), gradients[..., :width])
        if of_keys is None or of_values is None:
            of_keys, of_values = some_keys, some_values
        else:
            of_keys[:, :num_seen] += some_keys
            of_values[:, :num_seen] += some_values
    assert of_keys is not None and of_values is not None, "there are queries"
    return of_query, of_keys.unsqueeze(1), of_values.unsqueeze(1)


def _scaled(first: torch.Tensor, second: torch.Tensor, scale: float) -> torch.Tensor:
    """The batched product, times a number, in one pass."""
    return torch.baddbmm(first.new_empty(1, 1, 1), first, second, beta=0, alpha=scale)


def _beside_less(rows: torch.Tensor, less: torch.Tensor) -> torch.Tensor:
    """[..., D] and what each row's products are to be less by, [..., 1] -> [..., D + 2], for products with `_beside_ones`.

    In two parts, which are as exact together as the sum within a product is.
    """
    most = less.to(rows.dtype)
    return torch.cat([rows, -most, (wide(most) - less).to(rows.dtype)], -1)


def _beside_ones(columns: torch.Tensor) -> torch.Tensor:
    return torch.cat([columns, columns.new_ones(*columns.shape[:-1], 2)], -1)


@lru_cache(maxsize=64)  # each layer asks for the same ones
def _later(length: int, dtype: torch.dtype, times: int = 1) -> torch.Tensor:
    """Returns minus infinity where a key comes after a query, and 0 elsewhere, [l, l]; so many times, one below the other."""
    return torch.full((length, length), float("-inf"), dtype=dtype).triu(1).repeat(times, 1)
