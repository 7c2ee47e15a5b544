"""A run as a folder that other programs load."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import AutoPeftModelForCausalLM, PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from loopwright.errors import ExitCode, UserError
from templates.chat import load_tokenizer
from tests.train.conftest import Command
from train.api import export_run
from train.engine.validation import ValidationScores
from train.methods.lora import Lora
from train.models.load import model_sha256
from train.runs.exported import ExportRecord
from train.runs.record import RunRecord

IDS = torch.arange(3, 23)[None]


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model.eval()(input_ids=IDS).logits
    return found


@pytest.fixture(scope="module")
def merged(finished_run: tuple[Path, RunRecord], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exports") / "merged"
    export_run(finished_run[0], out)
    return out


def test_a_merged_model_is_a_plain_one_that_answers_as_the_run(
    merged: Path, finished_run: tuple[Path, RunRecord], tiny_model_dir: Path
) -> None:
    model = AutoModelForCausalLM.from_pretrained(merged)
    base = AutoModelForCausalLM.from_pretrained(tiny_model_dir)
    before = logits(base)
    tuned = logits(PeftModel.from_pretrained(base, finished_run[0]))
    torch.testing.assert_close(logits(model), tuned, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(before, tuned, atol=1e-2)
    tokenizer = AutoTokenizer.from_pretrained(merged)
    assert tokenizer.chat_template == load_tokenizer(str(tiny_model_dir)).chat_template
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    settings = [json.loads((folder / "config.json").read_text()) for folder in (merged, tiny_model_dir)]
    assert settings[0] == settings[1]


def test_the_loss_is_measured_in_pairs(merged: Path, finished_run: tuple[Path, RunRecord]) -> None:
    run_dir, run = finished_run
    record = ExportRecord.load(merged)
    recorded = ValidationScores.load(run_dir)
    assert record.num_validation_examples == len(recorded.ids) == 3
    assert record.loss_before == pytest.approx(run.validation_loss, abs=1e-5)
    assert record.loss_after == pytest.approx(run.validation_loss, abs=1e-5)
    assert record.difference is not None and record.difference.low is not None and record.difference.high is not None
    assert record.difference.low <= record.difference.value <= record.difference.high
    assert abs(record.difference.value) < 1e-5
    assert record.loaded.passed is True
    assert record.base_sha256 == run.model_sha256
    assert set(record.files) == {path.name for path in merged.iterdir()} - {"export.json"}
    assert str(merged.parent) not in (merged / "README.md").read_text()


def test_an_adapter_is_loaded_by_peft_and_names_no_path_of_this_machine(
    finished_run: tuple[Path, RunRecord], tiny_model_dir: Path, tmp_path: Path
) -> None:
    record = export_run(finished_run[0], tmp_path / "out", "adapter").record
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == (None, None)
    assert any("names no base" in note and record.base_sha256 in note for note in record.notes)
    assert (record.base, record.loss_before, record.loss_after, record.difference) == (None, None, None, None)
    assert record.not_measured is not None and "byte for byte" in record.not_measured
    assert record.loaded.passed is True
    for path in (tmp_path / "out").iterdir():
        assert str(tiny_model_dir).encode() not in path.read_bytes(), path.name
    name = "adapter_model.safetensors"
    assert (tmp_path / "out" / name).read_bytes() == (finished_run[0] / name).read_bytes()
    found = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model_dir), tmp_path / "out")
    expected = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model_dir), finished_run[0])
    assert torch.equal(logits(found), logits(expected))


def test_an_adapter_with_its_base_is_loaded_without_anything_else(
    finished_run: tuple[Path, RunRecord], tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    export_run(finished_run[0], out, "adapter", with_base=True)
    out = out.rename(tmp_path / "moved")
    expected = logits(PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model_dir), finished_run[0]))
    assert model_sha256(out / "base") == finished_run[1].model_sha256
    assert torch.equal(logits(PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(out / "base"), out)), expected)
    monkeypatch.chdir(out)
    assert torch.equal(logits(AutoPeftModelForCausalLM.from_pretrained(".")), expected)
    assert torch.equal(logits(AutoModelForCausalLM.from_pretrained(".")), expected)
    code = (out / "README.md").read_text().partition("```python\n")[2].partition("```")[0]
    said: dict[str, Any] = {}
    exec(code, said)
    assert torch.equal(logits(said["model"]), expected)


def test_the_adapter_of_a_hub_model_names_it_with_its_revision(
    dataset_dir: Path, tiny_model_dir: Path, tmp_path: Path, finished_run: tuple[Path, RunRecord]
) -> None:
    snapshot = tmp_path / "hub" / "models--some--model" / "snapshots" / "0123abc"
    shutil.copytree(tiny_model_dir, snapshot)
    export_run(finished_run[0], tmp_path / "out", "adapter", model=str(snapshot))
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("some/model", "0123abc")
    card = (tmp_path / "out" / "README.md").read_text()
    assert 'from_pretrained("some/model", revision="0123abc"' in card
    assert "base_model: some/model" in card


def test_the_exported_folder_is_refused_or_replaced(
    merged: Path, finished_run: tuple[Path, RunRecord], tiny_model_dir: Path, tmp_path: Path
) -> None:
    run_dir = finished_run[0]
    out = tmp_path / "out"
    shutil.copytree(merged, out)
    with pytest.raises(UserError, match=r"holds an export.*--overwrite"):
        export_run(run_dir, out, "adapter")
    (out / "mine.txt").write_text("x")
    with pytest.raises(UserError, match=r"holds 'mine\.txt'"):
        export_run(run_dir, out, "adapter", overwrite=True)
    (out / "mine.txt").unlink()
    export_run(run_dir, out, "adapter", overwrite=True)
    assert not (out / "model.safetensors").exists()
    assert ExportRecord.load(out).to == "adapter"
    for taken in (run_dir, tiny_model_dir, tmp_path):
        before = sorted(path.name for path in taken.iterdir())
        with pytest.raises(UserError, match="no export"):
            export_run(run_dir, taken, overwrite=True)
        assert sorted(path.name for path in taken.iterdir()) == before
    with pytest.raises(UserError, match="within each other"):
        export_run(run_dir, run_dir / "merged")
    assert not (run_dir / "merged").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="a file, not a folder"):
        export_run(run_dir, tmp_path / "file")


def test_a_merged_base_is_not_replaced_by_what_is_merged_into_it(
    merged: Path, finished_run: tuple[Path, RunRecord], tmp_path: Path
) -> None:
    base, run_dir = tmp_path / "base", tmp_path / "run"
    shutil.copytree(merged, base)
    shutil.copytree(finished_run[0], run_dir)
    record = json.loads((run_dir / "run.json").read_text())
    (run_dir / "run.json").write_text(json.dumps({**record, "model": str(base), "model_sha256": model_sha256(base)}))
    with pytest.raises(UserError, match="that of the base model lie within each other"):
        export_run(run_dir, base, overwrite=True)
    assert model_sha256(base) == model_sha256(merged)


def test_what_cannot_be_exported_is_refused_before_a_model_is_loaded(
    command: Command, finished_run: tuple[Path, RunRecord], dataset_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir, run = finished_run
    monkeypatch.setattr("train.export.merged.load_model", lambda *_: pytest.fail("the model is loaded"))
    monkeypatch.setattr("train.export.merged.load_base", lambda *_: pytest.fail("the model is loaded"))
    other, gone, full = tmp_path / "other", tmp_path / "gone", tmp_path / "full"
    shutil.copytree(run.model_path, other)
    (other / "model.safetensors").write_bytes((other / "model.safetensors").read_bytes() + b" ")
    for folder, changes in ((gone, {"model": "/nowhere", "model_path": "/nowhere"}), (full, {"method": "full"})):
        shutil.copytree(run_dir, folder)
        (folder / "run.json").write_text(json.dumps({**json.loads((run_dir / "run.json").read_text()), **changes}))
    shutil.copyfile(other / "config.json", full / "config.json")
    shutil.copyfile(other / "model.safetensors", full / "model.safetensors")
    out = tmp_path / "out"
    cases: dict[tuple[Any, ...], str] = {
        (tmp_path / "none", "--to", "merged"): "there is no such run folder",
        (dataset_dir, "--to", "merged"): "the run is not finished",
        (run_dir, "--to", "merge"): "unknown format 'merge'. Did you mean 'merged'?",
        (run_dir, "--to", "merged", "--with-base"): "a merged model holds its base within",
        (run_dir, "--to", "merged", "--seed", "99"): "the run has one seed, 17, and seed 99 is asked for",
        (run_dir, "--to", "merged", "--model", other): "with other weights than those of",
        (run_dir, "--to", "merged", "--dataset", tmp_path / "none"): "there is no such dataset folder",
        (gone, "--to", "merged"): "the base model of the run, '/nowhere', cannot be found. Say where it is now, with --model",
        (full, "--to", "adapter"): "a run by the method 'full' has no adapter: it trained weights of the model itself",
    }
    for arguments, message in cases.items():
        code, printed, err = command("export", *arguments, "--out", out)
        assert (code, printed) == (ExitCode.COULD_NOT_RUN, ""), arguments
        assert message in " ".join(err.split()), (arguments, err)
        assert not out.exists()


def test_the_command_prints_what_export_json_says(command: Command, finished_run: tuple[Path, RunRecord], tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, printed, err = command("export", finished_run[0], "--to", "merged", "--out", out, "--json")
    assert (code, json.loads(printed)) == (ExitCode.FINE, json.loads((out / "export.json").read_text()))
    code, printed, err = command("export", finished_run[0], "--to", "merged", "--out", out, "--overwrite")
    assert (code, printed) == (ExitCode.FINE, "")
    assert "Mean loss on 3 validation examples" in err and "95 % interval" in err


def test_a_dataset_that_is_gone_or_another_build_leaves_the_loss_unmeasured(
    finished_run: tuple[Path, RunRecord], dataset_dir: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished_run[0], run)
    for dataset_key, dataset, reason in (("0" * 32, "/nowhere", "no longer at /nowhere"), ("1" * 32, str(dataset_dir), "another build")):
        record = json.loads((run / "run.json").read_text())
        (run / "run.json").write_text(json.dumps({**record, "dataset": dataset, "dataset_key": dataset_key}))
        found = export_run(run, tmp_path / "out", overwrite=True).record
        assert found.not_measured is not None and reason in found.not_measured
        assert found.loss_before is found.loss_after is found.num_validation_examples is None
        assert found.loaded.passed is True
    with pytest.raises(UserError, match="another dataset, or on another build"):
        export_run(run, tmp_path / "out", overwrite=True, dataset=dataset_dir)


def test_a_merge_that_goes_wrong_is_said(
    command: Command, finished_run: tuple[Path, RunRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The merge loses what was trained: the model that is written is the base."""
    monkeypatch.setattr(Lora, "merged", classmethod(lambda _, model, *__: model.unload()))
    code, _, err = command("export", finished_run[0], "--to", "merged", "--out", tmp_path / "out")
    assert code == ExitCode.FINDINGS
    assert "Do not use this export" in err
    record = ExportRecord.load(tmp_path / "out")
    assert record.difference is not None and record.difference.low is not None and record.difference.low > 0.1


def test_a_method_that_does_not_merge_is_refused(
    finished_run: tuple[Path, RunRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Lora, "merged")
    assert not Lora.can_merge()
    with pytest.raises(UserError, match="the method 'lora' does not say how"):
        export_run(finished_run[0], tmp_path / "out")


def test_nothing_half_is_left(finished_run: tuple[Path, RunRecord], merged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    shutil.copytree(merged, out)
    for error in (OSError(28, "No space left on device"), KeyboardInterrupt()):

        def fail(*_: object, error: BaseException = error) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr("train.export.merged.save_tokenizer", fail)
            with pytest.raises((UserError, KeyboardInterrupt)) as raised:
                export_run(finished_run[0], out, overwrite=True)
        assert raised.type is KeyboardInterrupt or "No space left on device" in str(raised.value)
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
        assert (out / "export.json").read_bytes() == (merged / "export.json").read_bytes()
