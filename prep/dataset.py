"""The dataset on disk: its schema, its manifest, and how to open it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict

from loopwright.errors import UserError

MANIFEST_NAME = "manifest.json"

MESSAGES: pl.DataType = pl.List(pl.Struct({"role": pl.String(), "content": pl.String}))

EXAMPLE_SCHEMA = pl.Schema(
    {
        "id": pl.String(),  # row_id/template/part
        "row_id": pl.String(),
        "source": pl.String(),  # the file, relative to the config
        "line": pl.Int64(),  # 1-based line (or row, in a file without lines) where the raw record starts
        "group": pl.String(),
        "split": pl.String(),
        "position": pl.Int64(),  # 0-based, within the split
        "template": pl.String(),
        "kind": pl.String(),  # the forms that the example has, joined by "+": chat, verbalizer, completion, preference
        "label": pl.Int64(),  # index into choices
        "fields": pl.String(),  # the mapped fields that were rendered, or that slices are declared by, as a JSON object
        "messages": MESSAGES,
        "prompt": pl.String(),
        "choices": pl.List(pl.String()),  # the verbalizer's words, in the order of its keys
        "target": pl.String(),  # the literal text after prompt, ending on choices[label] where there are choices; of a cloze the word
        "mask": pl.String(),  # in a cloze, the text that stands in prompt, once, where the word belongs; null otherwise
        "text": pl.String(),
        "chosen": MESSAGES,
        "rejected": MESSAGES,
        "extras": pl.String(),  # JSON, what chats have beside role and content: {"tools": [...], "messages": [null | {...}, ...]}
    }
)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TemplateInfo(_Model):
    """What the manifest keeps of a template, so that later steps need not find its file."""

    name: str
    version: str
    task: str
    kinds: list[str]
    verbalizer: dict[str, list[str]]  # label key -> its words, the trained one first
    metrics: list[str]
    keep: list[str]  # kinds of fact that the answer must keep
    sha256: str

    @property
    def trained_words(self) -> dict[str, str]:
        """Label key -> the word that is trained, which is what `choices` holds."""
        return {key: words[0] for key, words in self.verbalizer.items()}


class RowAccounting(_Model):
    """Raw rows: `read == kept + sum(dropped.values())`, always."""

    read: int
    kept: int
    dropped: dict[str, int]


class FixAccounting(_Model):
    """Entries of the fix ledger: how many took effect, and which no longer fit their row."""

    applied: int
    stale: list[dict[str, Any]]


class Manifest(_Model):
    """`manifest.json`: everything that says what a dataset is and where it came from. No time stamps."""

    name: str
    loopwright_version: str
    key: str  # hash of everything that the build depends on
    config: dict[str, Any]
    config_path: str
    templates: list[TemplateInfo]
    rows: RowAccounting
    fixes: FixAccounting
    examples: int
    splits: dict[str, int]
    outputs: list[str]
    seed: int
    files: dict[str, str]  # path within the dataset -> sha256

    def template(self, name: str) -> TemplateInfo:
        """Returns the template of that name; every example names one that is listed."""
        return next(template for template in self.templates if template.name == name)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A built dataset."""

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: Path) -> "Dataset":
        """Opens the folder that `prep build` wrote.

        Raises:
            UserError: the folder is not there, or is none that `prep build` wrote.
        """
        manifest_path = path / MANIFEST_NAME
        if not manifest_path.is_file():
            cause = "the folder holds no dataset: there is no manifest.json in it" if path.is_dir() else "there is no such dataset folder"
            raise UserError(cause, str(path), "Make one with: prep build CONFIG --out DIR")
        try:
            manifest = Manifest.model_validate_json(manifest_path.read_bytes())
        except ValueError as error:
            raise UserError("the manifest is damaged or of another version", str(manifest_path), "Build the dataset again.") from error
        return cls(path, manifest)

    def examples(self, split: str | None = None) -> pl.LazyFrame:
        """Returns the examples, all or of one split, with `EXAMPLE_SCHEMA`.

        Raises:
            UserError: examples.parquet is missing, damaged or of another version.
        """
        parquet = self.path / "examples.parquet"
        if not parquet.is_file():
            raise UserError("examples.parquet is missing", str(self.path), "Build the dataset again.")
        frame = pl.scan_parquet(parquet, glob=False)
        try:
            known = frame.collect_schema() == EXAMPLE_SCHEMA
        except (pl.exceptions.PolarsError, OSError):
            known = False
        if not known:
            raise UserError("examples.parquet is damaged or of another version", str(self.path), "Build the dataset again.")
        return frame if split is None else frame.filter(pl.col("split") == split)
