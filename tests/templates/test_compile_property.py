"""The compiled path held against Jinja itself, over templates and rows at random."""

import polars as pl
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from jinja2 import TemplateError

from loopwright.errors import UserError
from templates.compile import plan
from templates.template import Template, parse_template
from tests.templates import grammar
from tests.templates.compiled import assert_same, evaluate

SCHEMA = dict.fromkeys(grammar.NAMES, pl.String)


def load(body: str) -> Template:
    try:
        return parse_template(f"---\nname: mine/test\ninputs: {grammar.INPUTS}\n{grammar.HEADER}---\n{body}", "mine.jinja")
    except (UserError, TemplateError) as error:
        event(f"refused: {str(error)[:30]}")
        assume(False)
        raise


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(grammar.TEMPLATES, grammar.ROWS, st.integers(1, 3))
def test_a_row_renders_to_the_same_bytes_or_is_left_to_jinja(body: str, rows: list[dict[str, str | None]], num_chunks: int) -> None:
    template = load(body)
    chosen = plan(template)
    event(chosen.path if chosen.reason is None else f"fallback: {chosen.reason.split(' has ')[-1][:30]}")
    if chosen.reason is not None:
        return
    frame = pl.DataFrame(rows, schema=SCHEMA)
    num_compared = assert_same(template, chosen, pl.concat([frame, frame.clear(), *[frame] * (num_chunks - 1)], rechunk=False))
    event("rows compared" if num_compared else "all rows unproven")
    assert evaluate(chosen, frame.clear()).is_empty()
