"""A page whose rows, names and options are hostile."""

from pathlib import Path

import polars as pl
import pytest

from train.reports.cartography import RowFacts
from train.reports.page import render_report
from train.runs.proof import Proof
from train.runs.record import RunRecord, Sample, SampleSpan

HOSTILE = '</mark></pre><script>window.pwned=1</script><img src=x onerror="window.pwned=2"> {{ 7 * 7 }} \u202egnp.exe'


@pytest.fixture(scope="module")
def hostile_page(finished_run: tuple[Path, RunRecord]) -> str:
    run_dir, record = finished_run
    changes = {
        "dataset": f"/data/{HOSTILE.replace('/', '')}",
        "model": HOSTILE,
        "sample": Sample(id=HOSTILE, spans=[SampleSpan(text=HOSTILE, trained=trained, sequence=HOSTILE) for trained in (True, False)]),
        "proofs": {"options": Proof(passed=False, value=1.0, tolerance=0.0, reason=HOSTILE)},
        "config": {**record.config, "best": HOSTILE},
    }
    ids = sorted(pl.read_parquet(run_dir / "ledger.parquet")["id"].unique())
    return render_report(
        record.model_copy(update=changes), run_dir, {one: RowFacts(f"{HOSTILE}:{index}", 10 + index) for index, one in enumerate(ids)}
    )
