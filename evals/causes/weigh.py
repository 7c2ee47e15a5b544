"""What failing examples have in common: candidate causes, and by how much each is commoner among failures than among passes."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from evals.data.neighbours import Neighbour
from evals.data.prediction import Prediction, PredictionState
from evals.data.references import ReferenceKinds
from evals.data.rows import EvalRow, Task
from evals.metrics.facts.wanted import wanted_facts
from prep.text.facts import FactIndex

# Of the evaluated examples, the share that is farthest from train: what TF-IDF calls near depends on how long the texts are, so that
# no fixed similarity would do.
FAR_SHARE = 0.2
# A label with less than half of its even share of the train split, or a template with less than a tenth of all rows, is rare.
_RARE_LABEL = 0.5
_RARE_TEMPLATE = 0.1

Evidence = dict[str, str]
"""Candidate cause -> what was seen, in words, with ids."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A candidate cause and its weight.

    Attributes:
        cause: its name, such as `conflicting_neighbours` or `lint:DUP301`.
        lift: P(cause | fail) / P(cause | pass), half an example added to each count so that it is finite (Haldane 1956).
        p: of Fisher's exact test, one-sided: the cause is commoner among failures.
    """

    cause: str
    lift: float
    p: float


@dataclass(frozen=True, slots=True)
class Background:
    """What the evidence for one example is seen against.

    Attributes:
        train_counts: how the train split is made up.
        lint: example id -> lint code -> message.
        far_below: similarity of the nearest training example under which an example counts as far from train.
        kinds: what the written answers of each template are.
    """

    train_counts: "TrainCounts"
    lint: Mapping[str, Mapping[str, str]]
    far_below: float
    kinds: ReferenceKinds = field(default_factory=ReferenceKinds)


def far_threshold(neighbours: Iterable[Sequence[Neighbour]]) -> float:
    """Returns the similarity under which the farthest fifth of the examples lies."""
    nearest = sorted(found[0].similarity for found in neighbours if found)
    return nearest[int(FAR_SHARE * len(nearest))] if nearest else 0.0


def gather_evidence(row: EvalRow, prediction: Prediction, neighbours: Sequence[Neighbour], background: Background) -> Evidence:
    """Returns the candidate causes that hold for one example.

    Args:
        row: the example.
        prediction: of the system that is looked into.
        neighbours: its nearest training examples.
        background: the train split and lint.
    """
    evidence: Evidence = {}
    if prediction.state is not PredictionState.OK:
        evidence[prediction.state.value] = prediction.detail or prediction.state.meaning
    if neighbours and neighbours[0].similarity < background.far_below:
        evidence["far_from_train"] = f"the nearest training example has similarity {neighbours[0].similarity:.2f}"
    if row.task is Task.CLASSIFICATION or background.kinds.has_label(row):
        other = [neighbour for neighbour in neighbours if not neighbour.same_answer]
        if sum(one.similarity for one in other) * 2 > sum(one.similarity for one in neighbours):
            ids = ", ".join(one.row.id for one in other)
            evidence["conflicting_neighbours"] = f"{len(other)} of the {len(neighbours)} nearest training examples answer otherwise: {ids}"
    elif row.task is Task.GENERATION and not row.calls:
        source = FactIndex(row.input_text)
        absent = [fact for fact in wanted_facts(row.reference) if not source.holds(fact)]
        if absent:
            evidence["fact_absent_from_source"] = "the reference has facts that the input does not: " + ", ".join(
                fact.value for fact in absent
            )
    if rare := background.train_counts.rarity(row):
        evidence["rare_slice"] = rare
    for code, message in background.lint.get(row.id, {}).items():
        evidence[f"lint:{code}"] = message
    for neighbour in neighbours:
        for code, message in background.lint.get(neighbour.row.id, {}).items():
            evidence.setdefault(f"lint_neighbour:{code}", f"{neighbour.row.id}: {message}")
    return evidence


class TrainCounts:
    """How the train split is made up, by template and label."""

    def __init__(self, train_rows: Sequence[EvalRow]) -> None:
        self._templates = Counter(row.template for row in train_rows)
        self._labels = Counter((row.template, row.reference) for row in train_rows if row.choices is not None)

    def rarity(self, row: EvalRow) -> str | None:
        """Says in words why an example's kind is rare in training, or nothing."""
        total = self._templates.total()
        in_template = self._templates[row.template]
        if total and in_template < _RARE_TEMPLATE * total:
            return f"the template {row.template} has {in_template} of {total} training examples"
        if row.choices is None or not in_template:
            return None
        with_label = self._labels[row.template, row.reference]
        if with_label < _RARE_LABEL * in_template / len(row.choices):
            return f"the label {row.reference} has {with_label} of {in_template} training examples of its template"
        return None


def weigh_causes(failed: Sequence[Evidence], passed: Sequence[Evidence]) -> dict[str, Cause]:
    """Returns each candidate cause with its lift and p."""
    from scipy.stats import fisher_exact

    among_failed = Counter(cause for evidence in failed for cause in evidence)
    among_passed = Counter(cause for evidence in passed for cause in evidence)
    weighed = {}
    for cause, with_cause in among_failed.items():
        without = among_passed[cause]
        lift = ((with_cause + 0.5) / (len(failed) + 1)) / ((without + 0.5) / (len(passed) + 1))
        table = [[with_cause, len(failed) - with_cause], [without, len(passed) - without]]
        weighed[cause] = Cause(cause, lift, float(fisher_exact(table, alternative="greater").pvalue))
    return weighed
