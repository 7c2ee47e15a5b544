"""What can be added to a system, after a `+` in its name or by itself: demonstrations or passages before what is asked."""

from collections.abc import Sequence
from dataclasses import replace

from evals.data.prediction import Prediction
from evals.data.rows import ASKED
from evals.systems import demonstrations, passages
from evals.systems.base import EvalContext
from evals.systems.demonstrations import Demonstrations
from evals.systems.passages import Passages
from evals.systems.spec import SystemSpec

ADDED = frozenset({demonstrations.KIND, passages.KIND})
"""The kinds of parts that can be added to a model."""


def with_added(context: EvalContext, added: Sequence[SystemSpec]) -> EvalContext:
    """Returns what systems share with the examples as a system asks them that has something added.

    Passages belong to a question, and stand with it behind all demonstrations, whatever the order of the parts.

    Raises:
        UserError: the corpus cannot be read.
    """
    context = replace(context, rows=[row for row in context.rows if row.task in ASKED])  # to what is read nothing is added
    asked = context.rows
    for part in sorted(added, key=lambda one: one.kind == passages.KIND):
        number = int(part.argument)
        if part.kind == passages.KIND:
            corpus = Passages.open(context.config.corpus, number)
            # By the question alone: the demonstrations before it ask about something else.
            found = {row.id: tuple(corpus.near(row.question)) for row in asked}
            rows, said = [corpus.put(row, found[row.id]) for row in context.rows], corpus.told(asked)
            context = replace(context, passages=found)
        else:
            shown = Demonstrations.of(context, number)
            rows, said = [shown.put(row) for row in context.rows], shown.told(asked)
        if said is not None and said not in context.notes:
            context.notes.append(said)
        context = replace(context, rows=rows, encoded={})
    return context


def with_passages(context: EvalContext, predictions: Sequence[Prediction]) -> list[Prediction]:
    """Returns the predictions with what was looked up for each, where something was added that looks it up."""
    found = context.passages
    return list(predictions) if found is None else [replace(one, passages=found[one.id]) for one in predictions]
