"""Every answer of a chat: scored as it is trained, and by its turn."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from transformers import PreTrainedTokenizerFast

from evals.data.rows import EvalRow
from evals.predict.parts import encode_turns
from evals.run import evaluate_dataset
from templates.chat import EncodeError, Message, encode_chat, load_tokenizer
from tests.conftest import make_tokenizer
from tests.evals.conftest import options
from tests.evals.kinds.made import chats, evaluated, models, parts, said, trained, user, value, weighted_sum
from tests.helpers import write_dataset
from tests.templates.test_chat import DROPS_THINKING
from tests.train.conftest import without_proofs


def chat_row(messages: list[Any], **more: Any) -> EvalRow:
    return EvalRow("r", "r", "s", 1, None, "test", "t", None, None, messages, None, None, **more)


def with_weights(row: dict[str, Any]) -> list[Any]:
    return [{**message, "weight": 0} if "extras" in row and place == 1 else message for place, message in enumerate(row["messages"])]


@pytest.fixture(scope="module")
def chats_run(tmp_path_factory: pytest.TempPathFactory, tiny_model_dir: Path) -> tuple[Path, Path, Any]:
    with pytest.MonkeyPatch.context() as patch:
        without_proofs(patch)
        return trained(tmp_path_factory.mktemp("chats"), chats(), tiny_model_dir, objective="chat")


def test_the_nll_of_answers_is_the_held_out_loss_and_that_of_plain_modules(
    tmp_path: Path, chats_run: tuple[Path, Path, Any], tiny_model_dir: Path
) -> None:
    dataset, run, record = chats_run
    report, tuned = evaluated(dataset, tmp_path / "out", run, max_batch_tokens=200)
    assert list(report.systems["base"].metrics)[-1] == "answer_nll"
    assert value(report, tuned, "answer_nll") == pytest.approx(record.validation_loss, abs=1e-4)
    assert value(report, "base", "answer_nll") == pytest.approx(record.validation_loss_before, abs=1e-4)
    tokenizer = load_tokenizer(str(tiny_model_dir))
    held_out = {row["row_id"]: row for row in chats() if row["split"] == "validation"}
    for model, system in zip(models(tiny_model_dir, run, "lora"), ("base", tuned), strict=True):
        found = parts(tmp_path / "out", system)
        for row_id, row in held_out.items():
            [encoded] = encode_chat(tokenizer, with_weights(row))
            assert sum(part["loglikelihood"] for part in found[row_id]) == pytest.approx(weighted_sum(model, encoded), abs=1e-3)
            assert sum(part["num_tokens"] for part in found[row_id]) == encoded.num_trained_tokens
    assert [part["name"] for part in parts(tmp_path / "out", tuned)["c12"]] == ["turn 2", "turn 3"], "a turn of weight 0 is read alone"
    assert report.verdict_detail.metric != "answer_nll", "the first metric decides"


def test_answers_are_divided_by_their_turn(tmp_path: Path, chats_run: tuple[Path, Path, Any]) -> None:
    dataset, run, _ = chats_run
    report, tuned = evaluated(dataset, tmp_path / "out", run, metrics=["answer_nll"])
    of_turn = {one.value: one for one in report.slices if one.slice == "turn" and one.system == tuned}
    assert {name: one.n for name, one in of_turn.items()} == {"1": 7, "2": 6, "3": 5, "4+": 4}
    rows = list(parts(tmp_path / "out", tuned).values())
    for name, wanted in (("1", {"turn 1"}), ("4+", {"turn 4", "turn 5"})):
        own = [part for row in rows for part in row if part["name"] in wanted]
        expected = -sum(part["loglikelihood"] for part in own) / sum(part["num_tokens"] for part in own)
        score = of_turn[name].score
        assert score.value == pytest.approx(expected) and score.low is not None and score.high is not None
        assert score.low < expected < score.high, "the interval is by chats"


def test_chats_of_one_answer_are_scored_and_not_divided(tmp_path: Path, summaries: Path, tiny_model_dir: Path) -> None:
    report = evaluate_dataset(summaries, tmp_path / "out", options(model=str(tiny_model_dir), systems=["base", "nearest"]))
    assert value(report, "base", "answer_nll") > 0
    assert "answer_nll" not in report.systems["nearest"].metrics, "what is looked up has no likelihood"
    assert not [one for one in report.slices if one.slice == "turn"]
    without = options(model=str(tiny_model_dir), systems=["base"], metrics=["rouge1"])
    evaluate_dataset(summaries, tmp_path / "rouge", without)
    assert pl.read_parquet(tmp_path / "rouge" / "predictions.parquet")["parts"].null_count() == 6, "what no metric reads is not computed"


def test_demonstrations_are_read_and_not_scored(tmp_path: Path, chats_run: tuple[Path, Path, Any]) -> None:
    dataset, run, _ = chats_run
    evaluated(dataset, tmp_path / "out", run, systems=["base", "fewshot:2"])
    plain, shown = (parts(tmp_path / "out", system) for system in ("base", "fewshot:2"))
    for row_id, own in plain.items():
        assert [(part["name"], part["num_tokens"]) for part in own] == [(part["name"], part["num_tokens"]) for part in shown[row_id]]
        assert [part["loglikelihood"] for part in own] != [part["loglikelihood"] for part in shown[row_id]]


def test_a_chat_that_a_template_rewrites_is_scored_answer_by_answer() -> None:
    tokenizer = make_tokenizer(DROPS_THINKING)
    messages = [user("The soup?"), said("<think>hm</think>great"), user("The bill?"), said("<think>so</think>wrong")]
    asked = encode_turns(tokenizer, chat_row(messages))
    assert len(asked.request.sequences) == 2, "an answer that is written otherwise later is in a sequence of its own"
    assert asked.names == ("turn 1", "turn 2")
    found = [
        (span.part, tokenizer.decode(ids[span.start : span.end]))
        for ids, spans in zip(asked.request.sequences, asked.request.spans, strict=True)
        for span in spans
    ]
    assert found == [(0, "<think>hm</think>great<|im_end|>"), (1, "<think>so</think>wrong<|im_end|>")]


def test_an_answer_begins_behind_the_prompt_that_is_evaluated(tokenizer: PreTrainedTokenizerFast) -> None:
    from templates.chat import encode_prompt

    messages: list[Message] = [user("The soup?"), said("great"), user("The bill?"), said("wrong")]
    request = encode_turns(tokenizer, chat_row(messages)).request
    [ids], [[first, last]] = request.sequences, request.spans
    assert ids[: first.start] == encode_prompt(tokenizer, messages[:1])
    assert ids[: last.start] == encode_prompt(tokenizer, messages[:3])


def test_a_chat_that_is_not_scored_is_counted(tmp_path: Path, tiny_model_dir: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [
        {"split": "validation", "messages": [user("The soup?"), said(text)], "row_id": name}
        for name, text in (("a", "great"), ("b", "soup " * 600))
    ]
    report = evaluate_dataset(
        write_dataset(tmp_path / "data", rows), tmp_path / "out", options(model=str(tiny_model_dir), systems=["base"])
    )
    assert report.systems["base"].n_scored == 2, "both are answered"
    assert any("the answers of 1 of 2 chats are not scored: the text has" in note for note in report.notes)
    assert parts(tmp_path / "out", "base")["b"] is None
    with pytest.raises(EncodeError, match="no answer that is trained"):
        encode_turns(tokenizer, chat_row([user("?"), {**said("x"), "weight": 0}]))
