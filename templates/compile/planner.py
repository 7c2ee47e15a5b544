"""Decides how a template is rendered, and puts its compiled tags together as the parts of an example."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import combinations
from operator import or_

import polars as pl

from templates.compile.body import TagText, compile_body
from templates.compile.state import CompileState, NotPlainError
from templates.compile.text import Pieces, joined, json_string, plain
from templates.compile.values import WHITE_SPACE, Size, Value, constant, leaf_value, read_bool, read_float, read_int, read_json
from templates.form import Form
from templates.template import Template
from templates.values import InputType

MESSAGES_TYPE = pl.List(pl.Struct({"role": pl.String(), "content": pl.String()}))

_SINGLES = ("prompt", "cloze", "target", "text", "chosen", "rejected")
# Tags that a row has both or none of. A template has a prompt or a cloze, never both.
_PAIRS = (("prompt", "target"), ("cloze", "target"), ("chosen", "rejected"))
_Reader = Callable[[pl.Expr, Size], tuple[Value, pl.Expr]]
_READERS: dict[InputType, _Reader] = {"int": read_int, "float": read_float, "bool": read_bool, "json": read_json}
# Within a tag, which Jinja sees as a macro, these are not the row's fields.
_JINJAS_OWN = frozenset({"caller", "kwargs", "varargs", "self"})
# A shorter limit than any row needs would leave ordinary rows to Jinja.
_MIN_INPUT_BYTES = 10_000


@dataclass(frozen=True, slots=True)
class RenderPlan:
    """How a template will be rendered.

    All expressions are over string columns named as the template's inputs and belong beside the rows (`with_columns`): a constant part
    has no height of its own. Collect them lazily, so that Polars evaluates what they share once. None of them raises, on any row.

    Attributes:
        expressions: part -> expression of its value; empty for the fallback. Null where a row does not have that part.
        json_parts: part -> expression of that value as JSON, in the bytes of `json.dumps(ensure_ascii=False, separators=(",", ":"))`.
        json_lines: form -> expression of the whole JSON line: `chat` and `completion`, of those that the template gives.
        fallback_mask: the rows for which the expressions are not proven: rendering fails, or may differ. Never null. Jinja renders them,
            which gives the exact value or the exact error. None for the fallback.
        reason: why the fallback is taken; None where the template is compiled.
    """

    expressions: dict[str, pl.Expr]
    json_parts: dict[str, pl.Expr] = field(default_factory=dict)
    json_lines: dict[Form, pl.Expr] = field(default_factory=dict)
    fallback_mask: pl.Expr | None = None
    reason: str | None = None

    @property
    def path(self) -> str:
        """`compiled` or `fallback`."""
        return "compiled" if self.reason is None else "fallback"


def plan(template: Template) -> RenderPlan:
    """Decides how a template is rendered, and compiles it where it is plain."""
    try:
        return _compile(template)
    except NotPlainError as error:
        return RenderPlan({}, reason=str(error))
    except RecursionError:
        return RenderPlan({}, reason="it is nested too deeply")


def _compile(template: Template) -> RenderPlan:
    state = CompileState(template)
    for name, input_type in template.header.inputs.items():
        state.variables[name] = _input(state, name, input_type)
    if "mask" in template.implicit_names and (mask := constant(template.header.mask)) is not None:
        state.variables["mask"] = mask
    tags = compile_body(state)
    if not tags:
        raise NotPlainError("no row has any of its tags")
    messages = [tag for tag in tags if tag.kind == "message"]
    expressions: dict[str, pl.Expr] = {}
    json_parts: dict[str, Pieces] = {}
    if messages:
        expressions["messages"], json_parts["messages"] = _messages(messages)
    for kind in _SINGLES:
        if same := [tag for tag in tags if tag.kind == kind]:
            part = "prompt" if kind == "cloze" else kind
            expressions[part], json_parts[part] = _single(kind, same)
            if kind == "cloze":
                masks = [TagText("mask", None, (template.header.mask,), tag.condition) for tag in same]
                expressions["mask"], json_parts["mask"] = _single("mask", masks)
                state.fall_back(expressions["prompt"].is_not_null() & _mask_is_astray(expressions["prompt"], template.header.mask))
    if template.header.wanted and messages:
        # Where a chat does not end on an answer, Jinja words the error.
        state.fall_back((expressions["messages"].list.last().struct.field("role") != "assistant").fill_null(False))
        truth, _ = read_bool(pl.col(template.header.wanted), Size(1))
        expressions["wanted"] = pl.when(expressions["messages"].is_not_null()).then(truth.truth)
    _fall_back_on_missing_tags(state, tags)
    lines: dict[Form, pl.Expr] = {
        form: joined([f'{{"{form.column}":', *json_parts[form.column], "}"])
        for form in (Form.CHAT, Form.COMPLETION)  # whose JSON line is that column alone
        if form in template.forms and form.column in json_parts
    }
    return RenderPlan(expressions, {part: joined(pieces) for part, pieces in json_parts.items()}, lines, _fallback_mask(state))


def _input(state: CompileState, name: str, input_type: InputType) -> Value:
    """Returns the value of an input, coerced as `templates.values` does."""
    if name in _JINJAS_OWN:
        raise NotPlainError(f"the input '{name}' has a name that means something else within a tag")
    column = pl.col(name)
    if input_type == "str" and name in state.template.header.optional:
        column = column.fill_null("")
        return leaf_value(pl.when(column.str.strip_chars(WHITE_SPACE) == "").then(pl.lit("")).otherwise(column), Size(1))
    if input_type == "str":
        return leaf_value(column, Size(1))
    if input_type not in _READERS:
        raise NotPlainError(f"the input '{name}' is of type {input_type}")
    value, unusual = _READERS[input_type](column, Size(1))
    # Even where the template does not print it: a row whose field is not of its type is refused.
    state.fall_back(unusual)
    return value


def _messages(tags: Sequence[TagText]) -> tuple[pl.Expr, Pieces]:
    """Returns the list of messages, and its JSON; null where a row has none of them."""
    structs = [pl.struct(role=pl.lit(tag.role), content=plain(tag.text)) for tag in tags]
    objects: list[Pieces] = [[f'{{"role":"{tag.role}","content":', *json_string(tag.text), "}"] for tag in tags]
    # By way of an array: pl.concat_list of structs takes twenty times as long.
    if all(tag.condition is True for tag in tags):
        commas = [piece for pieces in objects for piece in (",", *pieces)]
        return pl.concat_arr(structs).cast(MESSAGES_TYPE), ["[", *commas[1:], "]"]
    present = [pl.lit(tag.condition) if isinstance(tag.condition, bool) else tag.condition for tag in tags]
    some = reduce(or_, present)
    shown = [pl.when(condition).then(struct) for condition, struct in zip(present, structs, strict=True)]
    written = [
        pl.when(condition).then(joined([",", *pieces])).otherwise(pl.lit("")) for condition, pieces in zip(present, objects, strict=True)
    ]
    listed = pl.when(some).then(pl.concat_arr(shown).cast(MESSAGES_TYPE).list.drop_nulls())
    return listed, [pl.when(some).then(joined(["[", pl.concat_str(written).str.strip_prefix(","), "]"]))]


def _single(kind: str, tags: Sequence[TagText]) -> tuple[pl.Expr, Pieces]:
    """Returns a part that a row has once, and its JSON; null where a row does not have it."""
    if kind in {"chosen", "rejected"}:
        both = [_messages([TagText("message", "assistant", tag.text, condition=True)]) for tag in tags]
    else:
        both = [(plain(tag.text), json_string(tag.text)) for tag in tags]
    if tags[0].condition is True:
        return both[0]
    value, written = pl.lit(None), pl.lit(None)
    for tag, (expr, pieces) in zip(tags, both, strict=True):
        value = pl.when(tag.condition).then(expr).otherwise(value)
        written = pl.when(tag.condition).then(joined(pieces)).otherwise(written)
    return value, [written]


def _fall_back_on_missing_tags(state: CompileState, tags: Sequence[TagText]) -> None:
    """Leaves to Jinja the rows that have a part twice, one of a pair without the other, or nothing at all: errors that it words."""
    conditions: dict[str, list[pl.Expr | bool]] = {}
    for tag in tags:
        conditions.setdefault(tag.kind, []).append(tag.condition)
    present = {kind: [pl.lit(one) if isinstance(one, bool) else one for one in found] for kind, found in conditions.items()}
    for kind in _SINGLES:
        for one, other in combinations(present.get(kind, []), 2):
            state.fall_back(one & other)
    for first, second in _PAIRS:
        if first in present and second in present and any(one is not True for one in conditions[first] + conditions[second]):
            state.fall_back(reduce(or_, present[first]) != reduce(or_, present[second]))
    if all(condition is not True for found in conditions.values() for condition in found):
        state.fall_back(~reduce(or_, (one for found in present.values() for one in found)))


def _fallback_mask(state: CompileState) -> pl.Expr:
    """Returns which rows are left to Jinja; those with a missing input or a very long one are, too."""
    max_bytes = state.max_input_bytes()
    if max_bytes < _MIN_INPUT_BYTES:
        raise NotPlainError("its rendering could go past the limits of one row")
    header = state.template.header
    missing = [pl.col(name).is_null() for name in header.inputs if name not in header.optional]
    long = [(pl.col(name).str.len_bytes() > max_bytes).fill_null(False) for name in header.inputs]
    return reduce(or_, [*missing, *long, *state.fallback_masks], pl.lit(False)).fill_null(True)


def _mask_is_astray(text: pl.Expr, mask: str) -> pl.Expr:
    """Returns where the mask is not in the text exactly once; two that overlap are two."""
    after = text.str.splitn(mask, 2).struct.field("field_1")
    return after.is_null() | pl.concat_str(pl.lit(mask[1:]), after).str.contains(mask, literal=True)
