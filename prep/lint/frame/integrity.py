"""Whether the examples of a built dataset are such as a build writes: rules then need not ask."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from loopwright.errors import UserError
from prep.dataset.manifest import Manifest

_ALWAYS_THERE = ("id", "row_id", "source", "split", "template", "forms")


def require_integrity(examples: pl.LazyFrame, manifest: Manifest, path: Path) -> None:
    """Looks for what the schema alone does not tell.

    Args:
        examples: with `EXAMPLE_SCHEMA`.
        manifest: of the dataset.
        path: its folder.

    Raises:
        UserError: a row lacks what each has, names a template that the manifest does not list, or has `extras` of another form.
    """
    others = pl.struct("messages", "extras").map_batches(_are_others, return_dtype=pl.Boolean, is_elementwise=True)
    facts = examples.select(
        *(pl.col(name).is_null().any() for name in _ALWAYS_THERE),
        templates=pl.col("template").drop_nulls().unique().implode(),
    ).collect(engine="streaming")
    found = facts.row(0, named=True)
    are_others = examples.filter(pl.col("extras").is_not_null()).select(others.any()).collect(engine="streaming").item()
    causes = [f"a row has no '{name}'" for name in _ALWAYS_THERE if found[name]]
    listed = {template.name for template in manifest.templates}
    causes += [f"a row has the template '{name}', which the manifest does not list" for name in sorted({*found["templates"]} - listed)]
    if are_others:
        causes.append("the 'extras' of a row are not what a build writes")
    if causes:
        raise UserError(f"examples.parquet is damaged: {causes[0]}", str(path), "Build the dataset again.")


def _are_others(rows: pl.Series) -> pl.Series:
    return pl.Series(rows.name, [not _is_whole(**row) for row in rows], pl.Boolean)


def _is_whole(messages: list[Any] | None, extras: str) -> bool:
    try:
        found = json.loads(extras)
    except (ValueError, RecursionError):
        return False
    if not isinstance(found, dict) or not _all_objects(found.get("tools") or []):
        return False
    beside = found.get("messages") or []
    if not isinstance(beside, list) or (beside and messages is not None and len(beside) != len(messages)):
        return False
    more = [one for one in beside if one is not None]
    return _all_objects(more) and all(_all_calls(one.get("tool_calls") or []) for one in more)


def _all_calls(calls: Any) -> bool:
    return _all_objects(calls) and all(isinstance(call.get("function"), dict) for call in calls)


def _all_objects(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, dict) for value in values)
