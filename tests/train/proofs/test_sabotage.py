"""What breaks a run in silence does not get past its proofs: not at its end, and not afterwards by whoever has the run."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.train.proofs.sabotage import SABOTAGES, Sabotage
from train.proofs.verify import verify_run
from train.runs.proof import failed_proofs
from train.runs.record import RunRecord

Run = tuple[Path, RunRecord]


def test_a_good_run_passes_every_proof(good_run: Run, chats_dir: Path) -> None:
    run_dir, record = good_run
    expected = dict.fromkeys(record.proofs, True) | {"reference_start": "not applicable", "first_steps": "not applicable"}
    assert {name: proof.passed for name, proof in record.proofs.items()} == expected
    assert all(proof.reason for proof in record.proofs.values())
    again = verify_run(run_dir, [chats_dir])
    assert {name: proof.passed for name, proof in again.items()} == {**expected, "first_steps": True}


@pytest.mark.parametrize(("sabotage", "at_end", "afterwards"), SABOTAGES, ids=lambda one: getattr(one, "__name__", ""))
def test_a_sabotaged_run_fails_the_proof_of_what_was_broken(
    sabotage: Sabotage, at_end: str, afterwards: str, make_run: Callable[..., Run], chats_dir: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        sabotage(patch)
        run_dir, record = make_run()
    assert at_end in failed_proofs(record.proofs), record.proofs
    assert RunRecord.load(run_dir) == record, "a failed proof leaves run.json whole"
    again = failed_proofs(verify_run(run_dir, [chats_dir]))
    assert afterwards in again, again
