"""From timings to predictions, on made-up machines."""

import random
import sys

import pytest

from templates.chat import Encoded
from train.config import TrainConfig
from train.data.examples import TrainingExample
from train.engine.flops import FlopModel
from train.engine.free_memory import available_bytes, used_bytes
from train.engine.memory import peak_memory_bytes
from train.objectives.base import TokenSequence
from train.preflight.memory import MeasuredMemory, forget_peak
from train.preflight.pace import Pace
from train.preflight.work import RunWork, Work, padding_share

MODEL = FlopModel(1e9, 2e8, 1e5)


def example(name: str, length: int, num_targets: int = 2) -> TrainingExample:
    encoded = Encoded("", [1] * length, [0.0] * length, [], [])
    targets = list(range(num_targets))
    return TrainingExample(name, name, "x:1", (TokenSequence(encoded, targets, targets, [1.0] * num_targets),), 1.0)


def some_works() -> list[Work]:
    lengths = ([30, 40], [60, 64, 70], [200, 230], [512], [1500], [90] * 20)
    return [
        Work.of([example(f"{index}-{place}", one) for place, one in enumerate(batch)], packed=True) for index, batch in enumerate(lengths)
    ]


def law(work: Work) -> float:
    return 0.05 + 2e-12 * work.flops(MODEL) + 3e-7 * work.num_squares


def test_a_machine_that_keeps_the_law_is_predicted() -> None:
    works = some_works()
    pace = Pace.fit([(work, law(work)) for work in works], MODEL)
    unseen = Work.of([example("a", 900), example("b", 1000)], packed=True)
    assert pace.seconds(unseen) == pytest.approx(law(unseen), rel=1e-3)
    assert pace.uncertainty == pytest.approx(0.15, abs=1e-3)  # what the machine's drift leaves
    assert pace.total([unseen] * 3, 2.0).value == pytest.approx(6 * law(unseen), rel=1e-3)


def test_the_interval_holds_on_noisy_machines() -> None:
    works, chooser, held, widths = some_works(), random.Random(7), 0, []
    whole = sum(map(law, works)) * 10
    for _ in range(200):
        pace = Pace.fit([(work, law(work) * chooser.lognormvariate(0, 0.15)) for work in works for _ in range(2)], MODEL)
        found = pace.total(works, 10)
        held += found.low <= whole <= found.high
        widths.append(found.high / found.value - 1)
    assert held >= 190
    assert 0.15 < sum(widths) / len(widths) < 0.5


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_timings_give_a_wide_interval_and_no_negative_time(count: int) -> None:
    timed = [(work, 1.0 / (place + 1)) for place, work in enumerate(some_works()[:count])]  # the longer the faster: nonsense
    pace = Pace.fit(timed, MODEL)
    assert all(pace.seconds(work) > 0 for work in some_works())
    assert 0.15 < pace.uncertainty <= 1.0


def test_an_outlier_in_one_round_moves_little() -> None:
    works = some_works()
    timed = [(work, law(work)) for work in works for _ in range(3)]
    timed[4] = (timed[4][0], timed[4][1] * 9)
    pace = Pace.fit(timed, MODEL)
    assert all(pace.seconds(work) == pytest.approx(law(work), rel=0.01) for work in works)
    assert pace.uncertainty > 0.2


def test_padding_is_counted_where_there_is_some() -> None:
    batch = [example("a", 10), example("b", 30)]
    padded, packed = Work.of(batch, packed=False), Work.of(batch, packed=True)
    assert (padded.num_tokens, padded.num_positions, packed.num_positions) == (40, 60, 40)
    assert padding_share([padded]) == pytest.approx(1 / 3)
    assert padding_share([packed]) == 0


def test_a_long_run_is_looked_at_here_and_there(monkeypatch: pytest.MonkeyPatch) -> None:
    examples = [example(str(number), 20 + number) for number in range(23)]
    config = TrainConfig(batch_size=4, epochs=5, micro_batch_tokens=100)
    whole = RunWork.of(examples, config, packed=True, apart=False)
    monkeypatch.setattr("train.preflight.work._MOST_STEPS", 7)
    few = RunWork.of(examples, config, packed=True, apart=False)
    assert (few.num_steps, few.num_tokens, few.num_trained_tokens) == (whole.num_steps, whole.num_tokens, whole.num_trained_tokens)
    assert whole.num_steps == 30 and whole.num_tokens == 5 * sum(one.num_tokens for one in examples)
    assert len(few.works) < len(whole.works) and few.scale * 6 == 30
    assert whole.accumulates and not RunWork.of(examples, TrainConfig(batch_size=2), packed=True, apart=False).accumulates


def test_memory_is_asked_of_the_system() -> None:
    assert available_bytes() > 100_000_000
    assert used_bytes() > 10_000_000
    found = MeasuredMemory(1_000, 400, 100).of_run(num_proof_positions=300, num_kept_bytes=50)
    assert found.value == pytest.approx(1_250e-9) and found.low == pytest.approx(960e-9)
    assert found.high == pytest.approx((1_560 + 600 * 2 + 50) * 1e-9)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak is that of the whole process")
def test_what_a_process_took_before_is_forgotten() -> None:
    block = bytearray(300_000_000)
    before = peak_memory_bytes()
    del block
    forget_peak()
    assert peak_memory_bytes() < before - 200_000_000
