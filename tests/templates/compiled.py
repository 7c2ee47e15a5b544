"""What the tests of the compiled path share."""

import json

import polars as pl

from templates.compile import MESSAGES_TYPE, RenderPlan
from templates.template import RenderError, Template


def evaluate(chosen: RenderPlan, frame: pl.DataFrame, engine: str = "auto") -> pl.DataFrame:
    """Evaluates all expressions of a plan beside the rows, its parts as `#part`."""
    assert chosen.fallback_mask is not None
    columns = {
        **{f"#{part}": expr for part, expr in chosen.expressions.items()},
        **{f"json {part}": expr for part, expr in chosen.json_parts.items()},
        **{f"line {output}": expr for output, expr in chosen.json_lines.items()},
        "fallback_mask": chosen.fallback_mask,
    }
    return frame.lazy().with_columns(**columns).collect(engine=engine)  # type: ignore[call-overload,no-any-return]


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def assert_same(template: Template, chosen: RenderPlan, frame: pl.DataFrame) -> int:
    """Holds each row that is not unproven against its rendering; returns how many there are."""
    compiled = evaluate(chosen, frame)
    assert compiled["fallback_mask"].null_count() == 0
    assert all(
        compiled.schema[f"#{part}"]
        == (MESSAGES_TYPE if part in {"messages", "chosen", "rejected"} else pl.Boolean if part == "wanted" else pl.String)
        for part in chosen.expressions
    )
    for fields, row in zip(frame.iter_rows(named=True), compiled.iter_rows(named=True), strict=True):
        if row["fallback_mask"]:
            continue
        try:
            rendered = template.render(fields)
        except RenderError as error:
            raise AssertionError(f"not unproven, though {error}") from error
        for part in rendered.__slots__:
            value = getattr(rendered, part)
            assert row.get(f"#{part}") == value, part
            if part in chosen.json_parts:
                assert row[f"json {part}"] == (None if value is None else _dumps(value))
        if "chat" in chosen.json_lines and rendered.messages is not None:
            assert row["line chat"] == _dumps({"messages": rendered.messages})
        if "completion" in chosen.json_lines and rendered.text is not None:
            assert row["line completion"] == _dumps({"text": rendered.text})
    return compiled.height - int(compiled["fallback_mask"].sum())
