"""A hash of tensors, exact to the bit."""

from collections.abc import Iterable

import torch


def hash_tensors(tensors: Iterable[torch.Tensor]) -> str:
    """Returns 32 hex digits of the tensors' shapes, types and bytes, whatever their order: files name and order them otherwise."""
    import xxhash

    digests = []
    for tensor in tensors:
        plain = tensor.detach().cpu().contiguous()
        kind = f"{tuple(plain.shape)}{plain.dtype}".encode()
        digests.append(xxhash.xxh3_128_digest(kind + plain.view(-1).view(torch.uint8).numpy().tobytes()))
    return xxhash.xxh3_128_hexdigest(b"".join(sorted(digests)))
