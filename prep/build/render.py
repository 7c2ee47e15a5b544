"""Rows -> examples: each template over each row, column-wise where the template is plain."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Self

import polars as pl

from prep.build.demonstrations import LACKING, TOO_FEW_SHOTS, ShotPool
from prep.build.eligibility import PART, problem
from prep.dataset.manifest import forms_of
from prep.dataset.schema import EXAMPLE_SCHEMA
from prep.sources.rows import GROUP, ROW_ID, SOURCE, SPLIT
from prep.sources.source import LINE
from prep.text.normalise import number_column
from templates.compile import RenderPlan, plan
from templates.fallback import DETAIL, REASON, JinjaPool
from templates.form import Form
from templates.template import Template

_ORDER = "#order"
_IS_FALLBACK = "#fallback"
_PARTS = ("messages", "prompt", "target", "mask", "text", "chosen", "rejected", "wanted", "extras")
_FAILED_SCHEMA = pl.Schema(
    {
        "row_id": pl.String(),
        "source": pl.String(),
        "line": pl.Int64(),
        "template": pl.String(),
        "reason": pl.String(),
        "detail": pl.String(),
    }
)
_EXAMPLE_COLUMNS = [name for name in EXAMPLE_SCHEMA if name != "position"]


@dataclass(frozen=True, slots=True)
class RenderedRows:
    """What the templates gave.

    Attributes:
        examples: `EXAMPLE_SCHEMA` without `position`, by row and then by template; beside it may stand the JSON line of an output
            (`line_column`).
        failed: row id, source, line, template, reason and detail of each rendering that failed.
    """

    examples: pl.DataFrame
    failed: pl.DataFrame


class Renderer:
    """Renders rows with the templates of a dataset. A context manager: it may hold worker processes.

    Args:
        templates: the templates.
        outputs: the outputs whose lines are wanted beside the examples, as far as compiled templates give them.
        weights: how often each template is to be drawn, where each row goes through one of them; None where each row goes through all.
        seed: of that draw.
        beside: fields that examples keep beside those that their template takes.
    """

    def __init__(
        self, templates: list[Template], outputs: list[Form], weights: list[float] | None = None, seed: int = 0, beside: Sequence[str] = ()
    ) -> None:
        self._templates = templates
        self._outputs = outputs
        self._weights = weights
        self._seed = seed
        self._beside = beside
        self._pool = JinjaPool(templates)
        self._shots: dict[int, ShotPool] = {}

    def __enter__(self) -> Self:
        self._pool.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.__exit__(kind, error, trace)

    def gather_shots(self, frames: Callable[[], Iterable[pl.DataFrame]]) -> None:
        """Gathers the demonstrations of the templates that show some.

        Args:
            frames: yields the rows that are to be rendered; called once a template.
        """
        for index, template in enumerate(self._templates):
            if template.shots:
                self._shots[index] = ShotPool.gather(frames(), template, seed=self._seed)

    @cached_property
    def plans(self) -> list[RenderPlan]:
        """How each template is rendered."""
        return [plan(template) for template in self._templates]

    @property
    def paths(self) -> dict[str, str]:
        """Template -> `compiled` or `fallback`."""
        return {template.name: chosen.path for template, chosen in zip(self._templates, self.plans, strict=True)}

    def usable(self) -> pl.Expr:
        """Returns whether a row has what at least one template needs."""
        return pl.any_horizontal(problem(template)[0].is_null() for template in self._templates)

    def render(self, rows: pl.DataFrame) -> RenderedRows:
        """Renders some rows.

        A row whose input is missing, whose label the verbalizer does not know or whose rendering fails is in `failed`, with the reason.

        Args:
            rows: rows with `META_COLUMNS`, their split, and one text column a field.

        Raises:
            UserError: a worker process died.
        """
        numbered = rows.rechunk().with_row_index(_ORDER)
        examples, failed = [], []
        for index in range(len(self._templates)):
            drawn = numbered if self._weights is None else numbered.filter(self._is_drawn(index))
            one = self._render_with(index, drawn)
            examples.append(one.examples)
            failed.append(one.failed)
        merged = examples[0] if len(examples) == 1 else pl.concat(examples, how="diagonal").sort(_ORDER, maintain_order=True)
        return RenderedRows(merged.drop(_ORDER), pl.concat(failed))

    def _render_with(self, index: int, rows: pl.DataFrame) -> RenderedRows:
        template, chosen = self._templates[index], self.plans[index]
        reason, detail = problem(template)
        columns = {REASON: reason, DETAIL: detail, _IS_FALLBACK: pl.lit(True) if chosen.fallback_mask is None else chosen.fallback_mask}
        columns |= {f"#{name}": expression for name, expression in chosen.expressions.items()}
        columns |= {
            line_column(output): line
            for output in self._outputs
            if (line := _compiled_line(template, chosen, output, rows.columns)) is not None
        }
        # Lazily, as the parts share most of their work and only the optimiser sees it; beside the rows, as a constant has no height.
        computed = rows.lazy().with_columns(**columns).collect()
        bad = computed.filter(pl.col(REASON).is_not_null())
        good = computed.filter(pl.col(REASON).is_null()) if bad.height else computed
        if not good[_IS_FALLBACK].any():
            return RenderedRows(_examples(good, template, self._beside), _failed(bad, template))
        unproven = good.filter(_IS_FALLBACK).select(rows.columns)
        lacking = unproven.clear()
        if template.shots:
            drawn = self._shots[index].draw(unproven)
            is_lacking = pl.col(LACKING).is_not_null()
            lacking = drawn.filter(is_lacking).with_columns(pl.lit(TOO_FEW_SHOTS).alias(REASON), pl.col(LACKING).alias(DETAIL))
            unproven = drawn.filter(~is_lacking).drop(LACKING)
        rendered = self._pool.render(index, unproven)
        slow = pl.concat([unproven, rendered.rename({name: f"#{name}" for name in _PARTS})], how="horizontal")
        more_bad = slow.filter(pl.col(REASON).is_not_null())
        both = good.filter(~pl.col(_IS_FALLBACK)), slow.filter(pl.col(REASON).is_null())
        done = [_examples(frame, template, self._beside) for frame in both]
        failed = pl.concat([_failed(one, template) for one in (bad, lacking, more_bad) if one.height or one is bad])
        return RenderedRows(pl.concat(done, how="diagonal").sort(_ORDER, maintain_order=True), failed)

    def _is_drawn(self, index: int) -> pl.Expr:
        assert self._weights is not None
        total = sum(self._weights)
        low, high = sum(self._weights[:index]) / total, sum(self._weights[: index + 1]) / total
        # A draw of its own: that of the bare id decides which rows a mixture keeps, and those must not all go through one template.
        share = number_column(pl.concat_str(pl.lit("template:"), ROW_ID), self._seed).cast(pl.Float64) / 2.0**64
        is_last = index == len(self._weights) - 1  # whose upper bound rounding must not leave below a row
        return share.is_between(low, 2.0 if is_last else high, closed="left")


def line_column(output: Form) -> str:
    """Returns the column in which an output's JSON line may stand beside an example."""
    return f"#{output} line"


def _compiled_line(template: Template, chosen: RenderPlan, output: Form, columns: list[str]) -> pl.Expr | None:
    """Returns the JSON line of an output as far as the compiled template gives it; null in rows that do not have the form."""
    if output is not Form.VERBALIZER or "prompt" not in chosen.json_parts:
        return chosen.json_lines.get(output)
    label = template.label_field
    keys = list(template.words)
    index = pl.col(label).replace_strict(keys, [str(place) for place in range(len(keys))], default=None) if label else pl.lit("null")
    choices = json.dumps(template.choices, ensure_ascii=False, separators=(",", ":")) if label else "null"
    mask = (pl.lit(',"mask":'), chosen.json_parts["mask"]) if "mask" in chosen.json_parts else ()
    return pl.concat_str(
        pl.lit('{"id":"'),
        _example_id(template, columns),
        pl.lit('","prompt":'),
        chosen.json_parts["prompt"],
        pl.lit(f',"choices":{choices},"label":'),
        index,
        pl.lit(',"target":'),
        chosen.json_parts["target"],
        *mask,
        pl.lit("}"),
    )


def _failed(rows: pl.DataFrame, template: Template) -> pl.DataFrame:
    named = rows.select(
        row_id=ROW_ID, source=SOURCE, line=LINE, template=pl.lit(template.name, pl.String), reason=pl.col(REASON), detail=pl.col(DETAIL)
    )
    return named.cast(_FAILED_SCHEMA)


def _examples(frame: pl.DataFrame, template: Template, beside: Sequence[str]) -> pl.DataFrame:
    """Returns the examples of rows beside which their parts stand, as `#messages` and so on."""

    def part(name: str) -> pl.Expr:
        return pl.col(f"#{name}") if f"#{name}" in frame.columns else pl.lit(None)

    label = template.label_field
    keys = list(template.words)
    index = pl.col(label).replace_strict(keys, list(range(len(keys))), return_dtype=pl.Int64) if label else pl.lit(None)
    values = {
        "id": _example_id(template, frame.columns),
        "row_id": pl.col(ROW_ID),
        "source": pl.col(SOURCE),
        "line": pl.col(LINE),
        "group": pl.col(GROUP),
        "split": pl.col(SPLIT),
        "template": pl.lit(template.name),
        "forms": forms_of({form: part(form.column) for form in Form if f"#{form.column}" in frame.columns}),
        "label": index,
        "fields": pl.struct(list(dict.fromkeys([*template.header.inputs, *beside]))).struct.json_encode(),
        "choices": pl.lit(template.choices, pl.List(pl.String)) if label else pl.lit(None),
        **{name: part(name) for name in _PARTS},
    }
    lines = [name for name in frame.columns if name.endswith(" line")]
    return frame.select(
        _ORDER, **{name: values[name].cast(EXAMPLE_SCHEMA[name]) for name in _EXAMPLE_COLUMNS}, **{n: pl.col(n) for n in lines}
    )


def _example_id(template: Template, columns: list[str]) -> pl.Expr:
    number = pl.concat_str(pl.lit("/"), PART) if PART in columns else pl.lit("/0")
    return pl.concat_str(ROW_ID, pl.lit(f"/{template.name}"), number)
