"""A voice, and how far others are from it."""

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

import evals
from evals.compare.measure import measure
from evals.compare.statistics import basic_interval, bootstrap_totals
from evals.config import EvalsConfig
from evals.data.role import Role
from evals.metrics.base import METRICS
from evals.metrics.style.voice import WIDTH, Voice, distances
from evals.testing import chats
from loopwright.errors import UserError

_PIRATE = "ahoy matey the ship sails at first light and we be off to sea arr me hearty aye"
_CLERK = "dear customer we have received your message and will reply as soon as possible thank you"
PIRATE, CLERK = _PIRATE.split(), _CLERK.split()


def replies(words: list[str], end: str, seed: int, count: int, size: int = 12) -> list[str]:
    """Returns texts of so many random words, the first of them commoner than the last."""
    chosen = random.Random(seed)
    weights = [1 / place for place in range(1, len(words) + 1)]
    return [" ".join(chosen.choices(words, weights, k=chosen.randint(size // 2, size))).capitalize() + end for _ in range(count)]


def test_the_divergence_is_that_of_scipy() -> None:
    voice = Voice.of(replies(PIRATE, "!", 0, 50))
    ours = np.stack([voice.count(text) for text in replies(CLERK, ".", 1, 20)]).sum(axis=0)
    ends = np.cumsum([101, 101, 22, 11])[:-1]
    expected = [jensenshannon(a, b, base=2) ** 2 for a, b in zip(np.split(ours, ends), np.split(voice.totals, ends), strict=True)]
    assert distances(ours, voice.totals).tolist() == pytest.approx(expected)
    assert distances(voice.totals, ours).tolist() == pytest.approx(expected), "the same both ways"
    assert distances(voice.totals * 3, voice.totals).tolist() == pytest.approx([0] * 4, abs=1e-12)


def test_what_is_counted() -> None:
    voice = Voice.of(["Ahoy! The sea, the sea!"])
    assert voice.words == ("sea", "the", "ahoy") and voice.marks == ("!", ",") and voice.num_texts == 1
    counts = voice.count("The ship!\n")
    assert counts.shape == (WIDTH,)
    assert counts[:3].tolist() == [0, 1, 0] and counts[100] == 1, "the; and one word that is not listed"
    assert counts[202:204].tolist() == [1, 0] and counts[223] == 2, "a mark, and the words that marks stand between"
    assert counts[-11:].tolist() == [0, 0, 1, *[0] * 8], "two or three words"


def test_an_empty_answer_is_as_far_as_can_be_in_what_it_lacks() -> None:
    voice = Voice.of(["Ahoy! The sea."])
    assert distances(voice.count(""), voice.totals).tolist()[0] == 1.0


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_voice_itself_is_near_and_another_far(language: str) -> None:
    if language == "zh":
        ours, other = list("喵今天也要加油呀主人喵呜最喜欢你啦"), list("尊敬的客户您好贵司来函已收悉我方将尽快予以回复")
        marks = ("喵！", "。")
    else:
        ours, other, marks = PIRATE, CLERK, ("!", ".")
    known = replies(ours, marks[0], 0, 300)
    itself, else_ = (
        evals.style_distance(replies(words, end, 9, 100), known, num_resamples=500) for words, end in zip((ours, other), marks, strict=True)
    )
    assert itself.value is not None and itself.high is not None and else_.value is not None and else_.low is not None
    assert itself.value < 0.03 and else_.value > 0.3 and itself.high < else_.low


def test_base_and_tuned_have_intervals_and_a_paired_difference() -> None:
    train, _ = chats([""] * 200, replies(PIRATE, "!", 0, 200))
    rows, tuned = chats(replies(PIRATE, "!", 2, 60), replies(PIRATE, "!", 3, 60))
    _, base = chats(replies(CLERK, ".", 4, 60), [""] * 60)
    answers = {name: {one.id: one for one in some} for name, some in (("tuned", tuned), ("base", base))}
    roles = {"tuned": Role.TUNED, "base": Role.BASE}
    found = measure(rows, {"t": ("style_distance",)}, answers, roles, EvalsConfig(num_resamples=500), train_rows=train)
    near, far = (found.values[name]["style_distance"] for name in ("tuned", "base"))
    assert near.high is not None and far.low is not None and near.high < far.low
    (pair,) = found.pairs
    assert pair.high is not None and pair.high < 0 and METRICS.get("style_distance").is_gain(-0.1)
    direct = evals.style_distance([one.answer for one in tuned], [row.reference for row in train], num_resamples=500)
    assert (near.value, near.low, near.high) == pytest.approx((direct.value, direct.low, direct.high))


def test_each_template_has_its_own_voice_and_one_without_does_not_count() -> None:
    rows, predictions = chats(["Ahoy!", "Dear you.", "Ahoy!"], ["Ahoy!", "Dear you.", "x"])
    rows = [replace(row, template=name) for row, name in zip(rows, ("pirate", "clerk", "new"), strict=True)]
    metric = METRICS.get("style_distance")().fitted(rows[:2])
    statistics = metric.statistics(rows, predictions)
    assert not statistics[2].any()
    assert float(metric.value(statistics.sum(axis=0))) == pytest.approx(0)
    crossed = metric.statistics(rows[:2], predictions[1::-1]).sum(axis=0)
    assert float(metric.value(crossed)) > 0.3, "each in the voice of the other"
    said = "style_distance: the voice is 2 answers of the train split, the references are 0.000 from it"
    assert metric.note(rows) == f"{said}; 1 examples are of templates without one"
    assert (
        METRICS.get("style_distance")().fitted([]).note(rows)
        == "style_distance: the train split has no written answers, so the references are the voice"
    )
    assert math.isnan(float(metric.value(np.zeros(statistics.shape[1]))))


@pytest.mark.parametrize(("words", "mark"), [([*PIRATE[:8], *CLERK[:8]], "."), (PIRATE, "!")])
def test_the_interval_holds_what_many_answers_would_give(words: list[str], mark: str) -> None:
    """The distance of a hundred answers against that of thousands of the same speaker, which the percentile interval does not hold."""
    voice = Voice.of(replies(PIRATE, "!", 0, 300))
    counts = np.stack([voice.count(text) for text in replies(words, mark, 1, 5_000)])
    truth = float(distances(counts.sum(axis=0), voice.totals).mean())
    held = 0
    for start in range(0, 5_000, 100):
        some = counts[start : start + 100]
        resampled = distances(bootstrap_totals(some, 200, 17), voice.totals).mean(axis=-1)
        low, high = basic_interval(resampled, float(distances(some.sum(axis=0), voice.totals).mean()), 0.95, (0.0, 1.0)) or (0.0, 0.0)
        held += low <= truth <= high
    assert held >= 45


@pytest.mark.parametrize(("texts", "voice", "side"), [([], ["a"], "texts"), (["a"], [], "voice"), (["a"], [" "], "voice")])
def test_nothing_to_measure_is_told(texts: list[str], voice: list[str], side: str) -> None:
    with pytest.raises(UserError, match=f"{side}: there is nothing to measure the style of"):
        evals.style_distance(texts, voice)


def test_length_ratio_of_references_without_a_word() -> None:
    metric = METRICS.get("length_ratio")()
    rows, predictions = chats(["a b", "汤很好"], ["", "汤好"])
    assert math.isnan(float(metric.value(metric.statistics(rows[:1], predictions[:1]).sum(axis=0))))
    assert float(metric.value(metric.statistics(rows, predictions).sum(axis=0))) == pytest.approx(5 / 2)
