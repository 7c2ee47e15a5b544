"""Rows -> examples: each template over each row, column-wise where the template is plain."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from prep.dataset import EXAMPLE_SCHEMA
from prep.rows import GROUP, ROW_ID, SOURCE, SPLIT
from prep.source import LINE
from templates.compile import plan
from templates.template import RenderError, Template

REASON = "#reason"
DETAIL = "#detail"
_ORDER = "#order"
_PARTS = ("messages", "prompt", "target", "mask", "text", "chosen", "rejected", "extras")
# Form -> the part that only it has.
_FORM_PARTS = {"chat": "messages", "verbalizer": "prompt", "completion": "text", "preference": "chosen"}


@dataclass(frozen=True, slots=True)
class RenderedRows:
    """What one template gave.

    Attributes:
        examples: `EXAMPLE_SCHEMA` without `position`, plus the row's place `#order`.
        failed: row id, source, line, reason and detail of the rows that it could not render.
        path: `compiled` or `fallback`.
    """

    examples: pl.DataFrame
    failed: pl.DataFrame
    path: str


def render_rows(rows: pl.DataFrame, template: Template) -> RenderedRows:
    """Renders all rows with one template.

    A row whose input is missing, whose label the verbalizer does not know or whose rendering fails is in `failed`, with the reason.

    Args:
        rows: rows with `META_COLUMNS`, the split and one text column a field.
        template: the template.
    """
    checked = rows.with_row_index(_ORDER).with_columns(_first_problem(template, rows.columns))
    good = checked.filter(pl.col(REASON).is_null())
    bad = checked.filter(pl.col(REASON).is_not_null())
    chosen_path = plan(template)
    if chosen_path.reason is None:
        # Beside the rows and not alone: a part that is constant has no height of its own.
        named = {f"#{name}": expression for name, expression in chosen_path.expressions.items()}
        parts = good.with_columns(**named).select(pl.col(f"#{name}").alias(name) for name in chosen_path.expressions)
    else:
        parts, problems = _render_with_jinja(good, template)
        failing = good.with_columns(problems).filter(pl.col(REASON).is_not_null())
        keep = problems.get_column(REASON).is_null()
        good, parts, bad = good.filter(keep), parts.filter(keep), pl.concat([bad, failing])
    failed = bad.select(ROW_ID, SOURCE, LINE, REASON, DETAIL)
    return RenderedRows(_examples(good, parts, template), failed, chosen_path.path)


def _first_problem(template: Template, columns: list[str]) -> list[pl.Expr]:
    """Returns expressions for the reason and detail of the first thing that keeps a row from being rendered; null where there is none."""
    problems: list[tuple[pl.Expr, str, pl.Expr]] = []
    for name in template.header.inputs:
        if name not in columns:
            missing = pl.lit(True)
        elif name in template.input_fields:
            missing = pl.col(name).is_null() | (pl.col(name).str.strip_chars() == "")
        else:  # an empty answer is kept: lint shows it, and a person mends it
            missing = pl.col(name).is_null()
        problems.append((missing, "missing_field", pl.lit(f"template '{template.name}' needs the field '{name}'")))
    label = template.label_field
    if label is not None and label in columns:
        unknown = pl.col(label).is_in(list(template.header.verbalizer)).not_().fill_null(False)
        problems.append((unknown, "unknown_label", pl.format("label '{}' is no key of the verbalizer of '" + template.name + "'", label)))
    reason, detail = pl.lit(None, pl.String), pl.lit(None, pl.String)
    for condition, name, text in reversed(problems):
        reason = pl.when(condition).then(pl.lit(name)).otherwise(reason)
        detail = pl.when(condition).then(text).otherwise(detail)
    return [reason.alias(REASON), detail.alias(DETAIL)]


def _render_with_jinja(rows: pl.DataFrame, template: Template) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Renders row by row; returns the parts and, where a row fails, the reason and detail."""
    names = list(template.header.inputs)
    parts: list[dict[str, Any]] = []
    problems: list[dict[str, str | None]] = []
    for fields in rows.select(names).iter_rows(named=True):
        try:
            rendered = template.render(fields)
        except RenderError as error:
            parts.append({})
            problems.append({REASON: error.reason, DETAIL: f"template '{template.name}': {error.cause}"})
        else:
            parts.append({name: getattr(rendered, name) for name in rendered.__slots__})
            problems.append({REASON: None, DETAIL: None})
    schema = {name: EXAMPLE_SCHEMA[name] for name in _PARTS}
    return pl.DataFrame(parts, schema=schema), pl.DataFrame(problems, schema={REASON: pl.String, DETAIL: pl.String})


def _examples(rows: pl.DataFrame, parts: pl.DataFrame, template: Template) -> pl.DataFrame:
    frame = pl.concat([rows, parts.rename({name: f"#{name}" for name in parts.columns})], how="horizontal")

    def part(name: str) -> pl.Expr:
        return pl.col(f"#{name}") if name in parts.columns else pl.lit(None)

    label = template.label_field
    keys = list(template.header.verbalizer)
    index = pl.col(label).replace_strict(keys, list(range(len(keys))), return_dtype=pl.Int64) if label else pl.lit(None)
    values = {
        "id": pl.format("{}/{}/0", ROW_ID, pl.lit(template.name)),
        "row_id": pl.col(ROW_ID),
        "source": pl.col(SOURCE),
        "line": pl.col(LINE),
        "group": pl.col(GROUP),
        "split": pl.col(SPLIT),
        "position": pl.lit(None),
        "template": pl.lit(template.name),
        "kind": pl.concat_str(
            [pl.when(part(_FORM_PARTS[form]).is_not_null()).then(pl.lit(form)) for form in template.kinds], separator="+", ignore_nulls=True
        ),
        "label": index,
        "fields": _fields_json(template),
        "choices": pl.lit(template.choices, pl.List(pl.String)) if label else pl.lit(None),
        **{name: part(name) for name in _PARTS},
    }
    return frame.select(_ORDER, **{name: values[name].cast(dtype) for name, dtype in EXAMPLE_SCHEMA.items()})


def _fields_json(template: Template) -> pl.Expr:
    return pl.struct([pl.col(name) for name in template.header.inputs]).struct.json_encode()


def number_positions(examples: pl.DataFrame) -> pl.DataFrame:
    """Orders examples by their row, then by template, and numbers them within their split."""
    ordered = examples.sort(_ORDER, maintain_order=True).drop(_ORDER)
    return ordered.with_columns(position=pl.int_range(pl.len(), dtype=pl.Int64).over("split"))
