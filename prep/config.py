"""The build config: what a YAML file may say, each key documented where it is declared."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from loopwright.config import load_config, validate
from loopwright.errors import UserError, did_you_mean
from loopwright.library import StrPath, plain_values
from loopwright.plugin_config import PluginsConfig
from loopwright.plugins import PluginFile, use_plugins
from prep.sources.source_config import FieldName, SourceConfig
from templates.chat_options import ChatTemplateConfig
from templates.form import Form

LengthOf = Literal["input", "answer", "tokens", "answer_tokens"]
PriorOf = Literal["refusal", "opening"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TemplateConfig(_Model):
    """A template to render each row with."""

    name: str | None = None
    """A template of the library, such as `reviews/sentiment`."""
    path: str | None = None
    """A template file, relative to the config file."""
    weight: float | None = Field(None, gt=0)
    """Where templates have weights, each row goes through one of them, drawn by its id in this proportion; else through all."""
    language: str | None = None
    """The language whose words the verbalizer says, where the template has several; default: the template's own."""
    shots: int | None = Field(None, ge=0, le=64)
    """How many demonstrations a k-shot template shows; default: as many as it says itself."""

    @model_validator(mode="after")
    def _one_of_two(self) -> "TemplateConfig":
        if (self.name is None) == (self.path is None):
            raise ValueError("give either 'name' (a library template) or 'path' (a file)")
        return self


class SplitConfig(_Model):
    """How rows are divided: by a stable hash of the group, else of the normalised input; or by date."""

    by: Literal["hash", "time"] = "hash"
    """`time` puts the oldest rows into train and the newest into test, as production will see them."""
    column: str | None = None
    """The field with each row's date or time, for `by: time`."""
    train: float = Field(0.8, ge=0, le=1)
    """Share of the rows to train on."""
    validation: float = Field(0.1, ge=0, le=1)
    """Share to tune on."""
    test: float = Field(0.1, ge=0, le=1)
    """Share to look at last."""
    seed: int = 17
    """Another seed gives another division."""

    @model_validator(mode="after")
    def _has_column(self) -> "SplitConfig":
        if (self.by == "time") != (self.column is not None):
            raise ValueError("'by: time' and 'column' go together: name the field that holds the date")
        return self

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


class ResampleConfig(_Model):
    """Which labels weigh how much in train. Evaluation rows stay as they are: they are to look like what will come."""

    by: FieldName
    """The field whose values are balanced, such as the label."""
    to: Literal["balanced"] | dict[str, float] = "balanced"
    """`balanced`, or value -> share of the train rows."""
    how: Literal["under", "over"] = "under"
    """`under` leaves rows out, `over` renders rows more than once."""

    @model_validator(mode="after")
    def _shares(self) -> "ResampleConfig":
        if isinstance(self.to, dict) and (not self.to or any(share <= 0 for share in self.to.values()) or sum(self.to.values()) > 1 + 1e-9):
            raise ValueError("the shares under 'to' are to be above 0 and add up to no more than 1")
        return self


class ChunkConfig(_Model):
    """Cuts a long field into pieces, each an example of its own."""

    field: FieldName
    """The field to cut."""
    tokens: int = Field(ge=8)
    """The longest that a piece may be, in tokens of the config's `model`."""
    overlap: int = Field(0, ge=0)
    """How many tokens of a piece's end the next one repeats at most, whole sentences only."""

    @model_validator(mode="after")
    def _overlap_fits(self) -> "ChunkConfig":
        if self.overlap * 2 > self.tokens:
            raise ValueError(f"an overlap of {self.overlap} is more than half of a piece of {self.tokens} tokens")
        return self


def _in_order(bounds: tuple[Any, Any]) -> tuple[Any, Any]:
    if bounds[0] > bounds[1]:
        raise ValueError("the lowest comes first, then the highest")
    return bounds


def _language_code(code: str) -> str:
    if not (2 <= len(code) <= 3 and code.isascii() and code.islower() and code.isalpha()):
        raise ValueError("give a language's ISO 639 code, such as 'en' or 'zh'")
    return code


Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


SLICE_COLUMNS = ("source", "template", "group", "label")
"""What every example has that slices can be told by; other slices are told by a field of the row."""


class ExpectConfig(_Model):
    """What is declared of the data, checked by lint."""

    label_share: dict[str, Annotated[tuple[Share, Share], AfterValidator(_in_order)]] = {}
    """Label -> lowest and highest share of the rows (BAL101)."""
    slices: dict[FieldName, dict[str, Annotated[int, Field(ge=1)]]] = {}
    """Field -> value -> fewest rows that are to have it, such as `{product: {pump: 50}}` (DIV702)."""
    languages: tuple[Annotated[str, AfterValidator(_language_code)], ...] = ()
    """ISO 639 codes of the languages that texts may be in, such as `en` and `zh` (DIV705)."""
    lengths: dict[LengthOf, Annotated[tuple[Count, Count], AfterValidator(_in_order)]] = {}
    """What -> least and most: `input`, `answer` in characters (LEN604); `tokens` of a row, `answer_tokens` trained in it (LEN605)."""
    priors: dict[PriorOf, Share] = {}
    """What -> its share of answers in production: `refusal`; `opening`, a canned one such as "Sure! Here is" (BAL102)."""


class SuppressConfig(_Model):
    """A reviewed and accepted finding. It is named by its row, so that reordering the data does not bring it back."""

    id: str = Field(min_length=8)
    """The row id, or the id of one example of the row, as a report gives it."""
    code: str
    """The rule's code."""
    reason: str = Field(min_length=1)
    """Why it is accepted, for the next reader."""


class LintConfig(_Model):
    """What `prep lint` looks for in this dataset."""

    ignore: tuple[str, ...] = ()
    """Rule codes, or their beginnings, that are not reported."""
    select: tuple[str, ...] = ()
    """Rule codes, or their beginnings; empty means all."""
    per_source_ignores: dict[str, tuple[str, ...]] = {}
    """Pattern of a source file's name, such as `calls/*.csv` -> codes that are not reported for its rows."""
    severities: dict[str, Literal["error", "warning", "info"]] = {}
    """Rule code, or its beginning -> the severity of its findings, in place of the rule's own."""
    thresholds: dict[str, float] = {}
    """`CODE.name` -> value, over a rule's documented default."""
    suppress: tuple[SuppressConfig, ...] = ()
    """Reviewed and accepted findings, each with its reason."""
    profile: Literal["medical"] | None = None
    """The kind of data, for rules that hold for one kind only: `medical` looks for the identifiers of HIPAA's Safe Harbor."""
    expect: ExpectConfig = ExpectConfig()
    """Declared facts about the data."""


class BuildConfig(_Model):
    """A whole config file. What `train`, `mixture`, `stages`, `sweep`, `rlhf`, `evals` and `loop` say is checked by their commands."""

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
    resample: ResampleConfig | None = None
    """Which labels weigh how much in train."""
    chunk: ChunkConfig | None = None
    """How a long field is cut into pieces."""
    outputs: tuple[Form, ...] = ()
    """Which JSONL files are written; default: every form that the templates give."""
    canaries: int = Field(0, ge=0, le=1000, exclude_if=lambda value: value == 0)
    """How many made-up secrets are planted in train, so that `evals run` can measure what a model keeps word for word; see
    [canaries](../dataset.md#canaries). Never ship a model that was trained on them."""
    fixes: str | None = None
    """The [fix ledger](../fixes.md), relative to the config file; default: `NAME.fixes.jsonl` for `NAME.yaml`. It need not exist."""
    model: str | None = None
    """The model whose tokenizer lint's token rules use."""
    chat_template: ChatTemplateConfig = Field(ChatTemplateConfig(), exclude_if=lambda value: value == ChatTemplateConfig())
    """How the chat template of the model that is trained is used."""
    lint: LintConfig = LintConfig()
    """What lint looks for."""
    plugins: PluginsConfig = PluginsConfig()
    """Code of your own, see [Extending](../extend.md)."""
    train: dict[str, Any] = {}
    """Read by `train run`."""
    mixture: dict[str, Any] = {}
    """Read by `train run` without a dataset."""
    stages: tuple[Any, ...] = ()
    """Read by `train stages`."""
    sweep: dict[str, Any] = {}
    """Read by `train sweep`."""
    rlhf: dict[str, Any] = {}
    """Read by `train rlhf`."""
    evals: dict[str, Any] = {}
    """Read by `evals run`."""
    loop: dict[str, Any] = {}
    """Read by `loop run`."""

    @model_validator(mode="after")
    def _goes_together(self) -> "BuildConfig":
        if self.chunk is not None and self.model is None:
            raise ValueError("'chunk' counts tokens: name the 'model' whose tokens they are")
        if self.split.by == "time" and any(source.group for source in self.sources):
            raise ValueError("rows of one 'group' cannot stay in one split where rows are divided by time: choose one of the two")
        return self

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


ConfigLike = StrPath | Mapping[str, Any] | BuildConfig
"""A config as callers give it: the path of a YAML file, what such a file says, or the checked config."""


@dataclass(frozen=True, slots=True)
class LocatedConfig:
    """A config and the place that its paths are relative to.

    Attributes:
        config: what it says.
        base_dir: the folder of its file; the current folder where it came without one.
        path: its file, if it has one.
    """

    config: BuildConfig
    base_dir: Path
    path: Path | None

    @property
    def plugins(self) -> tuple[PluginFile, ...]:
        """The plug-in files that it names, which lie in its folder or below.

        Raises:
            UserError: it names a file that may not be used.
        """
        return self.config.plugins.find(self.path or self.base_dir / "config")

    @property
    def where(self) -> str:
        """What messages call it."""
        return "config" if self.path is None else str(self.path)


def locate_config(config: ConfigLike, tables: Iterable[str] = ()) -> LocatedConfig:
    """Reads a config, whichever way it is given.

    Args:
        config: a path, a mapping or a checked config.
        tables: names of sources for which a table stands: neither path nor what is said of a file's format holds for them.

    Raises:
        UserError: the config is wrong, or a table's name is not that of one source.
    """
    if isinstance(config, str | os.PathLike):
        path = Path(config)
        located = LocatedConfig(load_build_config(path), path.parent, path)
    elif isinstance(config, BuildConfig):
        located = LocatedConfig(config, Path(), None)
    elif isinstance(config, Mapping):
        located = LocatedConfig(validate(plain_values(config), BuildConfig, "config"), Path(), None)
    else:
        remedy = "Give the path of a YAML file, a mapping, or a BuildConfig."
        raise UserError(f"the config is an object of the type '{type(config).__name__}'", remedy=remedy)
    names = set(tables)
    if not names:
        return located
    count = Counter(source.name for source in located.config.sources)
    for name in sorted(names):
        if count[name] != 1:
            cause = f"a table is given for '{name}', and {count[name] or 'no'} sources have that name"
            raise UserError(cause, f"{located.where}: sources", did_you_mean(name, [one for one in count if one]))
    with use_plugins(located.plugins):
        sources = tuple(_of_table(source) if source.name in names else source for source in located.config.sources)
    return LocatedConfig(located.config.model_copy(update={"sources": sources}), located.base_dir, located.path)


def _of_table(source: SourceConfig) -> SourceConfig:
    """Returns a source without what its config says of a file: that holds for the file in whose place the table stands."""
    from prep.sources.files import SOURCE_FORMATS, Shape

    given = {name: getattr(source, name) for name in source.model_fields_set}
    if source.path is not None:
        of_files = {option for one in SOURCE_FORMATS.entries.values() for option in one.options} | {"encoding"}
        given = {name: value for name, value in given.items() if name not in of_files}
    is_of_records = source.format == "auto" or issubclass(SOURCE_FORMATS.get(source.format), Shape)
    return SourceConfig.model_validate({**given, "path": None, "format": source.format if is_of_records else "parquet"})
