"""Stages: a domain, a task on it, a preference; each from the weights of the one before, and what each of them forgets."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from loopwright.errors import UserError
from prep.dataset.manifest import Dataset
from templates.chat import load_tokenizer
from tests.helpers import summary, write_dataset
from tests.train.conftest import Command, reviews
from train.api import run_stages, train, verify_run
from train.config import StagesConfig, TrainConfig
from train.data.examples import load_examples
from train.data.mixture import Mixture
from train.engine.loop import Trainer
from train.methods.base import METHODS
from train.models.load import load_model
from train.objectives.base import OBJECTIVES
from train.runs.proof import failed_proofs
from train.runs.record import RunRecord
from train.stages.plan import plan_stages
from train.stages.result import Score, StagesResult

_SPLITS = ["train"] * 6 + ["validation"] * 3


def documents() -> list[dict[str, Any]]:
    return [
        {"split": split, "text": f"Order {place} was delivered late; customer {place % 4} wants a replacement."}
        for place, split in enumerate(_SPLITS)
    ]


def pairs() -> list[dict[str, Any]]:
    rows = []
    for place, split in enumerate(_SPLITS):
        asked = [{"role": "user", "content": f"Order {place} is damaged."}]
        good, bad = ([{"role": "assistant", "content": f"{text} {place}."}] for text in ("A replacement is on its way, order", "Wrong"))
        rows.append({"split": split, "messages": asked, "chosen": good, "rejected": bad})
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("staged")
    write_dataset(root / "domain", documents(), key="a" * 32)
    write_dataset(root / "task", reviews(8, 3), key="b" * 32)
    write_dataset(root / "pairs", pairs(), key="c" * 32)
    write_dataset(
        root / "orders", [summary(f"The customer wants {what}.", "order") for what in ("soup", "a bill", "a waiter")], key="d" * 32
    )
    return root


@pytest.fixture(scope="module")
def config(folder: Path, tiny_model_dir: Path) -> Path:
    shared = {"model": str(tiny_model_dir), "dtype": "float32", "batch_size": 4, "epochs": 2, "leaks": "allow", "lora": {"rank": 4}}
    stages = [
        {"name": "domain", "dataset": "domain", "objective": "completion", "learning_rate": 2e-2},
        {"name": "task", "dataset": "task", "learning_rate": 2e-2, "epochs": 3},
        {"name": "taste", "dataset": "pairs", "objective": "preference", "learning_rate": 1e-2},
    ]
    path = folder / "stages.yaml"
    path.write_text(json.dumps({"train": shared, "stages": stages}), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def result(folder: Path, config: Path) -> StagesResult:
    with pytest.MonkeyPatch.context() as patch:  # that options do something is shown elsewhere
        patch.setattr("train.proofs.at_end.show_effects", lambda *_: "they are shown elsewhere")
        return run_stages(folder / "out", config)


def _loss(result: StagesResult, after: str, on: str) -> Score:
    return next(one for one in result.scores if (one.after, one.on) == (after, on))


def test_each_stage_begins_with_the_weights_of_the_one_before(result: StagesResult) -> None:
    domain, task, taste = (one.record for one in result.stages)
    assert domain.start is None
    assert task.start is not None and Path(task.start.run) == result.stages[0].folder.resolve()
    assert taste.start is not None and Path(taste.start.run) == result.stages[1].folder.resolve()
    assert not result.failed_proofs
    assert taste.evidence is not None and taste.evidence.first_steps[0].loss == pytest.approx(math.log(2), abs=1e-6)
    assert task.config["lora"]["rank"] == 4, "of a section, what a stage does not say is shared"
    card = (result.out / "task" / "README.md").read_text(encoding="utf-8")
    assert "the weights that the run `domain` saved" in card


def test_the_matrix_says_what_was_learned_and_what_was_forgotten(result: StagesResult) -> None:
    assert [(one.after, one.on) for one in result.scores] == [
        (after, on) for after in ("base", "domain", "task", "taste") for on in ("domain", "task", "taste")
    ]
    for one in result.stages:
        own = _loss(result, one.name, one.name)
        assert own.loss == pytest.approx(one.record.validation_loss, rel=1e-5), "a model's own column is its validation loss"
        assert own.loss is not None and own.low is not None and own.high is not None and own.low < own.loss < own.high
    for on, before in (("domain", "base"), ("task", "domain"), ("taste", "task")):
        later, earlier = _loss(result, on, on).loss, _loss(result, before, on).loss
        assert later is not None and earlier is not None and later < earlier
    assert _loss(result, "task", "taste").loss == pytest.approx(math.log(2), abs=1e-6), "the model that the stage compares with"
    assert _loss(result, "base", "taste").loss != pytest.approx(math.log(2), abs=1e-3)
    for change in result.changes:
        now, then = _loss(result, "taste", change.on).loss, _loss(result, change.on, change.on).loss
        assert now is not None and then is not None and change.rise == pytest.approx(now - then, abs=1e-6)
        assert change.on in change.verdict
    assert [change.on for change in result.changes] == ["domain", "task"]
    saved = json.loads((result.out / "stages.json").read_text(encoding="utf-8"))
    assert saved.pop("key") and saved == result.as_json()
    assert result.to_polars().height == 12 and "base" in result._repr_html_()


def test_stages_that_are_there_are_neither_trained_nor_measured_again(
    result: StagesResult, config: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.session.load_for_training", lambda *_: pytest.fail("a stage was trained again"))
    monkeypatch.setattr("train.stages.matrix.load_for_training", lambda *_: pytest.fail("a model was measured again"))
    code, out, err = command("stages", "--config", config, "--out", result.out, "--json")
    assert code == 0, err
    assert json.loads(out) == result.as_json()
    code, out, err = command("stages", "--config", config, "--out", result.out)
    assert code == 0 and "loss on domain" in out and "since its own stage" in err, err


def test_a_stage_is_proven_on_what_it_began_with(result: StagesResult, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.proofs.verify.show_effects", lambda *_: "they are shown elsewhere")
    proofs = verify_run(result.out / "taste", folder / "pairs")
    assert proofs["first_steps"].passed is True and proofs["reference_start"].passed is True
    assert proofs["saved_weights"].passed is True and not failed_proofs(proofs)
    (result.out / "task").rename(folder / "moved")
    try:
        proofs = verify_run(result.out / "taste", folder / "pairs")
    finally:
        (folder / "moved").rename(result.out / "task")
    for name in ("first_steps", "moved_logits"):
        assert proofs[name].passed == "not applicable" and "not there any more" in proofs[name].reason
    assert proofs["packed_equals_unpacked"].passed is True and not failed_proofs(proofs)


def test_a_preference_is_measured_against_the_weights_that_it_starts_from(
    result: StagesResult, folder: Path, options: Callable[..., TrainConfig]
) -> None:
    config = options(objective="preference", lora={"rank": 4})
    objective = OBJECTIVES.get("preference")(config)
    data = load_examples(Dataset.open(folder / "pairs"), objective, load_tokenizer(config.model), config, 512)
    method, start = METHODS.get("lora")(config), result.out / "task"

    def reference(weights: Path | None) -> torch.Tensor:
        trainer = Trainer.begin(load_model(config.model, "float32"), objective, method, data, start=weights)
        trainer.passes.ask_reference(data.train)
        assert trainer.passes.reference is not None
        return trainer.passes.reference.logprobs

    tuned = METHODS.get("lora").load(load_model(config.model, "float32"), start)
    found, of_base = reference(start), reference(None)
    flat = [sequence for example in data.train for sequence in example.sequences]
    for place, sequence in enumerate(flat):
        ids = torch.tensor([sequence.encoded.input_ids])
        with torch.no_grad():
            logprobs = tuned(input_ids=ids).logits[0].log_softmax(-1)
        expected = sum(logprobs[position, target] for position, target in zip(sequence.positions, sequence.targets, strict=True))
        assert found[place].item() == pytest.approx(float(expected), abs=1e-3)
    assert not torch.allclose(found, of_base, atol=0.1)


def test_a_run_on_other_weights_does_not_go_on_with_a_stage(result: StagesResult, folder: Path, tmp_path: Path) -> None:
    record = result.stages[1].record
    config = TrainConfig.model_validate(record.config)
    copy = tmp_path / "domain"
    shutil.copytree(result.out / "domain", copy)
    again = train(folder / "task", result.out / "task", config.model_copy(update={"start": str(copy)}), resume=True)
    assert again.record == record, "the same weights in another place are the same start"
    with pytest.raises(UserError, match=r"start was '[0-9a-f]+', is None"):
        train(folder / "task", result.out / "task", config.model_copy(update={"start": None}), resume=True)


def test_a_share_of_the_stages_before_is_replayed(folder: Path, options: Callable[..., TrainConfig]) -> None:
    asked = StagesConfig.model_validate(
        {
            "stages": [
                {"name": "domain", "dataset": "domain", "objective": "completion"},
                {"name": "task", "dataset": "task"},
                {"name": "more", "mixture": {"datasets": {"orders": "orders"}, "epoch_size": 3}, "replay": 0.25},
            ]
        }
    )
    stages = plan_stages(asked, options(), folder, "stages")
    source = stages[2].source
    assert isinstance(source, Mixture) and isinstance(stages[2].own, Mixture)
    assert source.counts({"orders": 3, "replay-task": 8}) == {"orders": 3, "replay-task": 1}, "documents are no chats"
    rows = source.open().examples().collect()
    assert set(rows.filter(dataset="replay-task")["split"]) == {"train"}, "it is measured on its own rows alone"
    with pytest.raises(UserError, match="there is nothing to replay"):
        plan_stages(asked.model_copy(update={"stages": (asked.stages[0], asked.stages[2])}), options(), folder, "stages")


def _stage(name: str = "next", **more: Any) -> dict[str, Any]:
    return {"name": name, "dataset": "task", **more}


@pytest.mark.parametrize(
    ("stages", "told"),
    [
        (None, "no list of stages"),
        ({"a": 1}, "no list"),
        ([], "It must not be empty"),
        ([{"dataset": "task"}], "'stages.0.name' is missing"),
        ([_stage("../out")], "'../out' is not fit"),
        ([_stage("a"), _stage("A")], "the name 'A' is taken by 'a'"),
        ([{"name": "a"}], "ither a dataset or a mixture"),
        ([_stage(mixture={"datasets": {"x": "task"}})], "ither a dataset or a mixture"),
        ([_stage(epoch=3)], "Did you mean 'epochs'?"),
        ([_stage(epochs=0)], "'epochs' is 0"),
        ([_stage(model="other")], "all stages have one base model"),
        ([_stage(start="other")], "a stage starts from the one before"),
        ([_stage(replay=0.1)], "the first stage has nothing to replay"),
        ([_stage("a"), _stage("b", replay=1)], "replay"),
        ([_stage("a"), _stage("b", method="full")], "method is full, and was lora"),
        ([_stage("a"), _stage("b", lora={"rank": 2})], "lora.rank is 2, and was 4"),
        ([_stage("a"), _stage("b", objective="reward")], "another kind of model"),
        ([_stage("a"), _stage("b", objective="chatt")], "Did you mean 'chat'?"),
        ([_stage("a"), _stage("b", dataset="nowhere")], "no such dataset folder"),
        ([_stage("a"), _stage("b", dataset="domain")], "no training example has"),
    ],
)
def test_what_is_wrong_with_stages_is_said_before_any_is_trained(
    stages: Any, told: str, config: Path, tmp_path: Path, command: Command
) -> None:
    path = config.parent / "wrong.yaml"
    path.write_text(json.dumps({**json.loads(config.read_text(encoding="utf-8")), "stages": stages}), encoding="utf-8")
    code, _, err = command("stages", "--config", path, "--out", tmp_path / "out")
    assert code == 2 and told in " ".join(err.split()), err
    assert not (tmp_path / "out").exists()


def test_a_folder_of_others_is_not_touched(folder: Path, config: Path, tmp_path: Path, command: Command) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    code, _, err = command("stages", "--config", config, "--out", tmp_path)
    assert code == 2 and "holds 'notes.txt', which is none of these stages" in err
    code, _, err = command("stages", "--config", config, "--out", tmp_path / "notes.txt")
    assert code == 2 and "is a file" in err
    code, _, err = command("run", "--config", config, "--out", tmp_path / "out")
    assert code == 2 and f"train stages --config {config} --out DIR" in " ".join(err.split())


def test_a_stage_without_validation_rows_has_no_scores_and_says_why(
    folder: Path, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.proofs.at_end.show_effects", lambda *_: "they are shown elsewhere")
    options = json.loads(config.read_text(encoding="utf-8"))["train"]
    asked = {"train": options, "stages": [{"name": "orders", "dataset": str(folder / "orders"), "max_steps": 1}]}
    result = run_stages(tmp_path / "out", asked)
    assert [(one.after, one.loss, one.why_not) for one in result.scores] == [
        (after, None, "there are no validation rows") for after in ("base", "orders")
    ]
    assert RunRecord.load(tmp_path / "out" / "orders").num_steps == 1
    assert result.changes == []
