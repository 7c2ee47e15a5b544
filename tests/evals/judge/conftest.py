"""A finished evaluation whose answers are planted, people's labels of it, and judges with planted ways."""

import json
import math
import random
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from evals import judge_evaluation
from evals.data.prediction import Prediction, PredictionState
from evals.data.role import Role
from evals.data.rows import EvalRow
from evals.judge.contract import JudgeReport
from evals.run import evaluate_dataset
from evals.systems.base import SYSTEMS, EvalContext, System
from evals.systems.spec import SystemForm
from loopwright.progress import Advance
from tests.evals.conftest import SUMMARY_TEMPLATE, options
from tests.evals.fake_server import QUICK, Answer, Fake, said
from tests.helpers import summary, write_dataset

pytest.importorskip("openai")

NUM_ROWS = 80
TEMPLATE = SUMMARY_TEMPLATE.model_copy(update={"metrics": ["exact_match"], "keep": []})
ALIKE, SILENT = 3, 5
"""Rows whose answers are the same, and where the second system says nothing."""


def answers(number: int) -> tuple[str, str]:
    """The answers of both systems to a row: one is better, one is longer, and the two do not go together."""
    chosen = random.Random(number)
    better = chosen.random() < 0.7
    longer = chosen.random() < 0.5
    qualities = (7, 3) if better else (3, 7)
    tails = (" and so on" * 4, "") if longer else ("", " and so on" * 4)
    one, other = (f"Call {number}, quality {quality}{tail}." for quality, tail in zip(qualities, tails, strict=True))
    return one, one if number == ALIKE else other


class Planted(System):
    """A system that says what `answers` has for it."""

    place = 0

    @override
    def answer(self, context: EvalContext, advance: Advance) -> list[Prediction]:
        return [self._say(row) for row in context.rows_for(self)]

    def _say(self, row: EvalRow) -> Prediction:
        number = int(row.row_id[1:])
        if number == SILENT and self.place:
            return Prediction(row.id, PredictionState.PROMPT_TOO_LONG)
        return Prediction(row.id, PredictionState.OK, answers(number)[self.place])


class Trained(Planted):
    name = "trained"
    forms = (SystemForm("trained", Role.TUNED, "answers that are mostly better"),)


class Plain(Planted):
    name = "plain"
    forms = (SystemForm("plain", Role.BASE, "answers that are mostly worse"),)
    place = 1


def row_id(number: int) -> str:
    return f"s{number}/calls/summary/0"


@dataclass(frozen=True)
class Made:
    """An evaluation and its dataset."""

    out: Path
    dataset: Path


def copied(made: Made, folder: Path) -> Made:
    """Copies the evaluation, whose dataset stays where it is."""
    shutil.copytree(made.out, folder / "out", ignore=shutil.ignore_patterns("judge*"))
    return Made(folder / "out", made.dataset)


def make_dataset(folder: Path, **more: Callable[[int], str]) -> Path:
    """Writes the examples; `more` gives further columns by the row's number."""
    rows = [
        summary(
            f"What of call {number}?",
            f"Reference {number}.",
            split="train" if number >= NUM_ROWS else "validation",
            row_id=f"s{number}",
            **{name: made(number) for name, made in more.items()},
        )
        for number in range(NUM_ROWS + 4)
    ]
    return write_dataset(folder / "data", rows, templates=[TEMPLATE])


def make_evaluation(folder: Path) -> Made:
    """Evaluates both planted systems."""
    dataset = make_dataset(folder)
    with pytest.MonkeyPatch.context() as patch:
        for system in (Trained, Plain):
            patch.setitem(SYSTEMS.entries, system.name, system)
        evaluate_dataset(dataset, folder / "out", options(systems=("trained", "plain")))
    return Made(folder / "out", dataset)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_evaluation(tmp_path_factory.mktemp("judged"))


def right(number: int) -> str:
    """Which answer is better: a, the trained one, or b."""
    return "a" if "quality 7" in answers(number)[0] else "b"


LABELLED = [number for number in range(NUM_ROWS) if number not in {ALIKE, SILENT}][:45]


def winner_rows(numbers: Sequence[int] = LABELLED, says: Callable[[int], str] = right) -> list[tuple[str, str, str, str]]:
    return [(row_id(number), "trained", "plain", says(number)) for number in numbers]


def write_labels(path: Path, rows: Sequence[Sequence[str]], header: str = "id,a,b,winner") -> Path:
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """People who are always right."""
    return write_labels(tmp_path / "labels.csv", winner_rows())


_ANSWER = r"<(text-\w+) answer{}>\n(.*?)\n</\1>"


def shown(body: dict[str, Any], letter: str = "") -> str:
    """The answer that a request shows under a letter."""
    found = re.search(_ANSWER.format(letter and f" {letter}"), body["messages"][0]["content"], re.DOTALL)
    assert found is not None, body["messages"][0]["content"]
    return found[2]


def quality(text: str) -> int:
    found = re.search(r"quality (\d)", text)
    return int(found[1]) if found else 9 * ("Paris" in text)


def by_quality(first: str, second: str) -> str:
    return "A" if quality(first) > quality(second) else "B"


def with_logprobs(letter: str, sure: float = 0.9) -> dict[str, Any]:
    """An answer of one token, with the log-probabilities of the likeliest ones."""
    other = "AB".replace(letter, "")
    top = [
        {"token": letter, "logprob": math.log(sure)},
        {"token": f" {other}", "logprob": math.log(1 - sure)},
        {"token": "!", "logprob": -20.0},
    ]
    answer = said(letter, "length")
    answer["choices"][0]["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
    return answer


_KEYS = {
    "structured_outputs": "structured_outputs",
    "guided_choice": "guided_choice",
    "grammar": "grammar",
    "json_schema": "response_format",
}


def judge_by(decide: Callable[[str, str], str], method: str = "logprobs") -> Callable[[dict[str, Any], int], Answer]:
    """A judge that decides between two answers, on a server that knows one way to be kept to two letters, and passes over all others."""

    def answer(body: dict[str, Any], _: int) -> Answer:
        is_kept = _KEYS.get(method) in body
        if "Reply with one word" in body["messages"][0]["content"]:
            letter = "A" if is_kept else "yes"
        else:
            letter = decide(shown(body, "A"), shown(body, "B"))
        if method == "logprobs" and body.get("logprobs"):
            return 200, {}, with_logprobs(letter)
        if method == "json_schema" and is_kept:
            return 200, {}, said(json.dumps({"better": letter}))
        return 200, {}, said(letter if method == "text" or is_kept else f"I think {letter} is better")

    return answer


def judged(made: Made, server: Fake, labels: Path, endpoint: dict[str, Any] | None = None, **given: Any) -> JudgeReport:
    """Judges with a server that is not waited for."""
    config = {"num_resamples": 400, "endpoint": {**QUICK, **(endpoint or {})}}
    return judge_evaluation(made.out, server.argument, labels, config, **{"repeats": 10, **given}).report
