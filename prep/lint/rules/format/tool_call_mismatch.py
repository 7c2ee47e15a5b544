"""FMT005 ToolCallMismatch."""

import json
from collections.abc import Iterable

import polars as pl

from prep.dataset.messages import messages_of
from prep.lint.base.context import Context
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import DefectRule
from prep.lint.base.subject import Draft, Subject
from prep.lint.frame.tool_use import check_tool_use


class ToolCallMismatch(DefectRule):
    """A tool call without a result, a result without a call, or a call that does not fit the tools.

    ## What it does
    Checks the tool calls of each chat: every result answers an earlier call; every call has a result before the chat continues (a call
    at the end is what is learned); the function is declared in the row; and the arguments are JSON that fits the function's JSON
    Schema.

    ## Why is this bad
    The model learns to call functions that do not exist, with arguments that are refused, and to read results that it never asked for.
    Most chat templates refuse such rows or drop parts of them.

    ## Example
    `search_recipes` is called with `{"ingredient": "rice"}`, and its schema requires `ingredients`.

    ## Fix safety
    Unsafe: the right arguments or the missing result are unknown, so `prep fix propose` drafts dropping the row. If the tool's
    declaration is wrong, there is no draft: fixing the declaration keeps the row.
    """

    code = "FMT005"
    severity = Severity.ERROR
    columns = ("messages", "extras")
    remedy = "Add the missing result, or correct the call to fit the declared function; else drop the row."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        uses_tools = pl.col("extras").str.contains_any(['"tool_calls":', '"tool_call_id":', '"tools":']) & pl.col("messages").is_not_null()
        # Looked at batch by batch within the query: what is in order is not kept.
        problems = pl.struct("messages", "extras").map_batches(_problems, return_dtype=pl.List(pl.List(pl.String)), is_elementwise=True)
        return (
            examples.filter(uses_tools)
            .select(*Finding.where, problem=problems)
            .explode("problem")
            .filter(pl.col("problem").is_not_null())
            .select(
                *Finding.where, **{name: pl.col("problem").list.get(place) for place, name in enumerate(("field", "message", "severity"))}
            )
        )

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        yield from super().refine(found, context)
        for row in found.iter_rows(named=True):
            yield Finding.at(row, row["message"], field=row["field"], severity=Severity(row["severity"]))

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        is_declaration = (finding.field or "").startswith("tools")
        return None if is_declaration else Draft("drop", "a tool call does not match its result or the row's tools")


def _problems(rows: pl.Series) -> pl.Series:
    found = [[list(problem) for problem in _of(row)] for row in rows]
    return pl.Series(rows.name, found, pl.List(pl.List(pl.String)))


def _of(row: dict[str, object]) -> Iterable[tuple[str, str, str]]:
    try:
        found = messages_of(row)
    except (ValueError, KeyError, json.JSONDecodeError):
        return ()
    return check_tool_use(found.said(), found.tools)
