"""Where the heads of some tokens lie, so that one pass over memory brings together what is multiplied."""

from dataclasses import dataclass

import torch

Ids = torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Gather:
    """Rows of states [T * R, D] that belong to G nodes of L tokens which see P tokens before them. R, the rows of a token, is H + 2 KV:
    its queries, keys and values. The g = H / KV heads that share a key head stand together.

    Attributes:
        queries: int64 [G * KV * g * L], rows of the states.
        keys: int64 [G * KV * (P + L)], likewise.
        values: int64 [G * KV * (P + L)], likewise.
        outputs: int64 [G * KV * g * L], rows of what tokens have for each of H heads, [T * H, D].
        back: where the H heads of each token that is no padding are among the gathered queries, int64 [tokens * H].
        back_keys: where its KV heads are among the gathered keys, int64 [tokens * KV].
        padding: which of the gathered queries stand for padding, int64; empty where nothing is padded.
    """

    queries: Ids
    keys: Ids
    values: Ids
    outputs: Ids
    back: Ids
    back_keys: Ids
    padding: Ids

    @classmethod
    def of(cls, padded: Ids, real: Ids, context: Ids, num_heads: int, num_kv: int) -> "Gather":
        """Finds them.

        Args:
            padded: where each token lies, int64 [G, L].
            real: which of those are no padding, an index into G * L.
            context: where the tokens lie that stand before the keys of each node, int64 [P].
            num_heads: H.
            num_kv: KV.
        """
        num, length = padded.shape
        shared, rows = num_heads // num_kv, num_heads + 2 * num_kv
        heads = torch.arange(num_heads).view(1, num_kv, shared, 1)
        kv = torch.arange(num_kv).view(1, num_kv, 1)
        keys = torch.cat([context.expand(num, -1), padded], 1)[:, None] * rows + num_heads + kv
        # The place of each gathered query and key, as it stands at its token and head.
        places = torch.arange(num * num_heads * length).view(num, num_heads, length).transpose(1, 2).reshape(-1, num_heads)
        key_places = torch.arange(num * num_kv * keys.shape[2]).view(num, num_kv, -1).transpose(1, 2)[:, len(context) :].reshape(-1, num_kv)
        is_padding = torch.ones(num * length, dtype=torch.bool)
        is_padding[real] = False
        return cls(
            (padded[:, None, None] * rows + heads).flatten(),
            keys.flatten(),
            (keys + num_kv).flatten(),
            (padded[:, None, None] * num_heads + heads).flatten(),
            places[real].flatten(),
            key_places[real].flatten(),
            places[is_padding].flatten(),
        )
