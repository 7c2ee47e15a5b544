"""From raw rows through a library template to a run that is evaluated: a Chinese verbalizer, a cloze, and the language of a domain."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from evals import evaluate
from prep import build_dataset
from prep.dataset.manifest import Dataset
from templates.form import Form
from tests.train.masked import write_model
from train import train

SAMPLES = Path(__file__).parents[3] / "sample_data"
DISHES = ["汤", "面条", "烤鸭", "豆腐", "米饭"]
GOOD = ["很好喝", "真好吃", "好香", "做得好", "好新鲜"]
BAD = ["很差劲", "真差", "差远了", "做得差", "差到家"]


def chinese_reviews() -> pl.DataFrame:
    rows = [(f"{dish}{said}。", label) for dish in DISHES for label, words in ((1, GOOD), (0, BAD)) for said in words]
    return pl.DataFrame({"id": range(len(rows)), "text": [text for text, _ in rows], "liked": [label for _, label in rows]})


def build(folder: Path, source: dict[str, Any], template: str, **more: Any) -> Path:
    config = {
        "name": "example",
        "sources": [source],
        "templates": [{"name": template}],
        "split": {"train": 0.7, "validation": 0.3, "test": 0.0, "seed": 17},
        **more,
    }
    (folder / "build.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    build_dataset(folder / "build.yaml", folder / "data", limit=60)
    return folder / "data"


@pytest.fixture(scope="module")
def chinese(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same reviews as prompts with a word behind them, and with a blank for one."""
    found = {}
    for template in ("reviews/sentiment_zh", "reviews/sentiment_cloze_zh"):
        folder = tmp_path_factory.mktemp(template.replace("/", "-"))
        more = {"labels": {0: "negative", 1: "positive"}, "outputs": ["verbalizer"]}
        chinese_reviews().write_ndjson(folder / "rows.jsonl")
        source = {"path": "rows.jsonl", "key": "id", "fields": {"text": "text", "label": "liked"}}
        found[template] = build(folder, source, template, **more)
    return found


def test_a_chinese_verbalizer(chinese: dict[str, Path], tiny_model_dir: Path, tmp_path: Path) -> None:
    dataset = chinese["reviews/sentiment_zh"]
    result = train(
        dataset,
        tmp_path / "run",
        {"model": str(tiny_model_dir), "objective": "verbalizer", "dtype": "float32", "learning_rate": 1e-2, "epochs": 3},
        leaks="allow",
    )
    sample = [span for span in result.record.sample.spans if span.trained]
    assert sorted((span.sequence, span.text) for span in sample) == [("好评", "好评"), ("差评", "差评")]
    assert result.record.validation_losses[-1][1] < result.record.validation_losses[0][1]
    report = evaluate(
        dataset,
        tmp_path / "out",
        adapter=str(tmp_path / "run"),
        systems=["base", "adapter"],
        metrics=["nll"],
        num_resamples=200,
        dtype="float32",
    ).report
    values = {str(system.role): float(system.metrics["nll"].value or 0) for system in report.systems.values()}
    assert report.form == Form.VERBALIZER
    assert values["tuned"] == pytest.approx(result.record.validation_loss, rel=1e-3)
    assert values["tuned"] < values["base"]


def test_a_chinese_cloze_with_a_small_masked_model(chinese: dict[str, Path], tmp_path: Path) -> None:
    model = write_model("bert", tmp_path / "bert", texts=[*chinese_reviews()["text"], "总的来说，这家店很差。不好。很好。不错。"])
    dataset = chinese["reviews/sentiment_cloze_zh"]  # whose short sentences are near-duplicates of each other
    result = train(
        dataset,
        tmp_path / "run",
        {"model": str(model), "objective": "cloze", "dtype": "float32", "learning_rate": 5e-3, "epochs": 5, "leaks": "allow"},
    )
    sample = [span for span in result.record.sample.spans if span.trained]
    assert sorted((span.sequence, span.text) for span in sample) == [("很好", "[MASK][MASK]"), ("很差", "[MASK][MASK]")]
    report = evaluate(
        dataset, tmp_path / "out", adapter=str(tmp_path / "run"), metrics=["accuracy", "nll"], num_resamples=200, dtype="float32"
    ).report
    accuracy = {str(system.role): float(system.metrics["accuracy"].value or 0) for system in report.systems.values()}
    assert accuracy["tuned"] == pytest.approx(1.0, abs=0.1)
    assert accuracy["base"] < 0.8


@pytest.mark.parametrize(
    ("source", "key", "text"), [("legal/clauses.jsonl", "clause_id", "clause"), ("medical/notes.csv", "note_id", "plain")]
)
def test_the_language_of_a_domain(source: str, key: str, text: str, tiny_model_dir: Path, tmp_path: Path) -> None:
    """Documents as they are; what is learned shows in the loss on documents that are held out."""
    dataset = build(tmp_path, {"path": str(SAMPLES / source), "key": key, "fields": {"text": text}}, "general/text", outputs=["completion"])
    options = {"model": str(tiny_model_dir), "objective": "completion", "dtype": "float32", "learning_rate": 1e-2, "epochs": 2}
    result = train(dataset, tmp_path / "run", {**options, "max_length": 64, "leaks": "allow"})
    losses = [loss for _, loss in result.record.validation_losses]
    assert losses[-1] < losses[0]
    rows = Dataset.open(dataset).examples("train").collect()
    assert result.record.num_examples == rows.height
    assert result.record.dropped_too_long == []
    assert result.record.num_trained_tokens > 2 * 64 * rows.height  # in two epochs: most documents are longer than a window
