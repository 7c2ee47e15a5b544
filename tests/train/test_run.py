"""A run through its public door: what lies in the folder afterwards, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest
import torch

from loopwright.errors import UserError, UserErrors
from tests.helpers import encode_one, review, write_dataset
from tests.train.conftest import reviews
from train.config import LoraOptions, Loss, TrainConfig
from train.data.examples import TrainingExample
from train.data.packing import MicroBatch, collate
from train.engine.checkpoint import Checkpoint
from train.engine.loss import Scorer
from train.engine.optim import learning_rate
from train.ledger import ledger as ledger_module
from train.ledger.ledger import LEDGER_SCHEMA, Ledger
from train.methods.base import trainable
from train.methods.lora import Lora
from train.models.load import load_model, unwrapped
from train.models.quantize import load_for_training
from train.run import train
from train.runs.record import RunRecord

Options = Callable[..., TrainConfig]
Finished = tuple[Path, RunRecord]


def test_run_learns_and_says_what_it_did(finished_run: Finished, dataset_dir: Path) -> None:
    run_dir, record = finished_run
    ledger = pl.read_parquet(run_dir / "ledger.parquet")
    mean = (pl.col("loss") * pl.col("num_trained_tokens")).sum() / pl.col("num_trained_tokens").sum()
    first, last = (ledger.filter(epoch=epoch).select(mean).item() for epoch in (1, 3))
    # The frozen, random head keeps the tiny model's loss within a few tenths of ln(500): what counts is that it falls.
    assert record.final_train_loss == pytest.approx(last)
    assert last < first - 0.02
    assert record.validation_loss_before is not None
    assert record.validation_losses[-1][1] < record.validation_loss_before
    assert record.validation_loss == record.validation_losses[-1][1]
    assert (record.num_examples, record.num_validation_examples, record.num_steps) == (11, 3, 9)
    assert record.num_trained_tokens == ledger["num_trained_tokens"].sum()
    assert record.num_tokens > record.num_trained_tokens > 0
    assert record.form == "chat"
    assert record.packed
    assert RunRecord.load(run_dir) == record
    assert sorted(path.name for path in run_dir.iterdir()) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "chat_template.jinja",
        "checkpoints",
        "ledger.parquet",
        "metrics.jsonl",
        "report.html",
        "run.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "validation.json",
    ]
    assert (run_dir / "run.json").stat().st_mode & 0o777 == 0o600


def test_adapter_loads_through_peft_with_the_same_effect(
    finished_run: Finished, tiny_model_dir: Path, dataset_dir: Path, tmp_path: Path, options: Options
) -> None:
    from peft import PeftModel

    torch.manual_seed(3)
    ids = torch.randint(0, 400, (2, 20))
    method = Lora(options(lora={"rank": 4}))
    trained = method.fresh(load_model(str(tiny_model_dir), "float32"))
    with torch.no_grad():
        for parameter in trainable(trained).values():
            parameter.normal_(std=0.2)
    method.save(trained.eval(), tmp_path)
    with torch.no_grad():
        expected = trained(input_ids=ids).logits
        base = load_model(str(tiny_model_dir), "float32")(input_ids=ids).logits
        read = PeftModel.from_pretrained(load_model(str(tiny_model_dir), "float32"), tmp_path)
        torch.testing.assert_close(read(input_ids=ids).logits, expected, rtol=1e-5, atol=1e-5)
        ours = Lora.load(load_model(str(tiny_model_dir), "float32"), finished_run[0])
        assert (ours(input_ids=ids).logits - base).abs().max() > 1e-2
        with Lora.using(ours, None) as off:
            assert torch.equal(off(input_ids=ids).logits, base)


def test_several_adapters_share_one_base_in_its_precision(
    finished_run: Finished, plain_run: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    ids = torch.arange(3, 23)[None]
    model = Lora.load(load_model(str(tiny_model_dir), "bfloat16"), finished_run[0], "first")
    model = Lora.load(model, plain_run, "second")
    assert {parameter.dtype for name, parameter in model.named_parameters() if "lora" in name} == {torch.bfloat16}
    with torch.no_grad():
        logits = {}
        for name, folder in (("first", finished_run[0]), ("second", plain_run)):
            with Lora.using(model, name) as switched:
                logits[name] = switched(input_ids=ids).logits.float()
            exact = Lora.load(load_model(str(tiny_model_dir), "float32"), folder)(input_ids=ids).logits
            assert (logits[name] - exact).norm() / exact.norm() < 0.02
        assert (logits["first"] - logits["second"]).norm() / logits["second"].norm() > 0.02
    with pytest.raises(UserError, match="the folder holds no adapter"):
        Lora.load(model, tmp_path)


def test_ledger_holds_the_losses_of_the_forward_passes(tiny_model_dir: Path, dataset_dir: Path, tmp_path: Path, options: Options) -> None:
    """With a learning rate of next to nothing every epoch sees the base model, whose losses are recomputed here."""
    from prep.dataset.manifest import Dataset
    from templates.chat import load_tokenizer

    train(dataset_dir, tmp_path / "run", options(learning_rate=1e-12))
    ledger = pl.read_parquet(tmp_path / "run" / "ledger.parquet")
    assert ledger.schema == LEDGER_SCHEMA
    model, tokenizer = load_model(str(tiny_model_dir), "float32"), load_tokenizer(str(tiny_model_dir))
    examples = Dataset.open(dataset_dir).examples("train").collect().to_dicts()
    assert sorted(ledger["id"]) == sorted([row["id"] for row in examples] * 2)
    for row in examples:
        encoded = encode_one(tokenizer, row["messages"])
        ids, trained = torch.tensor(encoded.input_ids), torch.tensor(encoded.loss_weights)[1:] > 0
        with torch.no_grad():
            logprobs = model(input_ids=ids[None]).logits[0, :-1].log_softmax(-1)[trained]
        expected = -logprobs[torch.arange(int(trained.sum())), ids[1:][trained]].mean().item()
        for seen in ledger.filter(id=row["id"]).to_dicts():
            assert seen["loss"] == pytest.approx(expected, abs=1e-4)
            assert seen["num_trained_tokens"] == int(trained.sum())


def test_learning_and_forgetting_are_counted_over_epochs() -> None:
    correct = {"a": [False, True, False, True, False], "b": [False] * 5, "c": [True] * 5}
    rows = [
        {"id": name, "row_id": name, "epoch": epoch, "step": epoch, "loss": 1.0, "margin": 0.0, "num_trained_tokens": 1, "correct": value}
        for name, values in correct.items()
        for epoch, value in enumerate(values, start=1)
    ]
    ledger = Ledger()
    ledger.restore(pl.DataFrame(rows, schema=ledger_module._RECORDED).sample(fraction=1, shuffle=True, seed=1))
    found = {row["id"]: (row["first_learned"], row["times_forgotten"]) for row in ledger.finished().to_dicts()}
    assert found == {"a": (2, 2), "b": (None, 0), "c": (1, 0)}


def test_equal_runs_are_equal_to_the_byte(finished_run: Finished, dataset_dir: Path, tmp_path: Path) -> None:
    run_dir, record = finished_run
    train(dataset_dir, tmp_path / "again", TrainConfig.model_validate(record.config))
    for name in ("adapter_model.safetensors", "adapter_config.json", "ledger.parquet"):
        assert (tmp_path / "again" / name).read_bytes() == (run_dir / name).read_bytes(), name


CHANGES: list[dict[str, Any]] = [
    {"epochs": 3},
    {"max_steps": 1},
    {"learning_rate": 1e-3},
    {"batch_size": 2},
    {"warmup": 0.9},
    {"schedule": "constant"},
    {"schedule": "linear"},
    {"schedule": "wsd"},
    {"optimizer": "adafactor"},
    {"normalize": "example"},
    {"weight_decay": 5.0},
    {"max_grad_norm": 1e-3},
    {"lora": {"rank": 2}},
    {"lora": {"alpha": 4}},
    {"lora": {"dropout": 0.5}},
    {"lora": {"targets": ["q_proj"]}},
    {"lora": {"rslora": True}},
    {"lora": {"dora": True}},
    {"lora": {"plus_ratio": 16}},
    {"dtype": "bfloat16"},
    {"seed": 5},
]
# What these do is shown by tests of their own: further down, in test_examples.py, test_leaks.py and objectives/.
SHOWN_ELSEWHERE = {"model", "objective", "method", "max_length", "truncation", "validation", "checkpoint_every"} | {
    "micro_batch_size",
    "micro_batch_tokens",
    "leaks",
    "verbalizer_loss",
    "stride",
    "freeze",
    "quantize",
    "best",
    "early_stopping",
    "keep_checkpoints",
    *("loss", *get_args(Loss)),
    *("seeds", "start", "influence", "track", "exact", "compile", "activation_checkpointing", "shard"),
}


def test_no_option_is_without_a_test_of_its_effect() -> None:
    changed = {name for change in CHANGES for name in change}
    assert changed | SHOWN_ELSEWHERE == TrainConfig.model_fields.keys()
    assert {name for change in CHANGES for name in change.get("lora", {})} == LoraOptions.model_fields.keys()


@pytest.mark.parametrize("change", CHANGES)
def test_every_option_changes_the_result(
    plain_run: Path, change: dict[str, Any], dataset_dir: Path, tmp_path: Path, options: Options
) -> None:
    train(dataset_dir, tmp_path / "run", options(validation=False, **change))
    changed = (tmp_path / "run" / "adapter_model.safetensors").read_bytes()
    assert changed != (plain_run / "adapter_model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory: pytest.TempPathFactory, tiny_model_dir: Path, dataset_dir: Path) -> Path:
    run_dir = tmp_path_factory.mktemp("plain") / "run"
    config = {"model": str(tiny_model_dir), "dtype": "float32", "batch_size": 4, "learning_rate": 1e-2, "validation": False} | {
        "leaks": "allow"
    }
    train(dataset_dir, run_dir, TrainConfig.model_validate(config))
    return run_dir


def test_options_that_do_not_change_the_adapter_change_what_they_are_for(
    plain_run: Path, dataset_dir: Path, tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert RunRecord.load(plain_run).validation_loss is None
    forward_passes: list[int] = []
    checkpoints: list[int] = []

    def counting_collate(group: list[TrainingExample], device: torch.device, *, packed: bool) -> MicroBatch:
        forward_passes.append(len(group))
        return collate(group, device, packed=packed)

    def counting_save(self: Checkpoint, run_dir: Path, identity: dict[str, Any]) -> None:
        checkpoints.append(self.progress.num_steps)

    monkeypatch.setattr("train.engine.passes.collate", counting_collate)
    monkeypatch.setattr(Checkpoint, "save", counting_save)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    train(dataset_dir, tmp_path / "a", options(validation=False, micro_batch_size=2, checkpoint_every=2, epochs=1, keep_checkpoints=[]))
    assert max(forward_passes[:6]) == 2  # behind these come the passes of the proofs
    assert checkpoints == [2, 3]
    forward_passes.clear()
    train(dataset_dir, tmp_path / "b", options(validation=False, micro_batch_tokens=1, epochs=1))
    assert forward_passes[:11] == [1] * 11
    with pytest.raises(UserError, match="where the limit is 10"):
        train(dataset_dir, tmp_path / "c", options(max_length=10))
    with pytest.raises(UserError, match="unknown objective 'chatt'"):
        train(dataset_dir, tmp_path / "c", options(objective="chatt"))
    with pytest.raises(UserError, match=r"unknown method 'lorra'.*Did you mean 'lora'"):
        train(dataset_dir, tmp_path / "c", options(method="lorra"))
    assert not (tmp_path / "c").exists()


def test_learning_rate_rises_and_falls() -> None:
    config = TrainConfig(learning_rate=1.0, warmup=0.2)
    rates = [learning_rate(step, 10, config) for step in range(10)]
    assert rates[:3] == [0.5, 1.0, 1.0]
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert 0 < rates[-1] < 0.1
    assert learning_rate(9, 10, TrainConfig(learning_rate=1.0, schedule="linear", warmup=0)) == pytest.approx(0.1)
    assert learning_rate(9, 10, TrainConfig(learning_rate=1.0, schedule="constant")) == 1.0


def test_accumulation_equals_one_batch(dataset_dir: Path, tmp_path: Path, options: Options) -> None:
    """8 x 1 == 1 x 8, with a last step of 3: a mean of micro-batches' means would weigh that step's and unlike examples otherwise."""
    runs = {}
    for size in (1, 3, 8):
        record = train(dataset_dir, tmp_path / str(size), options(batch_size=8, micro_batch_size=size))
        runs[size] = (record.final_train_loss, record.validation_loss)
    assert runs[1] == pytest.approx(runs[8], rel=1e-5)
    assert runs[3] == pytest.approx(runs[8], rel=1e-5)


def test_loss_that_is_not_finite_names_its_rows(
    dataset_dir: Path, tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken_load(*args: Any, **options: Any) -> Any:
        model = load_for_training(*args, **options)
        token = model.get_input_embeddings().weight
        with torch.no_grad():
            token[:] = float("nan")
        return model

    monkeypatch.setattr("train.session.load_for_training", broken_load)
    monkeypatch.setattr("train.engine.loss.Scorer.for_model", lambda model, **_: Scorer(unwrapped(model), packed=False))
    with pytest.raises(UserErrors, match=r"data.jsonl:\d+: the loss is nan in step 1, which holds row row\d+") as caught:
        train(dataset_dir, tmp_path / "run", options())
    assert len(caught.value.errors) == 4
    assert not (tmp_path / "run" / "run.json").exists()


def test_gradient_that_is_not_finite_names_its_rows(
    dataset_dir: Path, tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = torch.nn.utils.clip_grad_norm_
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *args: real(*args) * float("inf"))
    with pytest.raises(UserErrors, match="the gradient's norm is inf in step 1"):
        train(dataset_dir, tmp_path / "run", options())


def test_a_finished_run_is_not_replaced_unasked(finished_run: Finished, dataset_dir: Path, tmp_path: Path, options: Options) -> None:
    run_dir, record = finished_run
    with pytest.raises(UserError, match="holds a finished run"):
        train(dataset_dir, run_dir, options())
    assert train(dataset_dir, run_dir, TrainConfig.model_validate(record.config), resume=True) == record
    with pytest.raises(UserError, match=r"another run: config.seed was 17, is 4"):
        train(dataset_dir, run_dir, TrainConfig.model_validate({**record.config, "seed": 4}), resume=True)
    train(dataset_dir, tmp_path / "run", options(max_steps=1))
    assert train(dataset_dir, tmp_path / "run", options(max_steps=2), overwrite=True).num_steps == 2
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-1", "step-2"]


@pytest.mark.parametrize("ways", [{}, {"overwrite": True}, {"resume": True}])
def test_a_folder_with_files_of_others_is_refused(ways: dict[str, Any], dataset_dir: Path, tmp_path: Path, options: Options) -> None:
    train(dataset_dir, tmp_path / "run", options(max_steps=1))
    (tmp_path / "run" / ".left-by-a-kill").write_text("", encoding="utf-8")
    (tmp_path / "run" / "mine.txt").write_text("kept", encoding="utf-8")
    with pytest.raises(UserError, match=r"the run folder holds 'mine.txt', which is no part of a run"):
        train(dataset_dir, tmp_path / "run", options(max_steps=1), **ways)
    assert (tmp_path / "run" / "run.json").exists()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes").mkdir()
    with pytest.raises(UserError, match="holds 'notes'"):
        train(dataset_dir, tmp_path / "other", options(max_steps=1), **ways)


def test_bad_rows_stop_the_run_before_a_model_is_loaded(tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.session.load_for_training", lambda *_: pytest.fail("the model was loaded"))
    rows = [*reviews(), review("x", 1, messages=[{"role": "user", "content": "no answer"}])]
    with pytest.raises(UserError, match="row row14 has no trained token"):
        train(write_dataset(tmp_path / "data", rows), tmp_path / "run", options())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"model": "nowhere"}, "there is no model 'nowhere'"),
        ({"lora": {"targets": ["nothing"]}}, "the adapter fits no layer"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    changes: dict[str, Any], cause: str, dataset_dir: Path, tmp_path: Path, options: Options
) -> None:
    with pytest.raises(UserError, match=cause):
        train(dataset_dir, tmp_path / "run", options(**changes))
    assert not (tmp_path / "run").exists()


def test_adapter_on_other_weights_is_refused(finished_run: Finished, tiny_model_dir: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(tiny_model_dir / "model.safetensors")
    name = next(iter(weights))
    save_file({**weights, name: weights[name] + 1}, tmp_path / "model.safetensors")
    finished_run[1].require_base("tiny", tiny_model_dir)
    with pytest.raises(UserError, match=r"trained on .* with other weights"):
        finished_run[1].require_base("other", tmp_path)


def test_run_json_is_what_is_promised(finished_run: Finished) -> None:
    found = json.loads((finished_run[0] / "run.json").read_text(encoding="utf-8"))
    promised = {"final_train_loss", "validation_loss", "num_tokens", "num_trained_tokens", "seconds", "tokens_per_second", "form", "model"}
    promised |= {
        "model_sha256",
        "dataset",
        "dataset_key",
        "num_steps",
        "num_examples",
        "seed",
        "config",
        "dtype",
        "sample",
        "system_prompt",
    }
    assert promised <= found.keys()
    assert [span["text"] for span in found["sample"]["spans"] if span["trained"]] == ["positive<|im_end|>"]


def test_a_run_is_not_put_where_the_next_build_removes_it(dataset_dir: Path, options: Options) -> None:
    with pytest.raises(UserError, match="the run folder is a dataset"):
        train(dataset_dir, dataset_dir, options())
    assert not (dataset_dir / "run.json").exists()


def test_a_folder_that_cannot_be_written_stops_the_run_before_training(
    dataset_dir: Path, tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.session.load_for_training", lambda *_: pytest.fail("the model was loaded"))
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(UserError, match="cannot write"):
        train(dataset_dir, tmp_path / "file" / "run", options())


def test_a_damaged_adapter_is_an_error(finished_run: Finished, tiny_model_dir: Path, tmp_path: Path) -> None:
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (tmp_path / name).write_bytes((finished_run[0] / name).read_bytes())
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        (tmp_path / name).write_bytes(b"{")
        with pytest.raises(UserError, match="the adapter does not fit the model"):
            Lora.load(load_model(str(tiny_model_dir)), tmp_path)


def test_a_base_given_by_a_relative_path_is_found_from_elsewhere(finished_run: Finished, tiny_model_dir: Path) -> None:
    record = finished_run[1]
    assert record.model_copy(update={"model": "models/of/another/folder"}).base_model == str(tiny_model_dir.resolve())
    assert record.model_copy(update={"model": "embedded"}).base_model == "embedded"
    assert record.base_model == str(tiny_model_dir)
