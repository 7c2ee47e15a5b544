"""The table of shapes: which of them a record has, told by its keys."""

from collections.abc import Collection, Iterable
from functools import cache

from loopwright.plugins import PluginFile, active_files
from loopwright.registry import Registry
from prep.sources.files import Shape
from prep.sources.shapes.plain_text import PlainText
from prep.sources.shapes.sample import Sample, SampleShape
from prep.sources.strict_json import Keys

SHAPES: Registry[SampleShape] = Registry(
    "prep.sources.shapes", SampleShape, key="name", kind="shape of records", plugins=("shapes",), beside=(Shape,)
)

_KINDS = ("shapes",)

TellingKeys = tuple[tuple[frozenset[str], tuple[str, ...], SampleShape], ...]


def telling_keys() -> TellingKeys:
    """Returns the keys that tell a shape, as a set and in their order, each with the shape, in the order in which they are looked for."""
    return _telling_keys(active_files(_KINDS))


@cache
def _telling_keys(files: tuple[PluginFile, ...]) -> TellingKeys:  # noqa: ARG001 (the files that are in use; each set of them has its table)
    shapes = sorted((one() for one in SHAPES.entries.values()), key=lambda shape: shape.precedence)
    return tuple((frozenset(keys), keys, shape) for shape in shapes for keys in shape.keys)


def has_shape(record: Iterable[str]) -> bool:
    """Whether the keys of a record tell a shape."""
    return shape_of(record) is not None


def shape_of(record: Iterable[str]) -> SampleShape | None:
    """Returns the shape that the keys of a record tell."""
    present = frozenset(record)
    return next((shape for needed, _, shape in telling_keys() if needed <= present), None)


def read_sample(record: Keys) -> Sample | None:
    """Returns what a record says; None where its keys tell no shape."""
    present = record.keys()
    for needed, keys, shape in telling_keys():
        if needed <= present:
            sample = shape.sample(record, keys)
            record.leave(sample.unread)
            return sample
    return None


def empty_keys(found: Collection[str], columns: Collection[str]) -> tuple[str, ...]:
    """Returns the keys that a table's row should have and that are empty: a label that is missing, not plain text without one.

    Args:
        found: the columns that hold something in this row.
        columns: all columns of the table; where it mixes shapes, those of the other shapes are empty on purpose.
    """
    if any(all(key in found for key in keys) for _, keys, shape in telling_keys() if not isinstance(shape, PlainText)):
        return ()
    begun = (keys for _, keys, _ in telling_keys() if all(key in columns for key in keys) and any(key in found for key in keys))
    return tuple(key for key in next(begun, ()) if key not in found)
