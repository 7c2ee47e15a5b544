"""Causal attention over a layout, with a backward pass of its own: the stock one takes most of a step on a processor."""

from functools import lru_cache
from typing import Any

import torch
from typing_extensions import override

from train.fast.gather import Gather
from train.fast.kernels import wide
from train.fast.layout import Layout, Own, Seen

# Rows of queries a chunk of the backward pass: of 256, probabilities of 1,000 keys fit into a cache.
_CHUNK = 256


class Attention(torch.autograd.Function):
    """States [T, H + 2 KV, D], the queries, keys and values of each token -> what it sees, [T, H, D].

    Nodes that see few tokens: two products and a softmax, whose probabilities are kept for the backward pass. Longer ones: torch's flash
    kernel, which keeps the log of each query's sum of exponentials; backward forms the probabilities again from it, a chunk of queries at a
    time (Dao et al., "FlashAttention", 2022, algorithm 4). What stands before the keys of a node is attended with them; what a token sees
    apart from them is attended apart, and the two are put together by these logs. The queries that share a key head stand together, so that
    no key is copied for them.

    Memory decides how fast that is, not arithmetic: of numbers [l, m] as few passes are made as can be. What is subtracted from each row
    of a product, and what a row is multiplied by, is put into its factors, which are small.
    """

    @staticmethod
    @override
    def forward(ctx: Any, states: torch.Tensor, layout: Layout, scale: float, num_heads: int) -> torch.Tensor:
        num_kv, width = (states.shape[1] - num_heads) // 2, states.shape[2]
        output = states.new_empty(len(states), num_heads, width)
        logs = wide(states.new_empty(len(states), num_heads)) if _needs_logs(layout) else None
        kept = []
        for own in layout.own:
            at = own.gather(num_heads, num_kv)
            queries, keys, values = _gathered(states, at, own.num * num_kv)
            sums: torch.Tensor | None = None
            if own.is_kept:
                attended, weights, products = _by_hand(queries, keys, values, scale, causal=own.length)
                kept.append(weights)
                if not own.is_whole:
                    kept.append(sums := _divisors(products, weights))
            else:
                attended, sums = _flash(queries, keys, values, scale, num_heads // num_kv, is_causal=True)
            output[own.start : own.end] = attended.view(-1, width).index_select(0, at.back).view(-1, num_heads, width)
            if sums is not None:
                assert logs is not None, "more is seen than the node, or its probabilities are not kept"
                logs[own.start : own.end] = sums.flatten().index_select(0, at.back).view(-1, num_heads)
        for seen in layout.seen:
            assert logs is not None, "something is seen apart"
            queries, keys, values = _parted(states, seen, num_heads, num_kv)
            if seen.is_kept:
                attended, weights, products = _by_hand(queries, keys, values, scale)
                part = _divisors(products, weights)
                kept += [weights, part]
            else:
                attended, part = _flash(queries, keys, values, scale, num_heads // num_kv)
            _merge(output, logs, seen, _unfolded(attended, num_heads), _unfolded(part.unsqueeze(-1), num_heads).squeeze(-1))
        ctx.save_for_backward(states, output, *([] if logs is None else [logs]), *kept)
        ctx.layout, ctx.scale = layout, scale
        return output

    @staticmethod
    @override
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        states, output, *saved = ctx.saved_tensors
        layout, scale = ctx.layout, ctx.scale
        num_heads = output.shape[1]
        num_kv = (states.shape[1] - num_heads) // 2
        logs = saved.pop(0) if _needs_logs(layout) else None
        delta = None if logs is None else (wide(gradient) * wide(output)).sum(-1)
        kept = iter(saved)
        of_states = torch.empty_like(states)
        of_queries, of_keys, of_values = torch.split(of_states, [num_heads, num_kv, num_kv], 1)
        before = []
        for own in layout.own:
            at = own.gather(num_heads, num_kv)
            rows = _gathered(states, at, own.num * num_kv)
            upstream = _above(gradient, at, len(rows[0]))
            weights = next(kept) if own.is_kept else None
            if weights is not None and own.is_whole:
                found = _by_hand_backward(rows, upstream, weights, scale)
            else:
                assert logs is not None, "there are logs"
                assert delta is not None, "there are logs"
                sums, deltas = (_above(one.unsqueeze(-1), at, len(rows[0])) for one in (logs, delta))
                if weights is not None:  # they are of the node alone, and others are seen as well
                    upstream, deltas = _times((next(kept).unsqueeze(-1) - sums).exp(), upstream, deltas)
                found = _gradients(rows, (sums, upstream, deltas), scale, num_heads // num_kv, is_causal=True, kept=weights)
            here = slice(own.start, own.end)
            for into, one, back in zip((of_queries, of_keys, of_values), found, (at.back, at.back_keys, at.back_keys), strict=True):
                into[here] = one.flatten(0, 1).index_select(0, back).view(-1, into.shape[1], into.shape[2])
            if len(own.context):
                before.append((own.context, *(_of_context(one, own, num_kv) for one in found[1:])))
        for context, *of_context in before:
            for into, one in zip((of_keys, of_values), of_context, strict=True):
                into.index_add_(0, context, one)
        for seen in layout.seen:
            assert logs is not None, "something is seen apart"
            assert delta is not None, "something is seen apart"
            rows = _parted(states, seen, num_heads, num_kv)
            sums, upstream, deltas = (_folded(seen.of(one), num_kv) for one in (logs.unsqueeze(-1), gradient, delta.unsqueeze(-1)))
            weights = None
            if seen.is_kept:
                weights = next(kept)
                upstream, deltas = _times((next(kept).unsqueeze(-1) - sums).exp(), upstream, deltas)
            found = _gradients(rows, (sums, upstream, deltas), scale, num_heads // num_kv, is_causal=False, kept=weights)
            seen.add(_unfolded(found[0], num_heads), of_queries)
            of_keys[seen.start : seen.end] += found[1].transpose(0, 1)
            of_values[seen.start : seen.end] += found[2].transpose(0, 1)
        return of_states, None, None, None


def attend(states: torch.Tensor, layout: Layout, scale: float, num_heads: int) -> torch.Tensor:
    """See `Attention`."""
    return Attention.apply(states, layout, scale, num_heads)  # type: ignore[no-any-return, no-untyped-call]


def _needs_logs(layout: Layout) -> bool:
    return bool(layout.seen) or not all(own.is_kept for own in layout.own)


def _gathered(states: torch.Tensor, at: Gather, num: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Returns a group's queries, [G * KV, g * L, D], its keys and its values, [G * KV, P + L, D]."""
    rows = states.view(-1, states.shape[2])
    queries, keys, values = (rows.index_select(0, places).view(num, -1, rows.shape[1]) for places in (at.queries, at.keys, at.values))
    return queries, keys, values


def _parted(states: torch.Tensor, seen: Seen, num_heads: int, num_kv: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Returns the queries that see a node, [KV, g * Q, D], its keys and its values, [KV, M, D]."""
    queries, keys, values = torch.split(states, [num_heads, num_kv, num_kv], 1)
    here = slice(seen.start, seen.end)
    return _folded(seen.of(queries), num_kv), keys[here].transpose(0, 1), values[here].transpose(0, 1)


def _above(states: torch.Tensor, at: Gather, num: int) -> torch.Tensor:
    """Returns what a group's queries have of it, [T, H, D] -> [G * KV, g * L, D]; nothing where a query stands for padding."""
    found = states.reshape(-1, states.shape[2]).index_select(0, at.outputs)
    if len(at.padding):  # it repeats a real token, to whose gradient it must not add
        found.index_fill_(0, at.padding, 0)
    return found.view(num, -1, states.shape[2])


def _of_context(of_keys: torch.Tensor, own: Own, num_kv: int) -> torch.Tensor:
    """Returns what all nodes add to what stands before their keys, [G * KV, P + L, D] -> [P, KV, D]."""
    return of_keys.view(own.num, num_kv, -1, of_keys.shape[2])[:, :, : len(own.context)].sum(0).transpose(0, 1)


def _folded(states: torch.Tensor, num_kv: int) -> torch.Tensor:
    """[L, H, D] -> [KV, g * L, D]: the heads that share a key head stand together."""
    return states.reshape(len(states), num_kv, -1, states.shape[2]).permute(1, 2, 0, 3).flatten(1, 2)


def _unfolded(states: torch.Tensor, num_heads: int) -> torch.Tensor:
    """[KV, g * L, D] -> [L, H, D]."""
    return states.reshape(num_heads, -1, states.shape[2]).transpose(0, 1)


def _flash(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, shared: int, *, is_causal: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """q [B, g * L, D], k and v [B, M, D] -> [B, g * L, D], and the log of each query's sum of exponentials, [B, g * L]."""
    queries = query.view(len(query), shared, -1, query.shape[2])
    keys, values = (one.unsqueeze(1).expand(-1, shared, -1, -1) for one in (key, value))
    attended, sums = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(queries, keys, values, 0.0, is_causal, scale=scale)
    return attended.reshape(query.shape), sums.reshape(query.shape[:2])


def _by_hand(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, *, causal: int | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """q [B, g * L, D], k and v [B, M, D] -> [B, g * L, D], the probabilities, [B, g * L, M], and what they are the softmax of.

    Where it is causal, `causal` is L, and a query sees the keys up to the one that stands M - L behind its own place.
    """
    keys = key.transpose(1, 2)
    if causal is None:
        products = _scaled(query, keys, scale)
    else:
        later = _later(causal, query.dtype, query.shape[1] // causal, key.shape[1] - causal)
        products = torch.baddbmm(later.expand(len(query), -1, -1), query, keys, alpha=scale)
    weights = torch.softmax(products, -1)
    return torch.bmm(weights, value), weights, products


def _by_hand_backward(
    states: tuple[torch.Tensor, torch.Tensor, torch.Tensor], upstream: torch.Tensor, weights: torch.Tensor, scale: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Returns the gradients of q [B, g * L, D], k and v [B, M, D], by what comes to the output, and the probabilities of all seen."""
    query, key, value = states
    of_weights = torch.bmm(upstream, value.transpose(1, 2))
    of_products = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)
    of_query = _scaled(of_products, key, scale)
    return of_query, _scaled(of_products.transpose(1, 2), query, scale), torch.bmm(weights.transpose(1, 2), upstream)


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
    shared: int,
    *,
    is_causal: bool,
    kept: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Returns the gradients of q [B, g * L, D], k and v [B, M, D].

    Args:
        states: these three; M is L where it is causal.
        above: of each query the log of its sum of exponentials over all that it sees, [B, g * L, 1]; the gradient of its output,
            [B, g * L, D]; and that gradient's product with the output, [B, g * L, 1].
        scale: what products of queries and keys are multiplied by.
        shared: g.
        is_causal: a query sees no key that comes after it.
        kept: the probabilities, [B, g * L, M]; None: they are formed again.
    """
    num, _, width = states[0].shape
    query, sums, upstream, deltas = (one.view(num, shared, -1, one.shape[2]) for one in (states[0], *above))
    length = query.shape[2]
    keys, values, ones = states[1], _beside_ones(states[2]), _beside_ones(states[1])
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
    return of_query.view(num, -1, width), of_keys, of_values


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
def _later(length: int, dtype: torch.dtype, times: int = 1, before: int = 0) -> torch.Tensor:
    """Returns minus infinity where a key comes after a query, and 0 elsewhere, [l, p + l]; so many times, one below the other."""
    return torch.full((length, before + length), float("-inf"), dtype=dtype).triu(1 + before).repeat(times, 1)
