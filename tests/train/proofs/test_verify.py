"""`train verify`, and what a failed proof does to those who train."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loopwright.errors import ExitCode, UserError
from tests.train import several
from tests.train.conftest import Command
from tests.train.proofs.sabotage import end_token_cut, saved_with_zeroed_b
from train import verify_run
from train.config import TrainConfig
from train.run import train
from train.runs.record import RunRecord

Run = tuple[Path, RunRecord]
ROWS = {"trained_answers", "packed_equals_unpacked", "accumulation_equals_one_batch", "answers_stop", "first_steps"}


def test_without_the_dataset_what_is_about_rows_is_not_applicable(good_run: Run, command: Command) -> None:
    code, out, _ = command("verify", good_run[0], "--json")
    proofs = json.loads(out)["proofs"]
    assert code == ExitCode.FINE
    assert proofs.keys() == good_run[1].proofs.keys()
    assert {name for name, proof in proofs.items() if proof["passed"] == "not applicable"} == ROWS | {"reference_start"}
    assert {name for name, proof in proofs.items() if proof["passed"] is True} == {"saved_weights", "moved_logits", "options"}
    assert set(proofs["saved_weights"]) == {"passed", "value", "tolerance", "reason"}
    assert verify_run(good_run[0])["saved_weights"].model_dump() == proofs["saved_weights"]


def test_a_failed_proof_is_exit_1_and_the_run_is_whole(command: Command, chats_dir: Path, able_model_dir: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        end_token_cut(patch)
        code, out, err = command(
            "run", chats_dir, "--model", able_model_dir, "--out", run_dir, "--max-steps", "2", "--leaks", "allow", "--json"
        )
    assert code == ExitCode.FINDINGS
    assert json.loads(out) == json.loads((run_dir / "run.json").read_text(encoding="utf-8"))
    assert "it failed trained_answers" in err
    assert "| trained_answers | **no** |" in (run_dir / "README.md").read_text(encoding="utf-8")
    code, out, err = command("verify", run_dir, "--dataset", chats_dir)
    assert code == ExitCode.FINDINGS
    assert "first_steps" in err


def test_the_card_tells_the_proofs_and_another_persons_is_not_replaced(good_run: Run, tmp_path: Path) -> None:
    text = (good_run[0] / "README.md").read_text(encoding="utf-8")
    assert text.startswith("---\nlibrary_name: peft\n")
    assert all(f"| {name} | " in text for name in good_run[1].proofs)
    shutil.copytree(good_run[0], tmp_path / "run")
    record = good_run[1]
    config = TrainConfig.model_validate({**record.config, "max_steps": 1})
    train(Path(record.dataset), tmp_path / "run", config, overwrite=True)
    assert (tmp_path / "run" / "README.md").read_text(encoding="utf-8") != text
    (tmp_path / "run" / "README.md").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match=r"'README\.md', which is no part of a run"):
        train(Path(record.dataset), tmp_path / "run", config, overwrite=True)
    assert (tmp_path / "run" / "README.md").read_text(encoding="utf-8") == "mine"


def test_a_run_with_other_files_than_it_saved_fails(good_run: Run, make_run: Callable[..., Run], tmp_path: Path) -> None:
    shutil.copytree(good_run[0], tmp_path / "run")
    other, _ = make_run(seed=3, max_steps=2)
    shutil.copy(other / "adapter_model.safetensors", tmp_path / "run")
    assert verify_run(tmp_path / "run")["saved_weights"].passed is False
    (tmp_path / "run" / "adapter_model.safetensors").write_bytes(b"{")
    proof = verify_run(tmp_path / "run")["saved_weights"]
    assert (proof.passed, "cannot be loaded" in proof.reason) == (False, True)


def test_few_steps_and_prompts_are_not_judged(make_run: Callable[..., Run]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        saved_with_zeroed_b(patch)
        proofs = make_run(max_steps=3)[1].proofs
    assert proofs["moved_logits"].passed == proofs["answers_stop"].passed == "not applicable"
    assert "3 steps" in proofs["moved_logits"].reason
    assert proofs["saved_weights"].passed is False, "what was saved is not what was trained, however little that is"


def test_a_run_that_dies_while_it_saves_is_proven_once_it_is_gone_on_with(
    good_run: Run, chats_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left to train then, and few options are read: that is no defect of theirs."""
    config = TrainConfig.model_validate({**good_run[1].config, "max_steps": 3})
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("train.methods.lora.Lora.save", _interrupt)
        train(chats_dir, tmp_path / "run", config)
    record = train(chats_dir, tmp_path / "run", config, resume=True)
    assert record.evidence is not None
    assert (record.evidence.unread_options, len(record.evidence.first_steps)) == (None, 2)
    assert all(proof.passed is not False for proof in record.proofs.values()), record.proofs
    assert record.proofs["options"].passed is True
    assert verify_run(tmp_path / "run", chats_dir)["first_steps"].passed is True


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_dropout_leaves_the_first_loss_to_compare(make_run: Callable[..., Run], chats_dir: Path) -> None:
    run_dir, record = make_run(lora={"dropout": 0.3}, max_steps=3)
    assert all(proof.passed is not False for proof in record.proofs.values()), record.proofs
    first = verify_run(run_dir, chats_dir)["first_steps"]
    assert (first.passed, "the first loss alone" in first.reason) == (True, True)


def test_an_objective_with_a_reference_starts_at_ln_2(tmp_path: Path, tiny_model_dir: Path) -> None:
    dataset = several.write_rows(tmp_path / "data")
    config = TrainConfig(leaks="allow", model=str(tiny_model_dir), dtype="float32", objective="pair", max_steps=2, batch_size=4)
    several.register()
    try:
        record = train(dataset, tmp_path / "run", config)
        again = verify_run(tmp_path / "run", dataset)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(several.Pair, "row_losses", _of_the_chosen_alone)
            wrong = train(dataset, tmp_path / "wrong", config)
    finally:
        several.unregister()
    assert not [name for name, proof in {**record.proofs, **again}.items() if proof.passed is False], record.proofs
    assert record.proofs["reference_start"].passed is again["reference_start"].passed is again["first_steps"].passed is True
    assert wrong.proofs["reference_start"].passed is False


def _of_the_chosen_alone(self: several.Pair, scores: Any) -> Any:
    from torch.nn import functional

    return -functional.logsigmoid(scores.by_row(scores.sequence_logprobs() * (scores.signs > 0)))


def test_what_is_not_the_runs_is_refused(good_run: Run, dataset_dir: Path, tiny_model_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such run folder"):
        verify_run(tmp_path / "none")
    with pytest.raises(UserError, match="with other weights"):
        verify_run(good_run[0], model=str(tiny_model_dir))
    manifest = dataset_dir / "manifest.json"
    other = tmp_path / "other"
    shutil.copytree(dataset_dir, other)
    (other / "manifest.json").write_text(manifest.read_text(encoding="utf-8").replace("0" * 32, "1" * 32), encoding="utf-8")
    with pytest.raises(UserError, match="trained on another dataset"):
        verify_run(good_run[0], other)


def test_a_run_of_before_has_no_proofs_and_says_so(good_run: Run, tmp_path: Path) -> None:
    record = json.loads((good_run[0] / "run.json").read_text(encoding="utf-8"))
    for name in ("proofs", "evidence"):
        del record[name]
    (tmp_path / "run.json").write_text(json.dumps(record), encoding="utf-8")
    loaded = RunRecord.load(tmp_path)
    assert (loaded.proofs, loaded.evidence) == ({}, None)
    with pytest.raises(UserError, match="the run has no proofs"):
        verify_run(tmp_path)
