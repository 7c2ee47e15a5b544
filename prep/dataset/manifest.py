"""The dataset on disk: its schema, its manifest, and how to open it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from loopwright.errors import UserError
from prep.dataset.canaries import CanaryInfo
from prep.dataset.schema import EXAMPLE_SCHEMA
from templates.chat_options import ChatTemplateConfig
from templates.form import Form

MANIFEST_NAME = "manifest.json"
FORMAT = 3
"""What this version writes. 2 had no form `unpaired`, and 1 kept an example's forms in one text, `kind`, joined by "+". Both are read."""


_SCHEMA_2 = pl.Schema({name: dtype for name, dtype in EXAMPLE_SCHEMA.items() if name != Form.UNPAIRED.column})
# In the place of `forms`, format 1 has `kind`.
_SCHEMA_1 = pl.Schema({"kind" if name == "forms" else name: pl.String() if name == "forms" else dtype for name, dtype in _SCHEMA_2.items()})
_NOT_JUDGED = pl.lit(None, pl.Boolean).alias(Form.UNPAIRED.column)


def forms_of(columns: Mapping[Form, pl.Expr]) -> pl.Expr:
    """Returns the forms of examples as `EXAMPLE_SCHEMA` has them, from the columns that hold each form's own part."""
    present = {form: column.is_not_null() for form, column in columns.items()}
    names = []
    for form in Form:
        if form in present:
            continued = [present[other] for other in present if other in form.continued_by]
            has_form = present[form] & ~pl.any_horizontal(continued) if continued else present[form]
            names.append(pl.when(has_form).then(pl.lit(form)))
    return pl.concat_list(names).list.drop_nulls() if names else pl.lit([], pl.List(pl.String))


def has_form(form: Form) -> pl.Expr:
    """Returns whether an example has a form."""
    return pl.col("forms").list.contains(form)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TemplateInfo(_Model):
    """What the manifest keeps of a template, so that later steps need not find its file."""

    name: str
    version: str
    task: str
    forms: list[Form]
    verbalizer: dict[str, list[str]]  # label key -> its words, the trained one first
    metrics: list[str]
    keep: list[str]  # kinds of fact that the answer must keep
    sha256: str
    answer_schema: dict[str, Any] = Field(
        default_factory=dict, exclude_if=lambda schema: not schema
    )  # JSON Schema of an answer that is JSON

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


class UnreadInfo(_Model):
    """A key of the raw records that nothing reads: the rows that have it with a value, and where the first of them stands."""

    rows: int
    first: str


class Manifest(_Model):
    """`manifest.json`: everything that says what a dataset is and where it came from. No time stamps."""

    format: int = FORMAT
    name: str
    loopwright_version: str
    key: str  # hash of everything that the build depends on
    config: dict[str, Any]
    config_path: str
    templates: list[TemplateInfo]
    rows: RowAccounting
    unread: dict[str, UnreadInfo] = {}  # path of a key, such as messages[].annotator
    fixes: FixAccounting
    canaries: CanaryInfo | None = Field(None, exclude_if=lambda value: value is None)  # examples of train that no source has
    examples: int
    splits: dict[str, int]
    outputs: list[Form]
    seed: int
    files: dict[str, str]  # path within the dataset -> sha256

    @property
    def chat_template(self) -> ChatTemplateConfig:
        """How the config wants the model's chat template used."""
        return ChatTemplateConfig.model_validate(self.config.get("chat_template") or {})

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
            manifest = Manifest.model_validate(_as_current(json.loads(manifest_path.read_bytes())))
        except (ValueError, RecursionError) as error:
            raise UserError("the manifest is damaged or of another version", str(manifest_path), "Build the dataset again.") from error
        if manifest.format > FORMAT:
            cause = f"the dataset is of format {manifest.format}, and this version reads up to {FORMAT}"
            raise UserError(cause, str(manifest_path), "Update loopwright, or build the dataset again with this version.")
        return cls(path, manifest)

    def examples(self, split: str | None = None) -> pl.LazyFrame:
        """Returns the examples, all or of one split, with `EXAMPLE_SCHEMA`, whatever format the dataset was written in.

        Raises:
            UserError: examples.parquet is missing, damaged or of another version.
        """
        parquet = self.path / "examples.parquet"
        if not parquet.is_file():
            raise UserError("examples.parquet is missing", str(self.path), "Build the dataset again.")
        frame = pl.scan_parquet(parquet, glob=False)
        try:
            schema = frame.collect_schema()
        except (pl.exceptions.PolarsError, OSError):
            schema = pl.Schema()
        if schema == _SCHEMA_1:
            frame = _with_forms(frame)
        elif schema == _SCHEMA_2:
            frame = frame.with_columns(_NOT_JUDGED)
        elif schema != EXAMPLE_SCHEMA:
            raise UserError("examples.parquet is damaged or of another version", str(self.path), "Build the dataset again.")
        return frame if split is None else frame.filter(pl.col("split") == split)


def _as_current(manifest: Any) -> Any:
    """Returns what a manifest says in today's keys. Format 1, which named no format, called the forms of a template `kinds`."""
    if not isinstance(manifest, dict) or "format" in manifest:
        return manifest
    templates = [
        {"forms" if key == "kinds" else key: value for key, value in template.items()} if isinstance(template, dict) else template
        for template in manifest.get("templates") or ()
    ]
    return {**manifest, "format": 1, "templates": templates}


def _with_forms(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Returns examples of format 1 with `EXAMPLE_SCHEMA`.

    Their forms are told by their columns, as a build tells them: `kind` was empty where a template that pairs answers gave a chat.
    """
    forms = forms_of({form: pl.col(form.column) for form in Form if form is not Form.UNPAIRED})
    return frame.with_columns(_NOT_JUDGED, forms=pl.when(pl.col("kind").is_not_null()).then(forms)).select(EXAMPLE_SCHEMA.names())
