"""Training rows that a model goes on with word for word."""

from pathlib import Path
from typing import Any

import pytest

from evals.forgetting.memorised import NUM_TOKENS, draw_rows, drawn_records
from evals.forgetting.plan import plan_memory
from evals.run import evaluate_dataset
from evals.systems.base import make_systems
from loopwright.errors import UserError
from prep.dataset.manifest import Dataset
from templates.chat import encode_chat, load_tokenizer
from templates.form import Form
from tests.evals.conftest import SUMMARY_TEMPLATE, options
from tests.evals.forgetting.conftest import Overfitted
from tests.helpers import summary, write_dataset
from train.models.config_checks import MASKED_CLASS
from train.runs.record import RunRecord

WORDS = ["soup", "waiter", "bill", "order", "number", "replacement"]


def long_answer(seed: int) -> str:
    """Three words of its own over and over: soon learnt, and nothing that a model begins with."""
    return " ".join(WORDS[3 * seed : 3 * seed + 3] * 40)


def rows(num_long: int, num_short: int) -> list[dict[str, Any]]:
    texts = [long_answer(number) for number in range(num_long)] + ["soup and wine"] * num_short
    train_rows = [summary(f"Tell me number {number}", text, row_id=f"r{number}") for number, text in enumerate(texts)]
    return [*train_rows, summary("Tell me.", "wine", split="validation", row_id="v")]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("long") / "data", rows(2, 3), templates=[SUMMARY_TEMPLATE])


def test_rows_known_by_heart_are_found_and_the_base_does_not_know_them(
    dataset: Path, knowing_model_dir: Path, overfitted: Overfitted, tmp_path: Path
) -> None:
    tokenizer = load_tokenizer(str(knowing_model_dir))
    said = [row["messages"] for row in rows(2, 0) if row["split"] == "train"]
    run = overfitted(
        tmp_path / "run", [one for messages in said for one in encode_chat(tokenizer, messages)], num_steps=80, learning_rate=1e-2
    )
    report = evaluate_dataset(dataset, tmp_path / "out", options(adapter=str(run), systems=("base", "adapter"), memorised=50))
    found = report.memorised
    assert found is not None and (found.num_rows, found.num_measured, found.num_too_short) == (5, 2, 3)
    base, tuned = found.systems
    assert (base.num_verbatim, base.difference) == (0, None)
    assert tuned.num_verbatim == 2 and tuned.difference == 1.0 and tuned.low is not None and tuned.high is not None
    assert tuned.low < 1.0 <= tuned.high
    notes = [note for note in report.notes if note.startswith("memorised: ")]
    assert "3 have no 50 tokens behind the middle" in notes[0] and "2 of 2 train rows word for word" in notes[1]


def test_rows_too_short_for_it_are_counted_and_nothing_is_measured(tiny_model_dir: Path, adapter_dir: Path, tmp_path: Path) -> None:
    short = write_dataset(tmp_path / "short", rows(0, 4), templates=[SUMMARY_TEMPLATE])
    report = evaluate_dataset(short, tmp_path / "out", options(adapter=str(adapter_dir), systems=("base", "adapter"), memorised=3))
    assert report.memorised is not None and (report.memorised.num_rows, report.memorised.num_too_short) == (3, 3)
    assert report.memorised.systems == []
    assert any(note.startswith("memorised: not measurable on 3 train rows: 3 have no 50 tokens") for note in report.notes)


@pytest.mark.parametrize("form", [Form.CHAT, Form.VERBALIZER, Form.COMPLETION, Form.PREFERENCE])
def test_a_row_is_cut_in_the_middle_of_what_is_trained_of_it(form: Form, tokenizer: Any, tmp_path: Path) -> None:
    answer = long_answer(1)
    asked = {"messages": [{"role": "user", "content": "Tell me."}]}
    said = {"role": "assistant", "content": answer}
    parts: dict[Form, dict[str, Any]] = {
        Form.CHAT: {"messages": [*asked["messages"], {"role": "assistant", "content": "What?"}, *asked["messages"], said]},
        Form.VERBALIZER: {"prompt": "Tell me.\n", "target": answer},
        Form.COMPLETION: {"text": answer},
        Form.PREFERENCE: {**asked, "chosen": [said], "rejected": [{"role": "assistant", "content": "No."}]},
    }
    dataset = Dataset.open(write_dataset(tmp_path / "data", [parts[form]]))
    records = drawn_records(dataset, form, 9, 0)
    drawn = draw_rows(tokenizer, records, form, 512)
    [row] = drawn.rows
    assert len(row.expected) == NUM_TOKENS
    whole = tokenizer.decode(row.given + row.expected)
    before, found, after = whole.partition(answer[:20])
    assert found and answer.startswith(found + after) and ("Tell me." in before) is (form is not Form.COMPLETION)
    num_given = len(tokenizer.encode("".join(tokenizer.decode(row.given).partition(answer[:20])[1:])))
    assert abs(num_given - len(tokenizer.encode(answer)) / 2) < 8, "the first half of the answer stands before the continuation"
    if form is not Form.COMPLETION:
        assert draw_rows(tokenizer, records, form, len(row.given) + NUM_TOKENS - 1).num_too_long == 1
    else:
        [cut] = draw_rows(tokenizer, records, form, 70).rows
        assert cut.given == row.given[-20:] and cut.expected == row.expected


def test_the_same_rows_are_drawn_by_the_same_seed(dataset: Path) -> None:
    found = [[row["id"] for row in drawn_records(Dataset.open(dataset), Form.CHAT, 3, seed)] for seed in (1, 1, 2, 3, 4, 5)]
    assert len(found[0]) == 3 and found[0] == found[1] and len({tuple(one) for one in found}) > 1


def test_a_masked_model_writes_nothing(dataset: Path, adapter_dir: Path, tiny_model_dir: Path) -> None:
    record = RunRecord.load(adapter_dir).model_copy(update={"auto_class": MASKED_CLASS})
    systems = make_systems(("base", "adapter"), str(adapter_dir))
    with pytest.raises(UserError, match=r"a masked one, which fills blanks.*Leave --memorised out"):
        plan_memory(Dataset.open(dataset), systems, {str(adapter_dir): record}, str(tiny_model_dir), options(memorised=5))
