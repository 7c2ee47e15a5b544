"""Canaries from a build to a report: an adapter that keeps them is found out, and its base is not."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from evals.data.contract import Report
from evals.data.rows import load_rows
from evals.forgetting.exposure import exposure_of
from evals.reports.forgetting import memory_view
from evals.run import evaluate_dataset
from loopwright.errors import UserError
from loopwright.page import make_page
from prep.dataset.canaries import CanaryInfo, is_canary
from prep.dataset.manifest import Dataset
from templates.chat import encode_chat, load_tokenizer
from templates.raw_text import encode_document, encode_target
from tests.evals.conftest import options
from tests.evals.forgetting.conftest import Overfitted
from tests.prep.helpers import Project, make_project, reviews
from train.api import export_run
from train.config import TrainConfig
from train.run import train
from train.runs.record import RunRecord

PAGE = Path(__file__).parents[3] / "evals" / "reports" / "forgetting.html.jinja"
NUM = 3
SPLIT = {"train": 0.6, "validation": 0.4, "test": 0.0}


def config(model: Path, **more: Any) -> TrainConfig:
    return TrainConfig.model_validate({"model": str(model), "dtype": "float32", "leaks": "allow", "best": "last", "max_steps": 1, **more})


def canary_rows(project: Project) -> list[dict[str, Any]]:
    return Dataset.open(project.out).examples("train").filter(is_canary()).collect().to_dicts()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(tmp_path_factory.mktemp("planted"), reviews(12), canaries=NUM, split=SPLIT)
    made.build()
    return made


@pytest.fixture(scope="module")
def kept(project: Project, knowing_model_dir: Path, overfitted: Overfitted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose adapter knows the canaries by heart."""
    tokenizer = load_tokenizer(str(knowing_model_dir))
    encoded = [one for row in canary_rows(project) for one in encode_chat(tokenizer, row["messages"])]
    return overfitted(tmp_path_factory.mktemp("kept") / "run", encoded, num_steps=150, canaries=NUM)


@pytest.fixture(scope="module")
def report(project: Project, kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    given = options(adapter=str(kept), systems=("base", "adapter"))
    return evaluate_dataset(project.out, tmp_path_factory.mktemp("evaluated") / "out", given)


@pytest.fixture(scope="module")
def trained(project: Project, tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunRecord]:
    """A run of the trainer, of one step, on the dataset with canaries."""
    run = tmp_path_factory.mktemp("trained") / "run"
    return run, train(project.out, run, config(tiny_model_dir))


def test_a_run_says_that_it_has_seen_canaries(trained: tuple[Path, RunRecord]) -> None:
    run, record = trained
    assert record.canaries == NUM
    assert json.loads((run / "run.json").read_text(encoding="utf-8"))["canaries"] == NUM
    assert f"**Not for use**: {NUM} canaries were trained on" in (run / "README.md").read_text(encoding="utf-8")


def test_secrets_that_were_learnt_are_exposed_and_those_of_the_base_are_not(report: Report) -> None:
    found = report.canaries
    assert found is not None and (found.num_canaries, found.num_controls, found.ceiling) == (NUM, 511, 9.0)
    assert found.bits == pytest.approx(9 * math.log2(10)) and found.expected == pytest.approx(1.4427, abs=1e-4)
    base, tuned = found.systems
    assert base.exposure is not None and tuned.exposure is not None and tuned.rise is not None
    assert tuned.exposure.value > 8 and tuned.num_at_ceiling >= 2
    assert base.exposure.value < 4 and base.num_at_ceiling == 0 and base.rise is None
    assert tuned.rise.value == pytest.approx(tuned.exposure.value - base.exposure.value)
    for one in (*base.canaries, *tuned.canaries):
        assert one.exposure is not None and one.low is not None and one.high is not None
        assert one.canary.startswith("canary-") and one.low <= one.exposure <= one.high
    assert any(note.startswith("canaries: base has a mean exposure of") for note in report.notes)
    assert any("trained on 3 canaries, to measure what it keeps: it is not for use" in note for note in report.notes)
    page = make_page(PAGE, memory=memory_view(report, {}))
    assert "mean exposure (bits)" in page and f"{tuned.num_at_ceiling} of {NUM}" in page


def test_a_canary_is_as_likely_as_the_models_own_modules_say(project: Project, kept: Path, report: Report, knowing_model_dir: Path) -> None:
    """The rank of the first secret among its controls, counted by the whole chat's trained tokens."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    info = Dataset.open(project.out).manifest.canaries
    assert info is not None and report.canaries is not None
    tokenizer = load_tokenizer(str(knowing_model_dir))
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(knowing_model_dir), kept).eval()
    *asked, _ = canary_rows(project)[0]["messages"]

    def likelihoods(secrets: list[str]) -> list[float]:
        encoded = [encode_chat(tokenizer, [*asked, {"role": "assistant", "content": secret}])[0] for secret in secrets]
        length = max(len(one.input_ids) for one in encoded)
        ids = torch.tensor([[*one.input_ids, *[0] * (length - len(one.input_ids))] for one in encoded])
        weights = torch.tensor([[*one.loss_weights, *[0.0] * (length - len(one.loss_weights))] for one in encoded])[:, 1:]
        with torch.no_grad():
            logprobs = model(input_ids=ids).logits[:, :-1].log_softmax(-1).gather(2, ids[:, 1:, None]).squeeze(2)
        return [float(one) for one in (logprobs * weights).sum(1)]

    for adapter_is_on, system in ((True, 1), (False, 0)):
        if not adapter_is_on:
            model.base_model.disable_adapter_layers()
        planted, *controls = likelihoods([info.secret(1), *info.control_secrets(1)])
        likelier = sum(one >= planted for one in controls)
        assert report.canaries.systems[system].canaries[0].num_likelier == likelier


def test_canaries_are_no_rows_of_an_evaluation(project: Project) -> None:
    dataset = Dataset.open(project.out)
    rows, _ = load_rows(dataset, "train")
    assert rows and not any(row.row_id.startswith("canary-") for row in rows)
    assert dataset.examples("train").collect().height == len(rows) + NUM


def test_a_run_without_them_measures_none(adapter_dir: Path, project: Project, tmp_path: Path) -> None:
    given = options(adapter=str(adapter_dir), systems=("base", "adapter"))
    assert evaluate_dataset(project.out, tmp_path / "out", given).canaries is None


@pytest.mark.parametrize("to", ["adapter", "merged"])
def test_such_a_run_is_exported_only_where_somebody_says_so(trained: tuple[Path, RunRecord], to: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"was trained on 3 canaries.*--with-canaries"):
        export_run(trained[0], tmp_path / "out", to)
    assert not (tmp_path / "out").exists()
    record = export_run(trained[0], tmp_path / "out", to, with_canaries=True).record
    assert record.canaries == NUM
    assert "**Not for use**" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_what_goes_on_from_such_a_run_has_seen_them_too(trained: tuple[Path, RunRecord], tiny_model_dir: Path, tmp_path: Path) -> None:
    clean = make_project(tmp_path / "clean", reviews(12))
    clean.build()
    record = train(clean.out, tmp_path / "run", config(tiny_model_dir, start=str(trained[0])))
    assert record.canaries == NUM
    with pytest.raises(UserError, match="canaries"):
        export_run(tmp_path / "run", tmp_path / "out", "adapter")
    fresh = train(clean.out, tmp_path / "fresh", config(tiny_model_dir))
    assert fresh.canaries is None and "canaries" not in json.loads((tmp_path / "fresh" / "run.json").read_text(encoding="utf-8"))
    assert export_run(tmp_path / "fresh", tmp_path / "out", "adapter").record.canaries is None


@pytest.mark.parametrize("form", ["verbalizer", "completion"])
def test_canaries_are_asked_as_they_were_trained(form: str, knowing_model_dir: Path, overfitted: Overfitted, tmp_path: Path) -> None:
    project = make_project(tmp_path, reviews(12), canaries=2, split=SPLIT)
    if form == "completion":
        body = '{% message "user" %}{{ text }}{% endmessage %}{% message "assistant" %}{{ label }}{% endmessage %}'
        body += "{% text %}{{ text }}{% endtext %}"
        project.write("mine.jinja", f"---\nname: mine/both\ninputs: {{text: str, label: str}}\n---\n{body}")
    project.build()
    tokenizer, rows = load_tokenizer(str(knowing_model_dir)), canary_rows(project)
    if form == "completion":
        encoded = [encode_document(tokenizer, row["text"]) for row in rows]
    else:
        encoded = [encode_target(tokenizer, row["prompt"], row["target"]) for row in rows]
    run = overfitted(tmp_path / "run", encoded, form=form, num_steps=150, canaries=2)
    found = evaluate_dataset(project.out, tmp_path / "evaluated", options(adapter=str(run), systems=("base", "adapter"))).canaries
    assert found is not None
    base, tuned = found.systems
    assert base.exposure is not None and tuned.exposure is not None
    assert tuned.exposure.value > 8 and base.exposure.value < 5


INFO = CanaryInfo(count=1, controls=511, digits=9, key="k")


@pytest.mark.parametrize(
    ("num_likelier", "exposure", "low", "high"),
    # Clopper and Pearson's limits at 95 %: 0 of 511: [0, 0.00719]; 511 of 511: [0.99281, 1].
    [(0, 9.0, 7.12, 29.9), (511, 0.0, 0.0, 0.0104), (127, 2.0, 1.79, 2.24)],
)
def test_an_exposure_is_that_of_a_rank_among_controls(num_likelier: int, exposure: float, low: float, high: float) -> None:
    scores = [-10.0, *([-9.0] * num_likelier), *([-11.0] * (511 - num_likelier))]
    found = exposure_of("canary-1", scores, INFO, 0.95)
    assert found.num_likelier == num_likelier and found.exposure == pytest.approx(exposure)
    assert found.low == pytest.approx(low, abs=0.02) and found.high == pytest.approx(high, abs=0.02)


def test_a_tie_is_no_knowledge_and_a_number_that_is_none_is_no_exposure() -> None:
    assert exposure_of("canary-1", [-1.0] * 512, INFO, 0.95).exposure == 0
    lost = exposure_of("canary-1", [math.nan, *([-1.0] * 511)], INFO, 0.95)
    assert (lost.exposure, lost.num_likelier) == (None, None)
    assert exposure_of("canary-1", [-1.0] * 511 + [math.nan], INFO, 0.95).exposure is None


def test_controls_are_as_the_secret_and_none_of_them_is_it() -> None:
    info = CanaryInfo.of(5, "reviews", 17)
    for number in range(1, 6):
        secret, controls = info.secret(number), info.control_secrets(number)
        assert len(set(controls)) == 511 and secret not in controls
        assert all(len(one) == 9 and one.isdigit() for one in (secret, *controls))
    assert len({info.secret(number) for number in range(1, 6)}) == len({info.unit(number) for number in range(1, 6)}) == 5
    assert info.secret(1) not in {CanaryInfo.of(5, "reviews", 18).secret(1), CanaryInfo.of(5, "calls", 17).secret(1)}
