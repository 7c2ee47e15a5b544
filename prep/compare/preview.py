"""What an edited template would do: the stored rows of a dataset, or the rows of a config, rendered before and after."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from loopwright.errors import UserError, did_you_mean
from loopwright.plugin_config import plugins_of
from loopwright.plugins import use_plugins
from prep.build.checks import load_templates
from prep.build.ledger_file import find_ledger
from prep.compare.diff_view import changed_parts
from prep.config import LocatedConfig, load_build_config
from prep.dataset.manifest import Dataset
from prep.sources.files import find_files
from prep.sources.rows import META_COLUMNS, ROW_ID, SOURCE, iter_rows
from prep.sources.source import LINE
from templates.template import RenderError, Template, load_template

if TYPE_CHECKING:
    from rich.console import RenderableType

_BATCH_ROWS = 10_000
# What an example has that a template does not give.
_NOT_RENDERED: dict[str, Any] = dict.fromkeys(
    ("messages", "prompt", "target", "mask", "text", "choices", "chosen", "rejected", "wanted", "extras")
)


@dataclass(frozen=True, slots=True)
class PartChange:
    """One part of an example that the edit changes; None where it has no such part."""

    part: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class ChangedRendering:
    """One row that renders otherwise.

    Attributes:
        id: the example's id, or the row's where there is no dataset yet.
        source: the file.
        line: where the row starts in it.
        parts: what changes.
        error: why the edited template cannot render the row; None where it can.
    """

    id: str
    source: str
    line: int
    parts: list[PartChange]
    error: str | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What an edited template would do.

    Attributes:
        template: its name.
        num_examples: examples looked at.
        num_changed: those that would render otherwise.
        num_failing: those of them that could no longer be rendered.
        samples: the first of them.
    """

    template: str
    num_examples: int
    num_changed: int
    num_failing: int
    samples: list[ChangedRendering]

    def to_json(self) -> dict[str, Any]:
        """Returns the preview as `prep show --diff --json` prints it."""
        counts = {"template": self.template, "examples": self.num_examples, "changed": self.num_changed, "failing": self.num_failing}
        return {**counts, "samples": [asdict(sample) for sample in self.samples]}


@dataclass(frozen=True, slots=True)
class _Stored:
    """A row and what it renders to now."""

    id: str
    row_id: str
    source: str
    line: int
    fields: dict[str, Any]
    rendered: dict[str, Any]


def preview(path: Path, template_path: Path, *, limit: int) -> Preview:
    """Renders rows with an edited template and compares with what they render to now.

    Args:
        path: a dataset, whose stored rows are rendered, all of them; or a build config, whose sources are read for it.
        template_path: the edited template. It stands for the template of its name, or for the only one.
        limit: changed examples to give.

    Raises:
        UserError: there is no such dataset, config or template, or it needs a field that is not there.
    """
    template = load_template(template_path)
    if template.shots:
        remedy = "Build with it, then compare the two datasets with: prep diff A B"
        raise UserError("a template with demonstrations depends on the whole train split", str(template_path), remedy)
    if path.is_dir():
        return _compare(_dataset_rows(path, template), template, limit)
    with use_plugins(plugins_of(path)):
        return _compare(_config_rows(path, template), template, limit)


def _compare(rows: Iterable[_Stored], template: Template, limit: int) -> Preview:
    num_examples = num_changed = num_failing = 0
    samples: list[ChangedRendering] = []
    for row in rows:
        num_examples += 1
        change = _change(row, template)
        if change is not None:
            num_changed += 1
            num_failing += change.error is not None
            if len(samples) < limit:
                samples.append(change)
    return Preview(template.name, num_examples, num_changed, num_failing, samples)


def _change(row: _Stored, template: Template) -> ChangedRendering | None:
    try:
        after, error = render_row(template, row.fields, row.row_id), None
    except RenderError as failure:
        after, error = _NOT_RENDERED, f"{failure.reason}: {failure.cause}"
    parts = [PartChange(*part) for part in changed_parts("template", row.rendered, after)]
    return ChangedRendering(row.id, row.source, row.line, parts, error) if parts or error else None


def render_row(template: Template, fields: dict[str, Any], row_id: str) -> dict[str, Any]:
    """Returns what a row renders to, by the columns of `EXAMPLE_SCHEMA` that a template gives.

    Raises:
        RenderError: the row cannot be rendered.
    """
    rendered = asdict(template.render(fields, row_id))
    return {**_NOT_RENDERED, **rendered, "choices": template.choices if template.label_field else None}


def _dataset_rows(path: Path, template: Template) -> Iterator[_Stored]:
    dataset = Dataset.open(path)
    name = _replaced(template, [one.name for one in dataset.manifest.templates], str(path))
    examples = dataset.examples().filter(pl.col("template") == name)
    if examples.filter(~pl.col("id").str.ends_with("/0")).head(1).collect().height:
        remedy = "Build with the template, then compare the two datasets with: prep diff A B"
        raise UserError("the dataset holds parts of long texts, which a build cuts after rendering", str(path), remedy)
    has = json.loads(examples.select("fields").head(1).collect().item()) if dataset.manifest.examples else {}
    _require_fields(
        template, list(has), f"the dataset {path} keeps the fields", "Give the config in place of the dataset: it has all columns."
    )
    num_rows = examples.select(pl.len()).collect().item()
    for first in range(0, num_rows, _BATCH_ROWS):
        for row in examples.slice(first, _BATCH_ROWS).collect().iter_rows(named=True):
            yield _Stored(row["id"], row["row_id"], row["source"], row["line"], json.loads(row["fields"]), row)


def _config_rows(path: Path, template: Template) -> Iterator[_Stored]:
    config = load_build_config(path)
    old = load_templates(config, path.parent, str(path))
    name = _replaced(template, [one.name for one in old], str(path))
    before = next(one for one in old if one.name == name)
    if before.shots:
        raise UserError(
            "a template with demonstrations depends on the whole train split", before.location, "Build, then use: prep diff A B"
        )
    shown = [name for name in before.input_fields if name in before.required_fields]
    ledger = find_ledger(LocatedConfig(config, path.parent, path))
    for batch in iter_rows(ledger.without_ledgers(find_files(config.sources, path.parent, str(path)))):
        columns = [column for column in batch.frame.columns if column not in META_COLUMNS]
        _require_fields(template, columns, "the rows have", "Map it under sources.0.fields.")
        for row in batch.frame.iter_rows(named=True):
            fields = {column: row[column] for column in columns}
            if not all((fields.get(name) or "").strip() for name in shown):  # a build drops it as missing_field
                continue
            try:
                rendered = render_row(before, _map_label(before, fields, config.labels), row[ROW_ID])
            except RenderError:  # a build would drop it
                continue
            given = _map_label(template, fields, config.labels)
            yield _Stored(row[ROW_ID], row[ROW_ID], row[SOURCE], row[LINE], given, rendered)


def _map_label(template: Template, fields: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    """Replaces a raw label by the verbalizer's key, as a build does."""
    label = template.label_field
    key = labels.get(fields.get(label) or "") if label else None
    return {**fields, label: key} if label and key in template.words else fields


def _replaced(template: Template, names: list[str], where: str) -> str:
    if template.name in names:
        return template.name
    if len(names) == 1:
        return names[0]
    remedy = f"{did_you_mean(template.name, names)} The edited file keeps the 'name:' of the template that it replaces."
    raise UserError(f"no template is called '{template.name}'", where, remedy)


def _require_fields(template: Template, has: Iterable[str], holder: str, remedy: str) -> None:
    known = list(has)
    missing = [name for name in template.required_fields if name not in known]
    if known and missing:
        cause = f"the template needs the field '{missing[0]}', and {holder} {', '.join(known)}"
        raise UserError(cause, template.location, remedy)


def render_preview(found: Preview) -> "RenderableType":
    """Returns the preview for people: how many examples change, and some of them word by word."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    from loopwright.console import printable
    from prep.text.diff import render_words, shorten, word_diff

    failing = f", {found.num_failing:,} of them could no longer be rendered" if found.num_failing else ""
    blocks: list[RenderableType] = [
        Text(printable(f"{found.template}: {found.num_changed:,} of {found.num_examples:,} examples would change{failing}"), style="bold")
    ]
    for sample in found.samples:
        lines = [Text(printable(sample.error), style="bold red")] if sample.error else []
        for part in sample.parts if sample.error is None else ():
            diff = shorten(word_diff(part.before or "", part.after or ""))
            lines += [Text(printable(part.part), style="bold cyan"), render_words(diff)]
        title, subtitle = Text(printable(f"{sample.source}:{sample.line}")), Text(printable(sample.id))
        blocks.append(Panel(Group(*lines), title=title, subtitle=subtitle, title_align="left", subtitle_align="left"))
    return Group(*blocks)
