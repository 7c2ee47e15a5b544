"""The build config: what a YAML file may say, each key documented where it is declared."""

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from loopwright.config import load_config, parse_yaml, read_text, validate
from loopwright.errors import UserError

Output = Literal["chat", "verbalizer", "completion", "preference"]
SplitName = Literal["train", "validation", "test"]
SPLIT_NAMES: tuple[SplitName, ...] = ("train", "validation", "test")

Section = TypeVar("Section", bound=BaseModel)


# Names with # belong to the columns that the build adds.
FieldName = Annotated[str, Field(pattern=r"^[^#]")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceConfig(_Model):
    """Where rows come from."""

    path: str
    """File, glob or folder, relative to the config file."""
    format: str = "auto"
    """A source format by name; `auto` goes by the file's ending."""
    name: str | None = None
    """The source's alias, of which row ids are made; default: `path` as written. Give one to be able to move the file."""
    fields: dict[FieldName, str] = {}
    """Field name -> column of the source. Columns that are not named here keep their own name."""
    key: str | None = None
    """A column whose value names a row for good; without it a row is named by its whole record."""
    group: str | None = None
    """A column: rows that share its value stay in one split."""
    split: SplitName | None = None
    """Puts every row of this source into one split, as for a hold-out file."""
    encoding: str = "utf-8"
    """Text encoding of the file."""


class TemplateConfig(_Model):
    """A template to render each row with."""

    name: str | None = None
    """A template of the library, such as `reviews/sentiment`."""
    path: str | None = None
    """A template file, relative to the config file."""

    @model_validator(mode="after")
    def _one_of_two(self) -> "TemplateConfig":
        if (self.name is None) == (self.path is None):
            raise ValueError("give either 'name' (a library template) or 'path' (a file)")
        return self


class SplitConfig(_Model):
    """How rows are divided: by a stable hash of the group, else of the normalised input."""

    train: float = Field(0.8, ge=0, le=1)
    """Share of the rows to train on."""
    validation: float = Field(0.1, ge=0, le=1)
    """Share to tune on."""
    test: float = Field(0.1, ge=0, le=1)
    """Share to look at last."""
    seed: int = 17
    """Another seed gives another division."""

    @model_validator(mode="after")
    def _adds_up(self) -> "SplitConfig":
        if abs(self.train + self.validation + self.test - 1) > 1e-9:
            raise ValueError(f"train, validation and test add up to {self.train + self.validation + self.test:g}; make it 1")
        return self


class DedupConfig(_Model):
    """Which duplicates leave the dataset; they are listed in dropped.jsonl."""

    exact: bool = False
    """Drop rows whose fields are equal after normalisation; the copy in test, then validation, survives."""
    near: float | None = Field(None, gt=0, le=1)
    """Drop rows whose input shares this much of its word pairs (Jaccard) with another's, train rows near an evaluation row among them."""


class ExpectConfig(_Model):
    """What is declared of the data, checked by lint."""

    label_share: dict[str, tuple[float, float]] = {}
    """Label -> lowest and highest share of the rows."""


class LintConfig(_Model):
    """What `prep lint` looks for in this dataset."""

    ignore: tuple[str, ...] = ()
    """Rule codes, or their beginnings, that are not reported."""
    select: tuple[str, ...] = ()
    """Rule codes, or their beginnings; empty means all."""
    thresholds: dict[str, float] = {}
    """`CODE.name` -> value, over a rule's documented default."""
    expect: ExpectConfig = ExpectConfig()
    """Declared facts about the data."""


class BuildConfig(_Model):
    """A whole config file. `train`, `evals` and `loop` are read and checked by the commands of those names."""

    name: str
    """The dataset's name."""
    description: str = ""
    """A sentence for the dataset card."""
    license: str | None = None
    """SPDX identifier of the data's licence, for the dataset card."""
    language: str | None = None
    """Language code, such as `en`, for the dataset card."""
    sources: tuple[SourceConfig, ...] = Field(min_length=1)
    """Where rows come from."""
    templates: tuple[TemplateConfig, ...] = Field(min_length=1)
    """How rows are rendered; each row goes through each template."""
    labels: dict[str, str] = {}
    """Raw label value -> key of the template's verbalizer."""
    split: SplitConfig = SplitConfig()
    """How rows are divided."""
    dedup: DedupConfig = DedupConfig()
    """Which duplicates leave."""
    outputs: tuple[Output, ...] = ()
    """Which JSONL files are written; default: every form that the templates give."""
    fixes: str = "fixes.jsonl"
    """The fix ledger, relative to the config file; it need not exist."""
    model: str | None = None
    """The model whose tokenizer lint's token rules use."""
    lint: LintConfig = LintConfig()
    """What lint looks for."""
    train: dict[str, Any] = {}
    """Read by `train run`."""
    evals: dict[str, Any] = {}
    """Read by `evals run`."""
    loop: dict[str, Any] = {}
    """Read by `loop run`."""

    @model_validator(mode="before")
    @classmethod
    def _label_words(cls, data: Any) -> Any:
        # `labels: {0: 1}` is legitimate YAML; labels are words throughout.
        if isinstance(data, dict) and isinstance(data.get("labels"), dict):
            data = {**data, "labels": {key: _label_word(value) for key, value in data["labels"].items()}}
        return data


def _label_word(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()  # as YAML and JSON write it
    return str(value) if isinstance(value, int | float) else value


def load_build_config(path: Path) -> BuildConfig:
    """Reads and validates a config file.

    Raises:
        UserError: the file is missing, not YAML, or says something that it may not.
    """
    return load_config(path, BuildConfig)


def load_section(path: Path, section: Literal["train", "evals", "loop"], model: type[Section]) -> Section:
    """Reads one command's own section of a config file; an absent section gives the model's defaults.

    Raises:
        UserError: the file is missing or not YAML, or the section is wrong.
    """
    data = parse_yaml(read_text(path, "config"), str(path))
    if not isinstance(data, dict):
        raise UserError("expected keys and values", str(path), "Start with 'name: ...'.")
    return validate(data.get(section) or {}, model, f"{path}: {section}")
