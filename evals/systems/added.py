"""What can be added to a system, after a `+` in its name or by itself: demonstrations or passages before what is asked."""

from collections.abc import Sequence
from dataclasses import replace

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
    for part in sorted(added, key=lambda one: one.kind == passages.KIND):
        number = int(part.argument)
        adding = Passages.open(context.config.corpus, number) if part.kind == passages.KIND else Demonstrations.of(context, number)
        if (said := adding.told(context.rows)) is not None and said not in context.notes:
            context.notes.append(said)
        context = replace(context, rows=[adding.put(row) for row in context.rows], encoded={})
    return context
