"""What cannot be evaluated is refused, and nothing is written or replaced."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evals.run import evaluate_dataset
from loopwright.errors import UserError
from tests.evals.conftest import make_run, options


def break_nothing(folder: Path) -> None:
    """The folder is as it should be."""


def drop_weights(folder: Path) -> None:
    (folder / "adapter_model.safetensors").unlink()


def drop_record(folder: Path) -> None:
    (folder / "run.json").unlink()


def other_weights(folder: Path) -> None:
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    (folder / "run.json").chmod(0o600)
    (folder / "run.json").write_text(json.dumps({**record, "model_sha256": "0" * 64}), encoding="utf-8")


@pytest.mark.parametrize(
    "case",
    [
        (break_nothing, {"split": "test"}, "the test split is empty"),
        (break_nothing, {"systems": ("base", "linaer")}, "Did you mean 'linear'"),
        (break_nothing, {"systems": ("constant:x",)}, "not how the system"),
        (break_nothing, {"systems": ("base:x",)}, "there is no model 'x'"),
        (break_nothing, {"metrics": ("acuracy",)}, "Did you mean 'accuracy'"),
        (break_nothing, {"fail_below": {"rogue1": 0.5}}, "Did you mean 'rouge1'"),
        (break_nothing, {"form": "verbalizer"}, "trained in chat form"),
        (break_nothing, {"model": "no/such/model"}, "there is no model"),
        (drop_weights, {}, "the folder holds no adapter"),
        (drop_record, {}, "the run is not finished"),
        (other_weights, {}, "other weights"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_and_nothing_is_written(
    tmp_path: Path, reviews: Path, tiny_model_dir: Path, case: tuple[Callable[[Path], None], dict[str, Any], str]
) -> None:
    spoil, given, message = case
    run = make_run(tmp_path / "run", tiny_model_dir)
    spoil(run)
    with pytest.raises(UserError) as caught:
        evaluate_dataset(reviews, tmp_path / "out", options(**{"adapter": str(run), **given}))
    assert message in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_the_output_folder_replaces_nothing_but_an_evaluation(tmp_path: Path, reviews: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work", encoding="utf-8")
    for out in (tmp_path / "mine", reviews):
        with pytest.raises(UserError):
            evaluate_dataset(reviews, out, options(systems=("constant",)))
    assert (tmp_path / "mine" / "thesis.txt").exists()
    for _ in range(2):
        evaluate_dataset(reviews, tmp_path / "out", options(systems=("constant",)))
    (tmp_path / "out" / "drafts.jsonl").write_text("corrected by hand", encoding="utf-8")
    with pytest.raises(UserError, match=r"'drafts\.jsonl'. Move it elsewhere"):
        evaluate_dataset(reviews, tmp_path / "out", options(systems=("constant",)))
