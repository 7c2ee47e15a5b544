"""Forgetting from end to end: base and tuned on probe sets, through the library's door and the command's."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from evals.cli import app
from evals.config import ForgettingOptions
from evals.data.contract import Report
from evals.forgetting.plan import TunedModel
from evals.reports.forgetting import memory_view
from evals.run import evaluate_dataset
from loopwright.errors import UserError
from loopwright.page import make_page
from tests.evals.conftest import make_run, options, review_rows
from tests.evals.forgetting.conftest import GENERAL
from tests.helpers import write_dataset
from train.runs.record import RunRecord

PAGE = Path(__file__).parents[3] / "evals" / "reports" / "forgetting.html.jinja"


@pytest.fixture(scope="module")
def probes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("probes")
    (folder / "general.txt").write_text("\n\n".join(GENERAL), encoding="utf-8")
    choices = ["great", "slow", "wrong"]
    known = [{"question": f"Was the soup {number} great?", "choices": choices, "answer": number % 3} for number in range(9)]
    (folder / "known.jsonl").write_text("".join(json.dumps(row) + "\n" for row in known), encoding="utf-8")
    (folder / "sums.jsonl").write_text('{"question": "2 + 2?", "answer": "#### 4"}\n{"question": "3?", "answer": 3}\n', encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def few_reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("few") / "data", review_rows(8, 4))


@pytest.fixture(scope="module")
def idle_dir(tmp_path_factory: pytest.TempPathFactory, knowing_model_dir: Path) -> Path:
    """A run whose adapter changes nothing."""
    return make_run(tmp_path_factory.mktemp("idle") / "run", knowing_model_dir, scale=0.0)


@pytest.fixture(scope="module")
def damaged_dir(tmp_path_factory: pytest.TempPathFactory, knowing_model_dir: Path) -> Path:
    """A run whose adapter is random, and so large that little is left of the model."""
    return make_run(tmp_path_factory.mktemp("damaged") / "run", knowing_model_dir, scale=8.0)


@pytest.fixture(scope="module")
def report(few_reviews: Path, probes: Path, idle_dir: Path, damaged_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Two tuned systems on one load: one that does nothing, and one whose weights are random and large."""
    systems = ("base", f"adapter:{idle_dir}", f"adapter:{damaged_dir}")
    fast = ForgettingOptions(max_new_tokens=3)
    given = options(systems=systems, probes=str(probes), forgetting=fast)
    return evaluate_dataset(few_reviews, tmp_path_factory.mktemp("evaluated") / "out", given)


def test_an_adapter_without_effect_forgets_nothing(report: Report, idle_dir: Path) -> None:
    assert report.forgetting is not None
    idle = report.forgetting.systems[0]
    assert idle.system == f"adapter:{idle_dir}" and idle.passed
    [text] = idle.texts
    assert (text.rise, text.upper, text.num_documents, text.passed) == (0.0, 0.0, 12, True)
    assert text.base == text.tuned and text.base is not None and 0 < text.base < 4
    assert [(one.num_gained, one.num_lost) for one in idle.answers] == [(0, 0), (0, 0)]


def test_a_damaged_adapter_does_not_pass_the_gate(report: Report, damaged_dir: Path) -> None:
    assert report.forgetting is not None
    damaged = report.forgetting.systems[1]
    [text] = damaged.texts
    assert damaged.passed is False and text.rise is not None and text.rise > 0.05
    assert text.low is not None and text.upper is not None and text.high is not None
    assert text.low < text.rise < text.upper < text.high
    gates = {gate.name: gate for gate in report.gates}
    assert [gate.passed for gate in gates.values()] == [True, False]
    failed = gates[f"forgetting: max_rise (adapter:{damaged_dir}, general)"]
    assert (failed.value, failed.limit) == (text.upper, 0.05)
    assert any(one.startswith(f"forgetting: adapter:{damaged_dir} on general: +") and "does not pass" in one for one in report.warnings)
    assert any("passes the gate of 0.05" in one for one in report.notes)


def test_each_set_stands_by_itself(report: Report) -> None:
    assert report.forgetting is not None
    for system in report.forgetting.systems:
        known, sums = system.answers
        assert (known.probe, known.kind, known.num_questions) == ("known", "choices", 9) and known.chance == pytest.approx(1 / 3)
        assert (sums.probe, sums.kind, sums.num_questions, sums.chance) == ("sums", "number", 2, 0.0)
        assert known.retention is None and known.not_measurable is not None  # a random model is at chance
        assert known.tuned.value - known.base.value == pytest.approx(known.difference)
    assert sum("retention is not measurable: the base is not shown to be above chance" in note for note in report.notes) == 4


def test_a_choice_is_taken_by_its_likelihood_a_letter(few_reviews: Path, tiny_model_dir: Path, adapter_dir: Path, tmp_path: Path) -> None:
    """Worked out again from the model's own modules, one choice at a time."""
    import torch

    from templates.chat import ChatTemplateConfig, encode_continuation
    from train.inference.language_model import LanguageModel

    rows: list[dict[str, Any]] = [
        {"question": f"Was {noun} slow?", "choices": ["positive", "no", "wrong, the bill"], "answer": 1} for noun in ("soup", "bread")
    ]
    (tmp_path / "known.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    given = options(adapter=str(adapter_dir), systems=("base", "adapter"), probes=str(tmp_path / "known.jsonl"))
    found = evaluate_dataset(few_reviews, tmp_path / "out", given).forgetting
    loaded = LanguageModel(str(tiny_model_dir), "float32", {"x": adapter_dir}, ChatTemplateConfig())
    rights = []
    for adapter in (None, "x"):
        right = 0
        with loaded.with_adapter(adapter) as model, torch.no_grad():
            for row in rows:
                scores = []
                for choice in row["choices"]:
                    encoded = encode_continuation(loaded.tokenizer, f"Question: {row['question']}\nAnswer:", f" {choice}")
                    ids = encoded.context_ids + encoded.continuation_ids
                    logprobs = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
                    places = range(len(encoded.context_ids), len(ids))
                    scores.append(sum(float(logprobs[place - 1, ids[place]]) for place in places) / len(choice))
                right += max(range(3), key=scores.__getitem__) == row["answer"]
        rights.append(right / 2)
    assert found is not None and not found.systems[0].texts and found.systems[0].passed is None
    [one] = found.systems[0].answers
    assert [one.base.value, one.tuned.value] == rights


@pytest.mark.parametrize(
    ("changes", "name", "expected"), [({"questions": 4}, "known", 4), ({"written": 1}, "sums", 1), ({"written": 0}, "sums", None)]
)
def test_fewer_questions_are_asked_on_request(  # noqa: PLR0917
    changes: dict[str, int], name: str, expected: int | None, few_reviews: Path, probes: Path, idle_dir: Path, tmp_path: Path
) -> None:
    fast = ForgettingOptions.model_validate({"max_new_tokens": 2, **changes})
    given = options(adapter=str(idle_dir), systems=("base", "adapter"), probes=str(probes), forgetting=fast)
    found = evaluate_dataset(few_reviews, tmp_path / "out", given)
    assert found.forgetting is not None
    asked = {one.probe: one.num_questions for one in found.forgetting.systems[0].answers}
    assert asked.get(name) == expected
    assert any("the questions of sums are not asked" in note for note in found.notes) is (expected is None)


def test_the_longest_written_answer_is_as_long_as_asked_for(
    few_reviews: Path, probes: Path, idle_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evals.forgetting import questions
    from train.inference.generation import generate

    seen: list[int] = []

    def spy(*given: Any, **named: Any) -> Any:
        seen.append(named["max_new_tokens"])
        return generate(*given, **named)

    monkeypatch.setattr(questions, "generate", spy)
    fast = ForgettingOptions(max_new_tokens=5)
    given = options(adapter=str(idle_dir), systems=("base", "adapter"), probes=str(probes / "sums.jsonl"), forgetting=fast)
    evaluate_dataset(few_reviews, tmp_path / "out", given)
    assert seen == [5, 5]


def test_probes_without_a_run_or_with_a_bad_set_are_refused_before_a_model_is_loaded(
    few_reviews: Path, tiny_model_dir: Path, adapter_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.jsonl").write_text('{"text": "x"}\n{"text": ""}\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"--probes compares a tuned model with its base, and no run is evaluated.*--adapter RUN"):
        evaluate_dataset(few_reviews, tmp_path / "out", options(model=str(tiny_model_dir), probes=str(tmp_path)))
    with pytest.raises(UserError, match=r"bad.jsonl:2: 'text' is no text"):
        evaluate_dataset(few_reviews, tmp_path / "out", options(adapter=str(adapter_dir), probes=str(tmp_path)))
    assert not (tmp_path / "out").exists()


def test_the_command_says_it_and_the_report_keeps_it(few_reviews: Path, probes: Path, damaged_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    given = ["run", str(few_reviews), "--adapter", str(damaged_dir), "--systems", "base,adapter", "--dtype", "float32"]
    result = CliRunner().invoke(app, [*given, "--probes", str(probes / "general.txt"), "--memorised", "5", "--out", str(out)])
    assert result.exit_code == 1, result.output
    assert "does not pass the gate of 0.05" in " ".join(result.output.split())
    written = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert written["forgetting"]["systems"][0]["texts"][0]["passed"] is False
    assert written["memorised"]["num_too_short"] == 5 and written["canaries"] is None
    del written["forgetting"], written["memorised"], written["canaries"]  # a report of before
    assert Report.model_validate(written).forgetting is None


def test_the_page_shows_a_section_of_its_own(report: Report, idle_dir: Path, damaged_dir: Path) -> None:
    names = {f"adapter:{idle_dir}": "idle", f"adapter:{damaged_dir}": "<damaged>"}
    view = memory_view(report, names)
    assert view is not None and view.passed is False
    page = make_page(PAGE, memory=view)
    assert "&lt;damaged&gt;" in page and "Not passed" in page and "not shown to be above chance" in page and "Canaries" not in page
    assert memory_view(report.model_copy(update={"forgetting": None}), names) is None
    assert make_page(PAGE, memory=None).strip() == ""


def test_of_several_seeds_the_one_that_stands_for_them_is_asked(adapter_dir: Path) -> None:
    record = RunRecord.load(adapter_dir)
    one = TunedModel("adapter", "runs/a", record)
    assert (one.adapter, one.seed) == ("runs/a", None)
    several = TunedModel("adapter", "runs/a", record.model_copy(update={"seeds": [3, 17, 5], "seed": 17}))
    assert (several.adapter, several.seed) == (str(Path("runs/a/seed-17")), 17)
