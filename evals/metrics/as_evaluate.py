"""Metrics for Hugging Face `evaluate`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evals.data.prediction import Prediction, PredictionState
from evals.data.rows import EvalRow, Task
from evals.metrics.base import Metric
from loopwright.errors import UserError
from templates.calls import ToolCall, parse_json

if TYPE_CHECKING:
    import evaluate

    from templates.chat import Message

_LISTS = ("loglikelihoods", "passages")
# What a metric may read -> the column that `compute` takes it in, and the type of its values.
_COLUMNS = {
    "prediction.text": ("predictions", "string"),
    "prediction.loglikelihoods": ("predictions", "floats"),
    "prediction.passages": ("predictions", "strings"),
    "row.reference": ("references", "string"),
    "row.label": ("references", "int64"),
    "row.input_text": ("inputs", "string"),
    # Calls as OpenAI has them, and the functions that may be called: JSON texts.
    "prediction.calls": ("predictions", "string"),
    "row.calls": ("references", "string"),
    "row.tools": ("tools", "string"),
    "row.schema": ("schemas", "string"),
}


def as_evaluate(metric: Metric) -> "evaluate.Metric":
    """Returns a metric as an `evaluate.Metric`: it has `compute` and joins `evaluate.combine`.

    `compute` takes one column for each thing that the metric reads: `predictions` (texts, log-likelihoods of the choices, or passages),
    `references` (texts, or the index of the right choice) and `inputs`. Metrics of tool calls take predictions, references and `tools` as
    JSON texts of what a message and a row hold: `[{"function": {"name": "clock", "arguments": "{}"}}]`; a JSON Schema is one of `schemas`.
    The data stay in memory; neither network nor cache folder is touched. (`bool(metric)` is False, as for every empty `evaluate.Metric`.)

    Raises:
        UserError: the metric reads what no column can give.
    """
    import evaluate  # seconds, and it brings in torch
    from datasets import Features, Value
    from datasets import Sequence as ListOf

    lists = {"floats": ListOf(Value("float64")), "strings": ListOf(Value("string"))}
    types = {"string": Value("string"), "int64": Value("int64"), **lists}
    columns = {path: _COLUMNS[path] for path in metric.reads if path in _COLUMNS}
    names = [name for name, _ in columns.values()]
    if len(columns) < len(metric.reads) or len(set(names)) < len(names):
        cause = f"the metric '{metric.name}' reads {', '.join(metric.reads)}, which columns of predictions and references do not hold"
        raise UserError(cause, remedy="Score rows with its 'statistics' and 'value'.")

    class EvaluateMetric(evaluate.Metric):  # type: ignore[misc]  # evaluate comes without types
        name = metric.name

        def _info(self) -> Any:
            features = Features({name: types[kind] for name, kind in columns.values()})
            return evaluate.MetricInfo(description=metric.__doc__ or "", citation="", inputs_description="", features=features)

        def _build_data_dir(self) -> str:
            return ""  # evaluate makes a folder in the user's cache here, which a read-only home refuses

        def _compute(self, **given: Sequence[Any]) -> dict[str, float]:
            examples = [dict(zip(columns, values, strict=True)) for values in zip(*(given[name] for name in names), strict=True)]
            rows = [_row(str(index), example, metric) for index, example in enumerate(examples)]
            predictions = [_prediction(row.id, example) for row, example in zip(rows, examples, strict=True)]
            return {metric.name: float(metric.value(metric.statistics(rows, predictions).sum(axis=0)))}

    return EvaluateMetric(keep_in_memory=True)


def _row(name: str, example: dict[str, Any], metric: Metric) -> EvalRow:
    """Makes a row that holds what an example gives, and nothing else."""
    reference, label = example.get("row.reference", ""), example.get("row.label")
    choices = None
    if label is not None:
        choices = [str(index) for index in range(len(example.get("prediction.loglikelihoods", ())))]
    elif metric.tasks == {Task.CLASSIFICATION}:
        choices, label = [reference], 0
    asked: Message = {"role": "user", "content": example.get("row.input_text", "")}
    answer: Message = {"role": "assistant", "content": reference}
    if "row.calls" in example:
        answer["tool_calls"] = parse_json(example["row.calls"])
    return EvalRow(
        id=name, row_id=name, source="", line=0, group=None, split="", template="", label=label, choices=choices, messages=[asked, answer],
        prompt=None, target=None, tools=parse_json(example.get("row.tools", "null")), schema=parse_json(example.get("row.schema", "null")),
    )  # fmt: skip


def _prediction(name: str, example: dict[str, Any]) -> Prediction:
    loglikelihoods, passages = (None if (given := example.get(f"prediction.{one}")) is None else tuple(given) for one in _LISTS)
    calls = ToolCall.of_message(parse_json(example.get("prediction.calls", "[]")))
    text = example.get("prediction.text")
    return Prediction(name, PredictionState.OK, text, loglikelihoods, passages=passages, calls=calls)
