"""The page of a run: what it says, that it is inert, small whatever the run, and made again the same."""

import html
import json
import math
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from loopwright.errors import UserError
from tests.train.conftest import Command
from train.ledger.ledger import LEDGER_SCHEMA
from train.reporting import report_run
from train.reports.cartography import MOST_DOTS, RowFacts, read_dynamics, row_map
from train.reports.curves import MOST_POINTS, Metrics, smoothed
from train.reports.page import render_report
from train.runs.record import RunRecord

Finished = tuple[Path, RunRecord]


class Text(HTMLParser):
    """The tags and the text of a page, without style and script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._within = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._within = tag

    def handle_data(self, data: str) -> None:
        self.text += data if self._within not in {"style", "script"} else ""


def said(page: str) -> str:
    """Returns what the page says, with single spaces between all words."""
    text = re.sub(r"<style>.*?</style>|<script>.*?</script>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split()).replace(" .", ".").replace(" ,", ",")


def write_ledger(folder: Path, rows: list[dict[str, Any]]) -> None:
    defaults = {"row_id": "r", "step": 1, "margin": 0.0, "num_trained_tokens": 2, "first_learned": None, "times_forgotten": 0}
    pl.DataFrame([defaults | row for row in rows], schema=LEDGER_SCHEMA).write_parquet(folder / "ledger.parquet")


def test_a_run_writes_its_page(finished_run: Finished) -> None:
    run_dir, record = finished_run
    path = run_dir / "report.html"
    assert path.stat().st_mode & 0o777 == 0o600
    page = path.read_text(encoding="utf-8")
    text = said(page)
    assert f"{record.final_train_loss:.4f} train loss" in text and f"{record.validation_loss:.4f} validation loss" in text
    assert f"{record.best_step} best step of 9" in text and "11 train and 3 validation rows" in text
    for name, proof in record.proofs.items():
        assert name in text and proof.reason in text
    assert "learning_rate 0.02 null" in text and "lora.dropout 0.1 0.0" in text
    assert "data.jsonl:1" in text and "11 rows seen" in text
    curves = [attributes for tag, attributes in Text(page).tags if tag == "polyline" and "curve" in (attributes["class"] or "")]
    assert [len((one["points"] or "").split()) for one in curves] == [9, 9, 3, 9, 9, 9]
    assert page == render_report(record, run_dir, {one.id: RowFacts(one.location, one.num_tokens) for one in examples(finished_run)})


def examples(finished_run: Finished) -> list[Any]:
    from prep.dataset.manifest import Dataset
    from templates.chat import load_tokenizer
    from train.config import TrainConfig
    from train.data.examples import load_examples
    from train.objectives.base import OBJECTIVES

    record = finished_run[1]
    config = TrainConfig.model_validate(record.config)
    dataset = Dataset.open(Path(record.dataset))
    return load_examples(dataset, OBJECTIVES.get("chat")(config), load_tokenizer(record.model), config, 512).train


def test_the_mask_is_marked_and_the_end_token_within_it(finished_run: Finished) -> None:
    run_dir, record = finished_run
    page = (run_dir / "report.html").read_text(encoding="utf-8")
    marked = re.findall(r"<mark>(.*?)</mark>", page, flags=re.DOTALL)
    trained = [span.text for span in record.sample.spans if span.trained]
    assert marked == ["trained", *(text.replace("<", "&lt;").replace(">", "&gt;").replace("\n", "↵\n") for text in trained)]
    assert any("<|im_end|>" in text for text in trained)


def test_hostile_rows_are_escaped(hostile_page: str) -> None:
    parsed = Text(hostile_page)
    assert [tag for tag, _ in parsed.tags if tag in {"img", "iframe", "object"}] == []
    assert sum(tag == "script" for tag, _ in parsed.tags) == 1
    assert not any(name.startswith("on") for _, attributes in parsed.tags for name in attributes)
    assert "{{ 7 * 7 }}" in parsed.text and "\u202e" not in hostile_page
    assert "Do not use this run: it failed options." in said(hostile_page)


def test_what_is_missing_is_said(finished_run: Finished, tmp_path: Path) -> None:
    record = finished_run[1].model_copy(
        update={"proofs": {}, "validation_losses": [], "validation_loss": None, "best_step": None, "peak_memory_bytes": None}
    )
    text = said(render_report(record, tmp_path, {}))
    for sentence in (
        "There is nothing to draw: the run has no metrics.jsonl",
        "There is none: the run has no training ledger that can be read.",
        "The page was made without the dataset",
        "There are none: the run is of a version that made no proofs.",
        "Validation was not measured: the dataset has no validation rows",
    ):
        assert sentence in text
    (tmp_path / "ledger.parquet").write_bytes(b"no parquet")
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": null}\n{"step": 2, "lo', encoding="utf-8")
    text = said(render_report(record, tmp_path, {}))
    assert "1 step has no finite loss" in text and "no training ledger that can be read" in text
    write_ledger(tmp_path, [{"id": "a", "epoch": 1, "loss": 0.5, "correct": True, "first_learned": 1}])
    text = said(render_report(record, tmp_path, {}))
    assert "this run saw none twice" in text and "No row was seen in two epochs, so that none varies." in text
    assert "No row was correct in one epoch and not in the next." in text


def test_the_map_is_of_confidence_variability_and_correctness(tmp_path: Path) -> None:
    losses = {"easy": (0.1, 0.1), "hard": (2.0, 3.0), "ambiguous": (2.0, 0.1), "odd": (-1.0, -1.0)}
    correct = {"easy": (True, True), "hard": (False, False), "ambiguous": (True, False), "odd": (True, True)}
    rows = [
        {"id": name, "epoch": epoch, "loss": loss, "correct": correct[name][epoch - 1], "times_forgotten": int(name == "ambiguous")}
        for name, pair in losses.items()
        for epoch, loss in enumerate(pair, start=1)
    ]
    write_ledger(tmp_path, rows)
    dynamics = read_dynamics(tmp_path)
    assert dynamics is not None
    found = {row["id"]: row for row in dynamics.iter_rows(named=True)}
    first, second = math.exp(-2), math.exp(-0.1)
    assert found["ambiguous"]["confidence"] == pytest.approx((first + second) / 2, rel=1e-6)
    assert found["ambiguous"]["variability"] == pytest.approx((second - first) / 2, rel=1e-6)
    assert (found["ambiguous"]["correctness"], found["odd"]["confidence"]) == (0.5, 1.0)
    drawn = row_map(dynamics, {"hard": RowFacts("a.tsv:7", 5)})
    assert [one.id for one in drawn.hardest][:2] == ["hard", "ambiguous"] and drawn.hardest[0].location == "a.tsv:7"
    assert drawn.ambiguous[0].id == "ambiguous" and [one.id for one in drawn.forgotten] == ["ambiguous"]
    assert (drawn.num_rows, drawn.num_never, drawn.num_forgotten) == (4, 1, 1)
    assert drawn.plot is not None
    assert [len(dots) for _, dots in drawn.plot.groups] == [2, 1, 1]


def test_a_large_run_has_a_small_page_that_says_what_it_left_out(finished_run: Finished, tmp_path: Path) -> None:
    num_steps, num_rows = 9_000, 20_000
    lines = (
        json.dumps({"step": step, "loss": 9.0 if step == 6_001 else 1.0 + step % 7, "grad_norm": 1.0}) for step in range(1, num_steps + 1)
    )
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    ids = [f"{index:08d}" for index in range(num_rows)]
    ledger = pl.concat(
        pl.DataFrame({"id": ids, "epoch": epoch, "loss": [(index % 997) / 300 / epoch for index in range(num_rows)]}) for epoch in (1, 2)
    )
    ledger.with_columns(
        row_id="id", step=1, margin=0.0, num_trained_tokens=2, correct=pl.col("loss") < 1, first_learned=None, times_forgotten=0
    ).select(LEDGER_SCHEMA.names()).cast(LEDGER_SCHEMA).write_parquet(tmp_path / "ledger.parquet")
    rows = {one: RowFacts("a.tsv:1", 5) for one in ids}
    page = render_report(finished_run[1], tmp_path, rows)
    assert len(page) < 700_000
    assert page == render_report(finished_run[1], tmp_path, rows)
    assert "9,000 steps: of each stretch" in said(page) and "1,429 of 20,000 rows are drawn" in said(page)
    points = [attributes["points"] or "" for tag, attributes in Text(page).tags if tag == "polyline"]
    assert max(len(one.split()) for one in points) <= MOST_POINTS
    top = min(float(pair.split(",")[1]) for pair in points[0].split())
    assert top == min(float(pair.split(",")[1]) for one in points[:3] for pair in one.split())  # the one peak is drawn
    assert sum(tag == "path" for tag, _ in Text(page).tags) <= MOST_DOTS + 3


def test_the_smoothed_loss_begins_at_the_first_and_follows() -> None:
    assert smoothed([(1, 4.0), (2, 0.0), (3, 0.0)], 1) == [(1, 4.0), (2, pytest.approx(4 / 3)), (3, pytest.approx(4 / 7))]
    assert smoothed([], 3) == []
    assert Metrics({}, 400, 0).half_life == 10


def test_a_page_is_made_again(finished_run: Finished, dataset_dir: Path, tmp_path: Path, command: Command) -> None:
    run_dir = tmp_path / "run"
    shutil.copytree(finished_run[0], run_dir)
    before = (run_dir / "report.html").read_bytes()
    (run_dir / "report.html").unlink()
    code, out, _ = command("report", run_dir, "--json")
    assert (code, json.loads(out)) == (0, {"report": str(run_dir / "report.html")})
    assert (run_dir / "report.html").read_bytes() == before
    moved = json.loads((run_dir / "run.json").read_text(encoding="utf-8")) | {"dataset": str(tmp_path / "gone")}
    (run_dir / "run.json").write_text(json.dumps(moved), encoding="utf-8")
    code, _, err = command("report", run_dir)
    assert code == 0 and "does not say where rows stand" in err
    assert "The page was made without the dataset" in said((run_dir / "report.html").read_text(encoding="utf-8"))
    assert command("report", run_dir, "--dataset", dataset_dir)[0] == 0
    assert "data.jsonl:1" in (run_dir / "report.html").read_text(encoding="utf-8")
    with pytest.raises(UserError, match="not finished"):
        report_run(tmp_path)
