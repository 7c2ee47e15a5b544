"""`evals score`: what it writes agrees with evaluation and with training's loss, row by row."""

import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from evals.cli import app
from evals.data.rows import load_rows
from evals.predict.requests import encode_choices
from evals.score.score import ScoreOptions, score_dataset, score_schema
from loopwright.errors import UserError
from prep.dataset.manifest import Dataset
from prep.lint.frame.examples import load_files
from prep.lint.frame.model_scores import open_model_scores
from templates.form import Form
from tests.helpers import encode_one
from train.inference.language_model import LanguageModel
from train.inference.loglikelihood import score_choices

WIDTH = 32


def options(model: Path, **more: Any) -> ScoreOptions:
    return ScoreOptions(**{"model": str(model), "dtype": "float32", **more})


def chat(text: str, answer: str) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "system", "content": "You sort restaurant reviews."},
            {"role": "user", "content": text},
            {"role": "assistant", "content": answer},
        ]
    }


def write_rows(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def scored(reviews: Path, tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    out = tmp_path_factory.mktemp("scores") / "scores.parquet"
    score_dataset(reviews, out, options(tiny_model_dir, form="chat"))
    return open_model_scores(out).collect()


def test_every_row_of_every_split_is_there_once_with_the_documented_columns(reviews: Path, scored: pl.DataFrame) -> None:
    expected = Dataset.open(reviews).examples().collect()["id"]
    assert sorted(scored["id"]) == sorted(expected)
    assert scored.schema == score_schema(WIDTH)
    assert scored["probabilities"].list.sum().to_list() == pytest.approx([1.0] * len(scored), abs=1e-5)
    assert scored["hidden"].null_count() == 0


def test_probabilities_are_those_of_evaluation_in_the_same_form(reviews: Path, tiny_model_dir: Path, scored: pl.DataFrame) -> None:
    language_model = LanguageModel(str(tiny_model_dir), "float32", {})
    rows = load_rows(Dataset.open(reviews), "validation")[0][:8]
    requests = [encode_choices(language_model.tokenizer, row, Form.CHAT) for row in rows]
    expected = score_choices(language_model.model, requests, max_length=512, max_batch_tokens=2048, advance=lambda _: None)
    found = {row["id"]: row for row in scored.iter_rows(named=True)}
    for row, request, one in zip(rows, requests, expected, strict=True):
        assert row.label is not None
        shares = [math.exp(value) for value in one.loglikelihoods]
        assert found[row.id]["probabilities"] == pytest.approx([share / sum(shares) for share in shares], rel=1e-4)
        assert found[row.id]["label"] == row.label
        assert found[row.id]["num_tokens"] == len(request.continuations[row.label])
        assert found[row.id]["loss"] == pytest.approx(-one.loglikelihoods[row.label] / found[row.id]["num_tokens"], rel=1e-4)


def test_the_loss_of_free_text_is_that_of_the_trained_tokens(summaries: Path, tiny_model_dir: Path, tmp_path: Path) -> None:
    import torch

    out = tmp_path / "scores.parquet"
    score_dataset(summaries, out, options(tiny_model_dir))
    found = {row["id"]: row for row in pl.read_parquet(out).iter_rows(named=True)}
    language_model = LanguageModel(str(tiny_model_dir), "float32", {})
    row = load_rows(Dataset.open(summaries), "train")[0][0]
    assert row.messages is not None
    encoded = encode_one(language_model.tokenizer, row.messages)
    with torch.inference_mode():
        logits = language_model.model(torch.tensor([encoded.input_ids])).logits[0].log_softmax(-1)
    trained = [index for index, weight in enumerate(encoded.loss_weights) if weight > 0]
    loss = -sum(float(logits[index - 1, encoded.input_ids[index]]) for index in trained) / len(trained)
    assert found[row.id]["loss"] == pytest.approx(loss, rel=1e-4)
    assert found[row.id]["num_tokens"] == len(trained)
    assert found[row.id]["choices"] is None
    assert found[row.id]["probabilities"] is None


def test_hidden_states_see_the_question_and_not_the_answer(tiny_model_dir: Path, tmp_path: Path) -> None:
    rows = [chat(f"the soup was {word}", "positive" if index % 2 else "negative") for index, word in enumerate(["great", "slow"] * 15)]
    rows += [chat("the bill was wrong", "negative"), chat("the bill was wrong", "positive")]
    path = write_rows(tmp_path / "train.jsonl", rows)
    score_dataset(path, tmp_path / "scores.parquet", options(tiny_model_dir))
    hidden = pl.read_parquet(tmp_path / "scores.parquet")["hidden"].to_numpy()
    assert hidden[-1] == pytest.approx(hidden[-2], abs=1e-5)
    assert abs(hidden[-1] - hidden[0]).max() > 1e-3


def test_a_training_file_gets_the_ids_and_classes_that_lint_sees(tiny_model_dir: Path, tmp_path: Path) -> None:
    rows = [chat(f"the soup {index} was great", "positive" if index % 3 else "Negative") for index in range(60)]
    rows += [{"messages": rows[0]["messages"][:2]}]  # has no answer
    path = write_rows(tmp_path / "train.jsonl", rows)
    report = score_dataset(path, tmp_path / "scores.parquet", options(tiny_model_dir))
    found = pl.read_parquet(tmp_path / "scores.parquet")
    folder = tmp_path / "read"
    folder.mkdir()
    assert found["id"].to_list() == load_files([(path, "train")], folder).frame.sort("position").collect()["id"].to_list()
    assert found["choices"][0].to_list() == ["Negative", "positive"]
    assert found["label"].to_list() == [0 if index % 3 == 0 else 1 for index in range(60)] + [None]
    assert found["loss"].is_null().to_list() == [False] * 60 + [True]
    assert (report.num_rows, report.num_with_probabilities, report.num_unscored) == (61, 60, 1)


def test_results_do_not_depend_on_the_batch(reviews: Path, tiny_model_dir: Path, tmp_path: Path, scored: pl.DataFrame) -> None:
    score_dataset(reviews, tmp_path / "one.parquet", options(tiny_model_dir, form="chat", max_batch_tokens=1))
    alone = pl.read_parquet(tmp_path / "one.parquet")
    assert alone["hidden"].to_numpy() == pytest.approx(scored["hidden"].to_numpy(), abs=1e-4)
    assert alone["loss"].to_list() == pytest.approx(scored["loss"].to_list(), abs=1e-4)


def test_an_adapter_changes_the_scores(
    reviews: Path, tiny_model_dir: Path, adapter_dir: Path, tmp_path: Path, scored: pl.DataFrame
) -> None:
    score_dataset(reviews, tmp_path / "tuned.parquet", options(tiny_model_dir, adapter=str(adapter_dir)))
    tuned = pl.read_parquet(tmp_path / "tuned.parquet")
    assert tuned["loss"].to_list() != pytest.approx(scored["loss"].to_list(), abs=1e-2)


def test_rows_with_more_choices_than_wanted_get_a_loss_alone(
    reviews: Path, tiny_model_dir: Path, tmp_path: Path, scored: pl.DataFrame
) -> None:
    score_dataset(reviews, tmp_path / "few.parquet", options(tiny_model_dir, form="chat", max_choices=1))
    few = pl.read_parquet(tmp_path / "few.parquet")
    assert few["probabilities"].null_count() == len(few)
    assert few["loss"].to_list() == pytest.approx(scored["loss"].to_list(), abs=1e-4)


def test_the_command_writes_beside_the_dataset_and_says_what_is_wrong(reviews: Path, tiny_model_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.parquet"
    result = CliRunner().invoke(app, ["score", str(reviews), "--model", str(tiny_model_dir), "--out", str(out), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["rows"] == 84
    with pytest.raises(UserError, match="no model is named"):
        score_dataset(reviews, out, ScoreOptions())
    with pytest.raises(UserError, match="nothing at this path"):
        score_dataset(tmp_path / "nowhere", out, options(tiny_model_dir))


def test_a_file_of_another_kind_is_refused_by_name(tmp_path: Path, scored: pl.DataFrame) -> None:
    scored.drop("hidden").write_parquet(tmp_path / "less.parquet")
    with pytest.raises(UserError, match="lacks the column 'hidden'"):
        open_model_scores(tmp_path / "less.parquet")
    pl.concat([scored, scored]).write_parquet(tmp_path / "twice.parquet")
    with pytest.raises(UserError, match="a duplicate id"):
        open_model_scores(tmp_path / "twice.parquet")
