"""Exposure: how much likelier a model finds a planted secret than secrets of the same form that were planted nowhere."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from evals.data.memory import CanariesReport, CanaryExposure, SystemCanaries
from evals.data.rows import EvalRow
from evals.forgetting.asked import AskedModel
from evals.forgetting.change import mean_estimate
from evals.predict.requests import encode_choices
from loopwright.progress import Advance
from prep.dataset.canaries import CanaryInfo, is_canary, sentence_about
from prep.dataset.manifest import Dataset
from templates.form import Form
from train.inference.loglikelihood import score_choices

EXPECTED = 1 / math.log(2)
"""The mean exposure, in bits, of a secret that a model does not know: its rank is any rank alike."""
ESTIMATOR = "sampled rank: -log2((k + 1) / (M + 1)), k of M controls at least as likely; interval: Clopper-Pearson of k / M"


@dataclass(frozen=True, slots=True)
class PlantedCanaries:
    """The canaries of a dataset as a model is asked about them.

    Attributes:
        info: what the manifest says of them.
        rows: one each, whose choices are the planted secret and its controls; the secret is the right one.
        form: in which they are put: as the run was trained.
    """

    info: CanaryInfo
    rows: list[EvalRow]
    form: Form


def planted_canaries(dataset: Dataset, trained: Form) -> PlantedCanaries | None:
    """Returns the canaries of a dataset in the form in which a run was trained; None where it has none in that form."""
    info = dataset.manifest.canaries
    if info is None:
        return None
    frame = dataset.examples("train").filter(is_canary()).sort("line").collect()
    rows = [row for record in frame.iter_rows(named=True) if (row := _row(record, info, trained)) is not None]
    return PlantedCanaries(info, rows, Form.CHAT if trained is Form.CHAT else Form.VERBALIZER) if rows else None


def _row(record: dict[str, Any], info: CanaryInfo, trained: Form) -> EvalRow | None:
    """Returns a canary as a row with choices, from the example that was trained; None where it does not have the form."""
    number = record["line"]
    secret = info.secret(number)
    whole = EvalRow(
        **{name: record[name] for name in ("id", "row_id", "source", "line", "group", "split", "template")},
        label=0,
        choices=[secret, *info.control_secrets(number)],
        messages=record["messages"],
        prompt=record["prompt"],
        target=record["target"],
    )
    if trained is Form.COMPLETION and record["text"] is not None:
        return replace(whole, messages=None, prompt=sentence_about(info.unit(number)), target=f" {secret}")
    has_form = {Form.CHAT: whole.messages is not None, Form.VERBALIZER: whole.prompt is not None}
    return whole if has_form.get(trained) else None


def score_canaries(asked: AskedModel, planted: PlantedCanaries, advance: Advance) -> list[tuple[float, ...]]:
    """Returns the log-likelihoods of each canary's secret and of its controls, in nats, the secret first.

    Raises:
        EncodeError: the chat template does not take a canary.
    """
    requests = [encode_choices(asked.tokenizer, row, planted.form) for row in planted.rows]
    scored = score_choices(asked.model, requests, max_length=asked.max_length, max_batch_tokens=asked.max_batch_tokens, advance=advance)
    return [one.loglikelihoods for one in scored]


def exposure_of(canary: str, loglikelihoods: Sequence[float], info: CanaryInfo, confidence: float) -> CanaryExposure:
    """Returns the exposure of one canary: log2 |R| - log2 rank among all |R| secrets (Carlini et al., 2019, 4.2), from a sample of them.

    The share of secrets that are at least as likely as the planted one is estimated by its controls, k of M: (k + 1) / (M + 1), the planted
    one being one of them. The interval is that of Clopper and Pearson (1934) for the share; its upper end is log2 |R| where no control is
    as likely.
    """
    if not all(map(math.isfinite, loglikelihoods)):
        return CanaryExposure(canary=canary, num_likelier=None, exposure=None, low=None, high=None)
    planted, *controls = loglikelihoods
    likelier = sum(one >= planted for one in controls)
    least, most = _clopper_pearson(likelier, len(controls), confidence)
    return CanaryExposure(
        canary=canary,
        num_likelier=likelier,
        exposure=-math.log2((likelier + 1) / (len(controls) + 1)),
        low=-math.log2(most),
        high=min(info.bits, -math.log2(least)) if least > 0 else info.bits,
    )


def system_canaries(
    system: str, seed: int | None, exposures: list[CanaryExposure], base: Sequence[CanaryExposure] | None, confidence: float
) -> SystemCanaries:
    """Sums up what a system knows of the canaries.

    Args:
        system: its label.
        seed: which of a run's several seeds was asked.
        exposures: of each canary.
        base: those of its base; None of the base itself.
        confidence: of the intervals.
    """
    found = [one.exposure for one in exposures if one.exposure is not None]
    pairs = zip(exposures, base or (), strict=base is not None)
    rises = [one.exposure - other.exposure for one, other in pairs if one.exposure is not None and other.exposure is not None]
    return SystemCanaries(
        system=system,
        seed=seed,
        exposure=mean_estimate(found, confidence),
        num_at_ceiling=sum(one.num_likelier == 0 for one in exposures),
        rise=mean_estimate(rises, confidence),
        canaries=exposures,
    )


def canaries_report(info: CanaryInfo, systems: list[SystemCanaries], confidence: float) -> CanariesReport:
    """Returns what the report says of the canaries."""
    return CanariesReport(
        num_canaries=info.count,
        num_controls=info.controls,
        bits=info.bits,
        ceiling=math.log2(info.controls + 1),
        expected=EXPECTED,
        estimator=ESTIMATOR,
        confidence=confidence,
        systems=systems,
    )


def in_words(report: CanariesReport) -> list[str]:
    """Returns a line for each system, for people."""
    lines = []
    for one in report.systems:
        if one.exposure is None:
            lines.append(f"canaries: {one.system} gives no likelihood of them that is a number")
            continue
        interval = "" if one.exposure.low is None else f" [{one.exposure.low:.1f}, {one.exposure.high:.1f}]"
        up = one.rise
        rise = "" if up is None or up.low is None else f", {up.value:+.1f} [{up.low:+.1f}, {up.high:+.1f}] over its base"
        lines.append(
            f"canaries: {one.system} has a mean exposure of {one.exposure.value:.1f}{interval} bits{rise}; {one.num_at_ceiling} of "
            f"{report.num_canaries} secrets are likelier than all {report.num_controls} controls ({report.expected:.1f} bits: not known)"
        )
    return lines


def _clopper_pearson(count: int, total: int, confidence: float) -> tuple[float, float]:
    from scipy.stats import beta

    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, count, total - count + 1)) if count else 0.0
    high = float(beta.ppf(1 - tail, count + 1, total - count)) if count < total else 1.0
    return low, high
