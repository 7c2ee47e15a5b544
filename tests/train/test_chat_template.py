"""How a run uses its model's chat template: as the dataset's config says, on one day, and the same wherever the run is asked."""

import datetime
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from evals.config import EvalsConfig
from evals.run import evaluate_dataset
from loopwright.errors import UserError
from prep.dataset.show import show
from templates import chat_options
from templates.chat import ChatTemplateConfig, encode_prompt
from tests.conftest import CHATML, make_tokenizer
from tests.helpers import write_dataset
from tests.templates.test_chat_thoughts import ALWAYS, SWITCHED
from train.config import TrainConfig
from train.inference.chat import Comparison
from train.run import train
from train.runs.record import RunRecord

DATED = "<|im_start|>system\nToday is {{ strftime_now('%Y-%m-%d') }}.<|im_end|>\n" + CHATML
ALTERNATES = "{% if messages[0]['role'] != 'user' %}{{ raise_exception('A user speaks first') }}{% endif %}" + CHATML
Options = Callable[..., TrainConfig]
DAY = datetime.date(2026, 1, 31)


@pytest.fixture
def with_template(tiny_model_dir: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copies the tiny model with another chat template."""

    def make(template: str) -> Path:
        shutil.copytree(tiny_model_dir, tmp_path / "model")
        make_tokenizer(template).save_pretrained(tmp_path / "model")
        return tmp_path / "model"

    return make


def dataset(folder: Path, *turns: str, **chat_template: Any) -> Path:
    """Four rows of `role: content`, the last of them for validation, and what a config says of the chat template."""
    messages = [{"role": role, "content": content} for role, _, content in (turn.partition(": ") for turn in turns)]
    rows = [{"messages": messages, "split": "train" if index < 3 else "validation"} for index in range(4)]
    write_dataset(folder, rows)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["config"] |= {"chat_template": chat_template} if chat_template else {}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[datetime.date]:
    """What days it is, one a look; the last one stays."""
    days = [DAY, DAY + datetime.timedelta(days=1)]

    class Calendar(datetime.date):
        @classmethod
        def today(cls) -> Any:
            return days.pop(0) if len(days) > 1 else days[0]

    monkeypatch.setattr(datetime, "date", Calendar)
    return days


def test_all_prompts_of_a_run_carry_the_day_on_which_it_began(
    with_template: Callable[[str], Path], tmp_path: Path, options: Options, clock: list[datetime.date], capsys: pytest.CaptureFixture[str]
) -> None:
    model, data, run = with_template(DATED), dataset(tmp_path / "data", "user: Hm", "assistant: Yes?"), tmp_path / "run"
    record = train(data, run, options(model=str(model), max_steps=1))
    assert record.chat_template == ChatTemplateConfig(date=DAY) == RunRecord.load(run).chat_template
    assert "Today is 2026-01-31." in record.sample.spans[0].text
    assert "The chat template asks the clock: its prompts are dated 2026-01-31" in capsys.readouterr().err
    # It is another day by now, and whatever asks the run is told the run's.
    assert train(data, run, options(model=str(model), max_steps=1), resume=True) == record
    comparison = Comparison.load(run, max_new_tokens=2)
    assert all(chat_options.options_of(comparison.model.tokenizer_of(name)).date == DAY for name in (None, "tuned"))
    report = evaluate_dataset(data, tmp_path / "evals", EvalsConfig(adapter=str(run), systems=("base",), dtype="float32", max_new_tokens=2))
    assert any("dated 2026-01-31" in note for note in report.notes)


def test_a_run_that_is_gone_on_with_another_day_keeps_its_own(
    with_template: Callable[[str], Path], tmp_path: Path, options: Options, clock: list[datetime.date], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, data, run = with_template(DATED), dataset(tmp_path / "data", "user: Hm", "assistant: Yes?"), tmp_path / "run"
    config = options(model=str(model), epochs=2, checkpoint_every=1)

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("train.methods.lora.Lora.save", stop)
        train(data, run, config)
    record = train(data, run, config, resume=True)
    assert record.chat_template.date == DAY
    assert "2026-01-31" in record.sample.spans[0].text


def test_the_config_fixes_a_day_and_folds_system_messages(
    with_template: Callable[[str], Path], tmp_path: Path, options: Options, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = ("system: Be brief.", "user: Hm", "assistant: Yes?")
    data = dataset(tmp_path / "data", *turns, date="2020-02-03", fold_system=True)
    model = with_template(DATED)
    record = train(data, tmp_path / "run", options(model=str(model), max_steps=1))
    assert record.chat_template == ChatTemplateConfig(date=datetime.date(2020, 2, 3), fold_system=True)
    expected = "Today is 2020-02-03.<|im_end|>\n<|im_start|>user\nBe brief.\n\nHm<|im_end|>"
    assert expected in record.sample.spans[0].text
    [(_, pieces)] = show(data, split=None, example_id=None, limit=1, model=str(model))
    assert pieces is not None
    assert expected in pieces[0].text
    assert "asks the clock" not in capsys.readouterr().err


def test_a_plain_run_says_nothing_of_its_chat_template(finished_run: tuple[Path, RunRecord]) -> None:
    assert finished_run[1].chat_template == ChatTemplateConfig()


def test_an_opening_that_is_left_out_is_said(
    with_template: Callable[[str], Path], tmp_path: Path, options: Options, capsys: pytest.CaptureFixture[str]
) -> None:
    data = dataset(tmp_path / "data", "assistant: Good morning.", "user: Hm", "assistant: Yes?")
    model = with_template(ALTERNATES)
    record = train(data, tmp_path / "run", options(model=str(model), max_steps=1))
    assert record.num_examples == 3
    assert "In 4 examples the assistant speaks first" in capsys.readouterr().err
    show(data, split=None, example_id=None, limit=1, model=str(model))
    assert "the assistant speaks first" in capsys.readouterr().err


def test_a_tokenizer_that_is_larger_than_the_embeddings_is_refused_before_any_work(
    tiny_model_dir: Path, dataset_dir: Path, tmp_path: Path, options: Options
) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny_model_dir, model)
    tokenizer = make_tokenizer()
    tokenizer.add_tokens(["<think>", "</think>"])
    tokenizer.save_pretrained(model)
    error = r"the tokenizer of .*model' has 2 tokens more than the model's \d+ embeddings: '<think>', '</think>'.*resize_token_embeddings"
    with pytest.raises(UserError, match=error):
        train(dataset_dir, tmp_path / "run", options(model=str(model)))
    with pytest.raises(UserError, match=error):
        evaluate_dataset(dataset_dir, tmp_path / "evals", EvalsConfig(model=str(model), systems=("base",)))
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "evals").exists()


def test_a_chat_ends_where_an_evaluation_does(finished_run: tuple[Path, RunRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    """The tokenizer's end token is another than the one that closes a turn."""
    comparison = Comparison.load(finished_run[0], max_new_tokens=4)
    tokenizer = make_tokenizer()
    tokenizer.eos_token = "<|endoftext|>"
    monkeypatch.setattr(comparison.model, "tokenizer_of", lambda _: tokenizer)
    comparison.model.model.generation_config.eos_token_id = [tokenizer.eos_token_id, 77]
    asked: list[set[int]] = []

    def generate(*_: Any, end_ids: set[int], **__: Any) -> Any:
        asked.append(end_ids)
        raise KeyboardInterrupt

    monkeypatch.setattr("train.inference.chat.generate", generate)
    with pytest.raises(KeyboardInterrupt):
        comparison.ask("Hm?")
    assert asked == [{tokenizer.convert_tokens_to_ids("<|im_end|>"), tokenizer.eos_token_id, 77}]


def _tiny(kind: str, folder: Path) -> Path:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = make_tokenizer()
    sizes: dict[str, Any] = {"vocab_size": len(tokenizer), "hidden_size": 32, "num_hidden_layers": 2}
    attention = {"intermediate_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2}
    more: dict[str, dict[str, Any]] = {
        "mamba": {"state_size": 8},
        "falcon_h1": {
            **attention, "mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_n_groups": 1
        },
        "llama4_text": {**attention, "head_dim": 8, "num_local_experts": 2, "intermediate_size_mlp": 64},
    }  # fmt: skip
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **sizes, **more[kind])).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", ["mamba", "falcon_h1"])
def test_the_default_targets_are_the_layers_that_an_adapter_fits(kind: str, dataset_dir: Path, tmp_path: Path, options: Options) -> None:
    run = tmp_path / "run"
    assert train(dataset_dir, run, options(model=str(_tiny(kind, tmp_path / "model")), max_steps=1)).num_steps == 1
    written = json.loads((run / "adapter_config.json").read_text())
    assert written["exclude_modules"] == sorted(written["exclude_modules"])
    assert all(name.endswith(("out_proj", "dt_proj")) for name in written["exclude_modules"])
    assert not [name for name in _adapted(run) if "out_proj" in name]
    assert [name for name in _adapted(run) if "in_proj" in name]


def _adapted(run: Path) -> list[str]:
    from safetensors import safe_open

    with safe_open(run / "adapter_model.safetensors", "pt") as file:
        return list(file.keys())


def test_a_kind_of_model_that_cannot_be_trained_is_refused_before_it_is_loaded(
    dataset_dir: Path, tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = _tiny("llama4_text", tmp_path / "model")
    monkeypatch.setattr("train.session.load_for_training", lambda *_: pytest.fail("the model is loaded"))
    with pytest.raises(UserError, match=r"a model of the kind 'llama4_text'.*another family"):
        train(dataset_dir, tmp_path / "run", options(model=str(model)))


def test_a_thought_that_is_switched_off_in_training_is_switched_off_wherever_the_run_is_asked(
    with_template: Callable[[str], Path], options: Options, tmp_path: Path
) -> None:
    model, data = str(with_template(SWITCHED)), dataset(tmp_path / "data", "user: a", "assistant: b")
    record = train(data, tmp_path / "run", options(model=model, epochs=1))
    assert record.chat_template_kwargs == {"enable_thinking": False}
    assert RunRecord.load(tmp_path / "run").chat_template.kwargs == record.chat_template_kwargs
    assert record.sample.spans[0].text.endswith("<think>\n\n</think>\n\n")
    tokenizer = Comparison.load(tmp_path / "run").model.tokenizer_of("tuned")
    served = tokenizer.apply_chat_template(
        [{"role": "user", "content": "a"}], add_generation_prompt=True, return_dict=False, **record.chat_template_kwargs
    )
    assert encode_prompt(tokenizer, [{"role": "user", "content": "a"}]) == served
    # The same run again is the same run.
    assert train(data, tmp_path / "run", options(model=model, epochs=1), resume=True) == record


def test_a_run_on_thoughts_is_asked_to_think(with_template: Callable[[str], Path], options: Options, tmp_path: Path) -> None:
    model = str(with_template(SWITCHED))
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    extras = json.dumps({"messages": [None, {"reasoning": "Hm."}]})
    rows = [{"messages": messages, "extras": extras, "split": "train" if index < 3 else "validation"} for index in range(4)]
    data = write_dataset(tmp_path / "data", rows)
    record = train(data, tmp_path / "run", options(model=model, epochs=1))
    assert record.chat_template_kwargs == {"enable_thinking": True}
    assert [span.text for span in record.sample.spans if span.trained] == ["Hm.\n</think>\n\nb<|im_end|>"]
    tokenizer = Comparison.load(tmp_path / "run").model.tokenizer_of("tuned")
    assert tokenizer.decode(encode_prompt(tokenizer, [{"role": "user", "content": "a"}])).endswith("assistant\n<think>\n")


def test_a_chat_of_several_sequences_is_one_example(
    with_template: Callable[[str], Path], options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its steps, ledger and mean loss are those of one row; the loss is the sum over its sequences."""
    model = str(with_template(ALWAYS))
    data = dataset(tmp_path / "data", "user: a", "assistant: b", "user: c", "assistant: d")
    record = train(data, tmp_path / "run", options(model=model, epochs=1, batch_size=2))
    assert (record.num_examples, record.num_steps) == (3, 2)
    assert len({span.sequence for span in record.sample.spans}) == 2
    apart = train(data, tmp_path / "apart", options(model=model, epochs=1, batch_size=2, micro_batch_size=1))
    assert apart.final_train_loss == pytest.approx(record.final_train_loss, rel=1e-5)
    ledger = pl.read_parquet(tmp_path / "apart" / "ledger.parquet")
    assert ledger.height == 3 and ledger["num_trained_tokens"].to_list() == [apart.num_trained_tokens // 3] * 3
    assert "8 answers have no 'reasoning'" in " ".join(capsys.readouterr().err.split())
    [show_row] = [pieces for _, pieces in show(data, split="train", example_id=None, limit=1, model=model)]
    assert show_row is not None
    assert [piece.text for piece in show_row if piece.trained] == ["\n</think>\n\nb<|im_end|>", "\n</think>\n\nd<|im_end|>"]
    evaluate_dataset(data, tmp_path / "evals", EvalsConfig(adapter=str(tmp_path / "run"), systems=("base",), max_new_tokens=9))
    predictions = pl.read_parquet(tmp_path / "evals" / "predictions.parquet")
    assert set(predictions["system"]) == {"base", f"adapter:{tmp_path / 'run'}"} and set(predictions["reference"]) == {"d"}
