"""The part of a build config that says where rows come from."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from prep.dataset.splits import SplitName

# Names with # belong to the columns that the build adds.
FieldName = Annotated[str, Field(pattern=r"^[^#]")]

SpeakerRole = Literal["system", "developer", "user", "assistant", "tool"]


# A key that came later is left out, where it is not used, of what a manifest keeps and a dataset's key is made of: the rows are those that
# were built before there was such a key, and so are the runs that were trained on them.
def _is_unset(value: object) -> bool:
    return not value


class TurnsConfig(BaseModel):
    """How the text of a transcript becomes a list of turns."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: str = "text"
    """The column that holds the transcript."""
    into: FieldName = "turns"
    """The column that the turns are put into, as JSON: `[{"speaker", "role", "time", "text"}, ...]`."""
    style: Literal["auto", "marks", "separator", "webvtt", "srt"] = "auto"
    """What divides the turns: speaker marks at line beginnings, a separator, or the cues of WebVTT or SRT. `auto` looks at each text:
    cues, else `<BR>`, else marks."""
    pattern: str | None = None
    """Regular expression of a marked line, with the groups `speaker`, `text` and, if you like, `time`, in the syntax of Rust's regex;
    default: `Speaker: text`, with or without a time such as `[00:01:02]` before it."""
    separator: str | None = None
    """What stands between turns; default: `<BR>` where the style is separator, else the line end."""
    speakers: tuple[str, ...] = ("customer", "agent")
    """Who speaks in texts without marks: the first to speak, then the others in turn."""
    order: Literal["alternate", "addressed"] = "alternate"
    """How turns without marks are given to the speakers: one after the other; or, of two speakers, by address: a turn that begins with
    the name which most turns begin with, such as a company's `@name`, is the first speaker's, as the first turn is."""
    roles: dict[str, str] = {}
    """Speaker -> role (user, assistant, ...), without regard to case; `*` is every other speaker. `Doctor` is `Doctor_2` as well."""
    join: bool = True
    """Makes one turn of consecutive ones by one speaker."""

    @model_validator(mode="after")
    def _has_speakers(self) -> "TurnsConfig":
        if not self.speakers or (self.order == "addressed" and len(self.speakers) != 2):
            raise ValueError("'order: addressed' takes two speakers, and 'order: alternate' one or more")
        return self


class SourceConfig(BaseModel):
    """Where rows come from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str | None
    """File, glob or folder, relative to the config file; a folder that `datasets` saved; or `hf://owner/name[:split]`. A source with a
    `name` needs none where Python gives a table for it: `prep.build_dataset(..., tables={name: table})`."""
    format: str = "auto"
    """A source format by name: what the file is (csv, jsonl, ...), then its columns stand as they are; or what its records are (alpaca,
    sharegpt, ...). `auto` goes by the file's ending, else its content, and by the keys of its first records."""
    name: str | None = None
    """The source's alias, of which row ids are made; default: `path` as written. Give one to be able to move the file."""
    fields: dict[FieldName, str] = {}
    """Field name -> column of the source. Columns that are not named here keep their own name."""
    key: str | None = None
    """The unique id column: it keeps fixes attached to rows when the file is edited. Without it a row's id comes from its whole record."""
    group: str | None = None
    """A column: rows that share its value stay in one split."""
    split: SplitName | None = None
    """Puts every row of this source into one split, as for a hold-out file."""
    weight: float | None = Field(None, gt=0)
    """Where sources have weights, train rows are left out until the sources stand in this proportion there."""
    encoding: str = "utf-8"
    """Text encoding of the file."""
    newlines: Literal["keep", "normalise"] = Field("keep", exclude_if=lambda value: value == "keep")
    r"""`normalise` makes `\n` of each `\r\n` and `\r` within the texts, so that the model does not learn carriage returns. Row ids are made
    of the record as it stands in the file, and stay."""
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    """What stands between the fields of a csv or tsv file; default: what its header has most of, a tab for tsv."""
    columns: tuple[str, ...] = ()
    """Names of the columns of a csv, tsv or excel file without a header line."""
    sheet: str | None = Field(None, exclude_if=_is_unset)
    """The sheet of an excel file; default: the first."""
    unit: Literal["line", "paragraph", "file"] = "line"
    """What of a text file is a row; blank lines stand between paragraphs."""
    turns: TurnsConfig | None = None
    """Makes turns of a transcript."""
    speakers: dict[str, SpeakerRole] = Field({}, exclude_if=_is_unset)
    """Speaker -> role (system, user, assistant, ...) where messages name speakers that nobody knows, without regard to case; `*` is every
    other speaker, known or not. `butler` is `Butler_2` as well. Of a transcript, too, unless `turns.roles` says otherwise."""

    @model_validator(mode="before")
    @classmethod
    def _may_be_a_table(cls, data: Any) -> Any:
        return {"path": None, **data} if isinstance(data, dict) and data.get("name") is not None else data

    @property
    def alias(self) -> str:
        """What row ids are made of: the source's name, else its path as written."""
        return self.name or self.path or ""
