"""Answers that are more than words, calls of tools and JSON: whether they fail, and by what."""

from evals.data.json_answers import JsonState, fits_schema, is_json, read_json
from evals.data.judgement import Reason
from evals.data.prediction import Prediction
from evals.data.references import ReferenceKinds
from evals.data.rows import EvalRow
from evals.data.tool_answers import ToolState, canonical, judge_calls


def wrong_calls(row: EvalRow, prediction: Prediction) -> tuple[Reason, str] | None:
    """Returns why the calls of an answer are a failure; None where they are none, and where nothing says of tools."""
    verdict = judge_calls(row, prediction)
    if verdict is None or verdict.state is ToolState.RIGHT:
        return None
    return Reason.WRONG_CALL, f"{verdict.state.value}: {verdict.detail}"


def is_structured(row: EvalRow, kinds: ReferenceKinds) -> bool:
    """Says whether an answer is compared as calls or as JSON, and never as a text."""
    return bool(row.calls) or (row.choices is None and row.template in kinds.json and is_json(row.reference))


def wrong_json(row: EvalRow, prediction: Prediction, kinds: ReferenceKinds) -> tuple[Reason, str] | None:
    """Returns why an answer that has to be JSON fails: it is none, or says another thing where its texts are codes or a few words."""
    state, value = read_json(prediction.answer)
    if state is JsonState.INVALID:
        return Reason.INVALID_FORMAT, "no JSON object or list"
    if row.schema is not None and not fits_schema(prediction.answer, row.schema):
        return Reason.INVALID_FORMAT, "JSON that the template's schema does not take"
    if row.template in kinds.exact and canonical(value) != canonical(read_json(row.reference)[1]):
        return Reason.NOT_EXACT, "another value than the reference's"
    return None
