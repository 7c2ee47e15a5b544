"""style_distance."""

from collections.abc import Mapping, Sequence

import numpy as np
from typing_extensions import override

from evals.data.prediction import Prediction, PredictionState
from evals.data.rows import EvalRow, Task
from evals.metrics.base import Array, Metric
from evals.metrics.style.voice import WIDTH, Voice, distances

# Of each template: how many answers, their counts, and those of what they are compared with.
_CELL = 1 + 2 * WIDTH


class StyleDistance(Metric):
    """How far the answers together are from the voice of the train split's answers: 0 the same habits, 1 none in common.

    The mean of four Jensen-Shannon divergences (Lin 1991), in bits: of the voice's 100 commonest words (function words: Burrows 2002), its
    100 commonest character trigrams (Stamatatos 2009), its punctuation, and the lengths of answers. Each template has a voice of its own;
    a template without answers in train has none, and its examples do not count. It hears how, not what: read it beside a metric of content.
    Few answers are further from any voice by chance, so a note says how far the references of the same examples are: nobody comes much
    nearer than that. Outside of an evaluation the references are the voice. There is no per-row score.
    """

    name = "style_distance"
    tasks = frozenset({Task.GENERATION})
    higher_is_better = False
    is_biased = True
    value_range = (0.0, 1.0)

    def __init__(self, voices: Mapping[str, Voice] | None = None) -> None:
        self._voices = voices

    @override
    def fitted(self, train_rows: Sequence[EvalRow]) -> Metric:
        """Returns the metric with the voice of each template of the train split; as it is where nothing is written there."""
        voices = _voices_of(train_rows)
        return StyleDistance(voices) if voices else self

    @override
    def statistics(self, rows: Sequence[EvalRow], predictions: Sequence[Prediction]) -> Array:
        """Returns `[N, T * (1 + 2 * WIDTH)]`: for each template 1, the answer's counts, and what they are compared with.

        That is the voice's counts per text, so that any sum of them has the voice's shares; or the reference's own, where references are
        the voice.
        """
        voices = _voices_of(rows) if self._voices is None else self._voices
        templates = sorted({row.template for row in rows} & voices.keys())
        found = np.zeros((len(rows), max(len(templates), 1), _CELL))
        for index, (row, prediction) in enumerate(zip(rows, predictions, strict=True)):
            if row.template not in voices:
                continue
            voice, cell = voices[row.template], found[index, templates.index(row.template)]
            cell[0] = 1.0
            cell[1 : 1 + WIDTH] = voice.count(prediction.answer)
            cell[1 + WIDTH :] = voice.count(row.reference) if self._voices is None else voice.totals / voice.num_texts
        return found.reshape(len(rows), -1)

    @override
    def value(self, totals: Array) -> Array:
        """Returns the mean over answers of their template's distance, in [0, 1]."""
        cells = totals.reshape(*totals.shape[:-1], -1, _CELL)
        counts = cells[..., 0]
        by_template = distances(cells[..., 1 : 1 + WIDTH], cells[..., 1 + WIDTH :]).mean(axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((by_template * counts).sum(axis=-1) / counts.sum(axis=-1))

    @override
    def note(self, rows: Sequence[EvalRow]) -> str | None:
        """Returns what the voice is, and how far the references are from it."""
        if self._voices is None:
            return "style_distance: the train split has no written answers, so the references are the voice"
        known = [row for row in rows if row.template in self._voices]
        if not known:
            return "style_distance: the train split has no answer of these templates, and so no voice to compare with"
        said = [Prediction(row.id, PredictionState.OK, row.reference) for row in known]
        distance = float(self.value(self.statistics(known, said).sum(axis=0)))
        num_texts = sum(self._voices[template].num_texts for template in {row.template for row in known})
        left_out = f"; {len(rows) - len(known)} examples are of templates without one" if len(known) < len(rows) else ""
        return f"style_distance: the voice is {num_texts} answers of the train split, the references are {distance:.3f} from it{left_out}"


def _voices_of(rows: Sequence[EvalRow]) -> dict[str, Voice]:
    texts: dict[str, list[str]] = {}
    for row in rows:
        if row.task is Task.GENERATION and row.reference.strip():
            texts.setdefault(row.template, []).append(row.reference)
    return {template: Voice.of(found) for template, found in texts.items()}
