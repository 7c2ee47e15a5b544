"""What the verdicts of a judge and of people come to: rates, agreement, bias, and what of it can be relied on."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from evals.compare.measure import number_clusters
from evals.config import EvalsConfig
from evals.data.contract import MetricValue
from evals.judge.agreement import LEAST_KAPPA, Comparison, agreement, between_people
from evals.judge.ask import Judged
from evals.judge.contract import Agreement, Bias, Effort, ItemState, Kind, Method, Probe, Rate
from evals.judge.labels import LEAST_EXAMPLES, Labels
from evals.judge.rates import Array, Clusters, corrected_share, scaled, share
from evals.judge.rubric import NUM_ORDERS
from evals.predict.server import Server
from loopwright.errors import UserError
from prep.pii.masking import shorten

_WORSE_PROBE = "on a pair whose verdict is plain, the judge said the contrary in {} of the two orders"
_UNCONSTRAINED = "the server can neither give log-probabilities nor keep to two letters: its answers are read as they come"


@dataclass(frozen=True, slots=True)
class Findings:
    """What the numbers of `judge.json` are.

    Attributes:
        verdict: in a sentence.
        is_reliable: the judge agrees with people well enough.
        states: how the examples ended.
        rate: how often the first system wins, or its answers pass.
        people: agreement of the judge with people.
        orders: of the judge with itself, the letters turned round.
        repeated: of the judge with itself, asked again; None where it was not.
        between: of people with each other; None where no two labelled the same, or nobody tells them apart.
        bias: of place and length.
        warnings: what makes the judge doubtful.
    """

    verdict: str
    is_reliable: bool
    states: dict[ItemState, int]
    rate: Rate
    people: Agreement
    orders: Agreement
    repeated: Agreement | None
    between: Agreement | None
    bias: Bias
    warnings: list[str]


@dataclass(slots=True)
class Judging:
    """A judge's verdicts, and all that is needed to say what they are worth.

    Attributes:
        judged: each example.
        labels: what people said.
        kind: what was judged.
        systems: whose answers.
        probe: how the server was found to be.
        config: confidence, resamples and seed.
        clusters: `[N]`, the number of each example's cluster.
        people: `[N]`, the mean of what people said of each example; NaN where nobody labelled it.
    """

    judged: Sequence[Judged]
    labels: Labels
    kind: Kind
    systems: Sequence[str]
    probe: Probe
    config: EvalsConfig
    clusters: Clusters = field(init=False)
    people: Array = field(init=False)

    def __post_init__(self) -> None:
        said = self.labels.by_example()
        values = [[points(label.outcome, self.kind) for label in said.get(one.item.row.id, ())] for one in self.judged]
        self.clusters = number_clusters([one.item.row for one in self.judged])
        self.people = np.array([sum(found) / len(found) if found else np.nan for found in values])

    @property
    def places(self) -> list[int]:
        """The places of the examples that are judged."""
        return [place for place, one in enumerate(self.judged) if one.state.is_judged]

    def outcome(self, place: int) -> str:
        """Returns the verdict of a judged example."""
        return self.judged[place].outcome(self.kind.undecided)

    def share(self, values: dict[int, float]) -> MetricValue:
        """Returns the mean of some examples' values, by their places, with its interval."""
        return share(np.array(list(values.values())), self.clusters[list(values)], self.config.confidence)


def find(judging: Judging) -> Findings:
    """Works out what a judge's verdicts come to.

    Raises:
        UserError: too few of the examples that people labelled have a verdict of the judge's.
    """
    _require_enough(judging)
    kind, config = judging.kind, judging.config
    people = agreement(_with_people(judging), kind.categories, config)
    rate, bias = _rate(judging), _bias(judging)
    states = Counter(one.state for one in judging.judged)
    is_reliable = people.kappa.low is not None and people.kappa.low >= LEAST_KAPPA
    return Findings(
        verdict=_verdict(judging, rate, people, is_reliable=is_reliable),
        is_reliable=is_reliable,
        states={state: states[state] for state in ItemState if states[state]},
        rate=rate,
        people=people,
        orders=agreement(_between_orders(judging), kind.outcomes, config),
        repeated=agreement(repeated, kind.outcomes, config) if (repeated := _when_repeated(judging)) else None,
        between=between_people(_by_example(judging), kind.categories, config) if judging.labels.counts.people is not None else None,
        bias=bias,
        warnings=_warnings(states, judging.probe, bias, len(judging.judged)),
    )


def effort_of(server: Server) -> Effort:
    """Returns what the answers of a server took."""
    asked = [one for one in server.answers if not one.is_known]
    seconds = sorted(one.seconds for one in asked)
    return Effort(
        requests=len(server.answers),
        known=len(server.answers) - len(asked),
        latency_median=median(seconds) if seconds else None,
        latency_95th=seconds[math.ceil(0.95 * len(seconds)) - 1] if seconds else None,
        input_tokens=sum(one.input_tokens for one in asked),
        output_tokens=sum(one.output_tokens for one in asked),
        cost=server.cost if server.has_prices else None,
    )


def points(outcome: str, kind: Kind) -> float:
    """Returns what a verdict counts: 1 for the first system or an answer that passes, 0 for the contrary, a half for neither."""
    return {kind.outcomes[0]: 1.0, kind.outcomes[1]: 0.0}.get(outcome, 0.5)


def _require_enough(judging: Judging) -> None:
    num_both = sum(not np.isnan(judging.people[place]) for place in judging.places)
    if num_both >= LEAST_EXAMPLES:
        return
    lost = next((verdict for one in judging.judged for verdict in one.verdicts if verdict.lost is not None), None)
    why = f" ({lost.lost}: {shorten(lost.detail, 120)})" if lost is not None else ""
    cause = f"{num_both} of {judging.labels.counts.examples} labelled examples have a verdict of the judge that can be read{why}"
    remedy = f"At least {LEAST_EXAMPLES} are needed. Answers are kept: judge again; where they are none, with another judge or rubric."
    raise UserError(cause, "--endpoint", remedy)


def _with_people(judging: Judging) -> list[Comparison]:
    said = judging.labels.by_example()
    return [
        (label.outcome, judging.outcome(place), int(judging.clusters[place]))
        for place in judging.places
        for label in said.get(judging.judged[place].item.row.id, ())
    ]


def _between_orders(judging: Judging) -> list[Comparison]:
    found = ((judging.judged[place].verdicts, int(judging.clusters[place])) for place in judging.places)
    return [(first.outcome or "", second.outcome or "", cluster) for (first, second), cluster in found]


def _when_repeated(judging: Judging) -> list[Comparison]:
    return [
        (one.verdicts[0].outcome, one.repeated.outcome, int(cluster))
        for one, cluster in zip(judging.judged, judging.clusters, strict=True)
        if one.repeated is not None and one.repeated.outcome is not None and one.verdicts[0].outcome is not None
    ]


def _by_example(judging: Judging) -> list[tuple[list[str], int]]:
    said = judging.labels.by_example()
    found = zip(judging.judged, judging.clusters, strict=True)
    return [([label.outcome for label in said.get(one.item.row.id, ())], int(cluster)) for one, cluster in found]


def _rate(judging: Judging) -> Rate:
    """Returns the rates over all examples that have the answers; those that both systems answer alike are ties."""
    kind, places, people = judging.kind, judging.places, judging.people
    values = {place: points(judging.outcome(place), kind) for place in places}
    num_apart = sum(one.item.settled is None for one in judging.judged)
    num_alike = sum(one.state is ItemState.IDENTICAL for one in judging.judged)
    weight = num_apart / (num_apart + num_alike)
    corrected = corrected_share(np.array(list(values.values())), people[places], judging.clusters[places], judging.config.confidence)
    labelled = {place: float(value) for place, value in enumerate(people) if not np.isnan(value)}
    outcomes = Counter(judging.outcome(place) for place in places)
    return Rate(
        judge=scaled(judging.share(values), weight),
        corrected=scaled(corrected.rate, weight),
        people=scaled(judging.share(labelled), weight),
        power=corrected.power,
        counts={category: outcomes[category] for category in kind.categories},
    )


def _bias(judging: Judging) -> Bias:
    judged, places = judging.judged, judging.places
    first = judging.share({place: sum(bool(one.is_first) for one in judged[place].verdicts) / NUM_ORDERS for place in places})
    if judging.kind is Kind.PASS:
        return Bias(first_position=first, longer_answer=None, longer_answer_people=None)
    texts = {place: one.item.texts for place, one in enumerate(judged) if one.item.settled is None}
    is_longer = {place: len(one) > len(other) for place, (one, other) in texts.items() if len(one) != len(other)}
    by_judge = {place: points(judging.outcome(place), judging.kind) for place in places if place in is_longer}
    by_people = {place: float(judging.people[place]) for place in is_longer if not np.isnan(judging.people[place])}
    longer = [judging.share({place: one if is_longer[place] else 1 - one for place, one in by.items()}) for by in (by_judge, by_people)]
    return Bias(first_position=first, longer_answer=longer[0], longer_answer_people=longer[1])


def _verdict(judging: Judging, rate: Rate, people: Agreement, *, is_reliable: bool) -> str:
    systems = judging.systems
    what = f"{systems[0]} wins against {systems[1]}" if judging.kind is Kind.PAIRWISE else f"answers of {systems[0]} pass"
    labelled = f"{judging.labels.counts.examples} labelled examples"
    shares = f"{what} in {percent(rate.judge)} as the judge says, in {percent(rate.corrected)} corrected by {labelled}"
    kappa = "undefined, as one of the two says one thing always" if people.kappa.value is None else interval(people.kappa)
    if is_reliable:
        return f"{shares}; kappa with people {kappa}"
    return (
        f"do not rely on the judge: its agreement with people may be no better than fair (kappa {kappa}; its lower bound would have to be "
        f"{LEAST_KAPPA:g}, Landis and Koch 1977). {shares[0].upper()}{shares[1:]}; by the labels alone in {percent(rate.people)}"
    )


def percent(rate: MetricValue) -> str:
    """Returns a share and its interval in words."""
    if rate.value is None or rate.low is None or rate.high is None:
        return "none"
    return f"{100 * rate.value:.1f}% [{100 * rate.low:.1f}, {100 * rate.high:.1f}]"


def interval(value: MetricValue) -> str:
    """Returns a value and its interval."""
    if value.value is None or value.low is None or value.high is None:
        return "-"
    return f"{value.value:.2f} [{value.low:.2f}, {value.high:.2f}]"


def _warnings(states: Counter[ItemState], probe: Probe, bias: Bias, num_examples: int) -> list[str]:
    warnings = []
    if probe.method is Method.TEXT:
        warnings.append(_UNCONSTRAINED)
    if probe.num_right < NUM_ORDERS:
        warnings.append(_WORSE_PROBE.format(NUM_ORDERS - probe.num_right))
    first = bias.first_position
    if first.low is not None and first.high is not None and not first.low <= 0.5 <= first.high:
        which = "stands first" if first.low > 0.5 else "stands second"
        warnings.append(f"position bias: {percent(first)} of the verdicts are for what stands first; the judge leans to what {which}")
    longer, people = bias.longer_answer, bias.longer_answer_people
    if longer is not None and people is not None and longer.low is not None and people.high is not None and longer.low > people.high:
        warnings.append(f"length bias: the longer answer wins {percent(longer)} by the judge, {percent(people)} by people")
    for state, words in (
        (ItemState.UNPARSABLE, "the judge said neither of two letters of {}: they are in no rate"),
        (ItemState.UNANSWERED, "the server did not answer about {}: they are in no rate"),
        (ItemState.NO_ANSWER, "there is no answer to judge of {}: they are in no rate"),
    ):
        if states[state]:
            warnings.append(words.format(f"{states[state]} of {num_examples} examples"))
    return warnings
