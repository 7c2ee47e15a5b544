"""Which files of two sides are compared, and how each kind is."""

import filecmp
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from checkouts.differences import Difference
from checkouts.values import (
    MESSAGES,
    MISSING,
    Found,
    Rules,
    compare_json,
    compare_json_lines,
    compare_lines,
    compare_lint,
    compare_tables,
)

_TEXTS = frozenset({".md", ".html", ".txt", ".log"})
# Times, speeds, sizes and bars of progress within texts for people; a table's column of seconds has one decimal.
_MEASURED = re.compile(r"\d[\d.,]*\s?(ms|s|min|MB|GB|kB|[a-z]+/s)\b|\b\d[\d,]*\.\d\b|\d\d\d\d-\d\d-\d\dT[\d:+]+|^.*━.*$| +", re.MULTILINE)


def compare_folders(area: str, old: Path, new: Path, tasks: list[str]) -> Iterator[Difference]:
    """Compares what tasks of an area wrote on the two sides."""
    for task in tasks:
        names = {path.relative_to(side) for side in (old, new) for path in (side / area / task).rglob("*") if path.is_file()}
        for name in sorted(names):
            if _is_skipped(name):
                continue
            file = str(name.relative_to(area))
            before, after = old / name, new / name
            if not (before.is_file() and after.is_file()):
                is_text = name.suffix in _TEXTS
                told = ("there" if side.is_file() else MISSING for side in (before, after))
                yield Difference(area, file, "(the file)", *told, "file", is_text and ".end" not in file)
            elif not filecmp.cmp(before, after, shallow=False):
                for where, kind, one, other, is_message in compare_file(before, after, (old, new)):
                    yield Difference(area, file, where, one, other, f"{_kind_of(name)} {kind}".strip(), is_message)


def _is_skipped(name: Path) -> bool:
    """What is no result: the inputs' own files, and a checkpoint, which says how a run gets on and goes when it is finished."""
    return "checkpoint" in name.parts or "model" in name.parts


def _kind_of(name: Path) -> str:
    """Returns the kind of file that a difference is counted with."""
    if ".stdout." in name.name or ".end." in name.name:
        return name.name.split(".", 1)[1]
    return f"{name.parent.name}/*.jsonl" if name.suffix == ".jsonl" and name.stem in {"train", "validation", "test"} else name.name


def compare_file(old: Path, new: Path, sides: tuple[Path, Path]) -> Found:
    """Compares two files whose bytes differ, by what the name says that they are."""
    name = old.name
    if old.suffix == ".parquet":
        yield from _compare_parquet(old, new)
        return
    before, after = (_read(path, side) for path, side in zip((old, new), sides, strict=True))
    if before == after:
        return
    if old.suffix in _TEXTS:
        texts = [_MEASURED.sub("#", text.decode(errors="replace")) for text in (before, after)]
        if texts[0] != texts[1]:
            yield *_first_line(*texts), True
    elif name == "manifest.json":
        yield from compare_json(_without_hashes(json.loads(before)), _without_hashes(json.loads(after)), Rules(messages=()))
    elif name.endswith(".json"):
        yield from _compare_json_files(name, before, after)
    elif name == "dropped.jsonl":
        yield from compare_json_lines(before, after, messages={"detail"})
    elif name.endswith("fixes.jsonl") or name in {"drafts.jsonl", "failures.jsonl"}:
        yield from compare_json_lines(before, after, messages=MESSAGES)
    elif old.suffix in {".yaml", ".yml"}:
        yield from compare_json(yaml.safe_load(before), yaml.safe_load(after))
        yield "comments", "comments", *_first_line(before.decode(), after.decode())[2:], True
    elif old.suffix in {".jsonl", ".jinja", ".csv", ".tsv"}:
        yield from compare_lines(before, after)
    else:
        yield "(bytes)", "bytes", *(f"{len(one)} bytes, sha256 {hashlib.sha256(one).hexdigest()[:12]}" for one in (before, after)), False


def _without_hashes(manifest: dict[str, Any]) -> dict[str, Any]:
    """Returns a manifest that names the dataset's files without their hashes: the files themselves are compared."""
    return {**manifest, "files": sorted(manifest.get("files", {}))}


def _compare_json_files(name: str, old: bytes, new: bytes) -> Found:
    try:
        before, after = json.loads(old), json.loads(new)
    except ValueError:  # a command that failed prints none
        if bool(old.strip()) != bool(new.strip()):
            yield "(printed)", "printed", *(text.decode(errors="replace") or MISSING for text in (old, new)), False
        else:
            yield "(text)", "text", old.decode(errors="replace"), new.decode(errors="replace"), True
        return
    if isinstance(before, dict) and isinstance(after, dict) and "diagnostics" in before and "diagnostics" in after:
        yield from compare_lint(before, after)
        return
    yield from compare_json(before, after, Rules(may_add=name.endswith("report.json")))


def _compare_parquet(old: Path, new: Path) -> Found:
    before, after = pl.read_parquet(old), pl.read_parquet(new)
    may_add = {"role"} if old.name == "predictions.parquet" else ()
    ids = [name for name in ("system", "id") if name in before.columns and name in after.columns]
    keys, keys_now = before.select(ids), after.select(ids)
    if old.name == "predictions.parquet" and not keys.equals(keys_now) and keys.sort(ids).equals(keys_now.sort(ids)):
        yield (
            "order of rows",
            "order of rows",
            keys["system"].unique(maintain_order=True).to_list(),
            keys_now["system"].unique(maintain_order=True).to_list(),
            False,
        )
        before, after = before.sort(ids), after.sort(ids)

    def row(number: int) -> str:
        return " ".join([str(number), *(str(before[name][number]) for name in ids)])

    yield from compare_tables(before, after, may_add=may_add, name=row)


def _read(path: Path, side: Path) -> bytes:
    """Returns a file's bytes; paths of the side's own folder and checkout read alike on both sides."""
    content = path.read_bytes()
    told: dict[str, Any] = json.loads((side / "checkout.json").read_text()) if (side / "checkout.json").exists() else {}
    for place, word in ((str(side), b"<side>"), (told.get("checkout"), b"<checkout>")):
        if place:
            content = content.replace(place.encode(), word)
    return content


def _first_line(old: str, new: str) -> tuple[str, str, str, str]:
    """Returns the first line that differs, as where, kind, old and new."""
    before, after = old.split("\n"), new.split("\n")
    for number, (one, other) in enumerate(zip(before, after, strict=False), start=1):
        if one != other:
            return f"line {number}", "text", one, other
    return "length", "text", f"{len(before)} lines", f"{len(after)} lines"
