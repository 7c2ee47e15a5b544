"""A judge of a finished evaluation: what it says, how far it can be believed, and what is made of judges with planted ways."""

import json
import random
import stat
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from evals import judge_evaluation
from evals.cli import app
from evals.judge.contract import ItemState, JudgeReport, Method
from evals.reports.results import check_out
from loopwright.errors import UserError
from loopwright.files import read_json_lines
from tests.evals.fake_server import QUICK, Answer, Fake, said
from tests.evals.judge.conftest import (
    ALIKE,
    LABELLED,
    NUM_ROWS,
    SILENT,
    Made,
    answers,
    by_quality,
    copied,
    judge_by,
    judged,
    make_dataset,
    make_evaluation,
    quality,
    right,
    row_id,
    shown,
    with_logprobs,
    write_labels,
)

Start = Callable[[Any], Fake]


def share_right(number: int = NUM_ROWS) -> float:
    """The true rate: how often the trained answer is better, one tie in it."""
    points = [0.5 if row == ALIKE else float(right(row) == "a") for row in range(number) if row != SILENT]
    return sum(points) / len(points)


def test_a_judge_that_is_right_is_told_to_be(made: Made, labels: Path, fake: Start) -> None:
    report = judged(made, fake(judge_by(by_quality)), labels)
    assert report.states == {ItemState.CONSISTENT: NUM_ROWS - 2, ItemState.IDENTICAL: 1, ItemState.NO_ANSWER: 1}
    assert report.systems == ["trained", "plain"] and report.probe.method is Method.LOGPROBS and report.probe.num_right == 2
    assert report.rate.judge.value == pytest.approx(share_right())
    for rate in (report.rate.judge, report.rate.corrected):
        assert rate.low is not None and rate.high is not None and rate.low < share_right() < rate.high
    people = report.agreement_with_people
    assert people.kappa.value == 1.0 and people.num_comparisons == len(LABELLED)
    assert people.kappa.low is not None and 0.6 < people.kappa.low < 1.0, "45 equal verdicts do not prove that none will ever differ"
    assert people.base_rate == pytest.approx(max(Counter(map(right, LABELLED)).values()) / len(LABELLED))
    assert people.counts == [[sum(right(n) == "a" for n in LABELLED), 0, 0], [0, sum(right(n) == "b" for n in LABELLED), 0], [0, 0, 0]]
    assert report.agreement_between_orders.kappa.value == 1.0
    assert report.agreement_when_repeated is not None and report.agreement_when_repeated.num_comparisons == 10
    assert report.agreement_between_people is None
    assert report.bias.first_position.value == 0.5 and report.is_reliable
    assert report.verdict.startswith("trained wins against plain in 75.3% [") and "kappa with people 1.00" in report.verdict
    assert report.warnings == ["there is no answer to judge of 1 of 80 examples: they are in no rate"]


def test_what_is_written_is_whole_private_where_it_quotes_and_replaced(made: Made, labels: Path, fake: Start) -> None:
    for decide in (by_quality, lambda first, second: "A"):
        report = judged(made, fake(judge_by(decide)), labels)
        assert JudgeReport.model_validate_json((made.out / "judge.json").read_text(encoding="utf-8")) == report
        lines = read_json_lines(made.out / "judgements.jsonl")
        assert Counter((line["order"], line["repeat"]) for line in lines) == {
            ("ab", 0): NUM_ROWS - 2,
            ("ba", 0): NUM_ROWS - 2,
            ("ab", 1): 10,
        }
        for line in lines:
            assert line["state"] == "ok" and (line["probability"] > 0.5) == (line["verdict"] == "a")
    assert stat.S_IMODE((made.out / "judgements.jsonl").stat().st_mode) == 0o600
    assert not (made.out / "judge.json").read_text(encoding="utf-8").count("quality"), "no answer is quoted there"
    check_out(made.out, made.dataset)


def test_evaluating_again_leaves_no_judge_of_the_answers_before(tmp_path: Path, made: Made, labels: Path, fake: Start) -> None:
    again = copied(made, tmp_path)
    judged(again, fake(judge_by(by_quality)), labels)
    assert (again.out / "judge.json").exists() and (again.out / "judgements.jsonl").exists()
    make_evaluation(tmp_path)
    assert not (again.out / "judge.json").exists() and not (again.out / "judgements.jsonl").exists()


def test_a_judge_that_always_says_a_decides_nothing(made: Made, labels: Path, fake: Start) -> None:
    report = judged(made, fake(judge_by(lambda *_: "A")), labels)
    assert report.states[ItemState.INCONSISTENT] == NUM_ROWS - 2
    assert report.rate.judge.value == 0.5 and report.rate.counts == {"a": 0, "b": 0, "tie": NUM_ROWS - 2}
    assert report.bias.first_position.value == 1.0 and report.rate.power == 0.0
    assert report.rate.corrected.model_dump() == pytest.approx(report.rate.people.model_dump()), "it tells nothing of what people say"
    assert report.agreement_between_orders.observed.value == 0.0
    assert report.agreement_with_people.kappa.value == 0.0 and not report.is_reliable
    assert report.verdict.startswith("do not rely on the judge: its agreement with people may be no better than fair (kappa 0.00")
    assert any(text.startswith("position bias: 100.0%") for text in report.warnings)
    assert any("said the contrary in 1 of the two orders" in text for text in report.warnings)


def test_a_judge_that_likes_long_answers_is_told_by_it(made: Made, labels: Path, fake: Start) -> None:
    report = judged(made, fake(judge_by(lambda first, second: "A" if len(first) > len(second) else "B")), labels)
    assert report.bias.longer_answer is not None and report.bias.longer_answer.value == 1.0
    assert report.bias.longer_answer_people is not None and (report.bias.longer_answer_people.value or 1.0) < 0.8
    assert any(text.startswith("length bias: the longer answer wins 100.0%") for text in report.warnings)
    assert not report.is_reliable and report.rate.power < 0.3


def test_a_judge_that_agrees_with_people_four_times_in_five_is_corrected(made: Made, labels: Path, fake: Start) -> None:
    """It errs for the trained system alone, so that its own rate is too high: the labels take that out again."""

    def flatter(first: str, second: str) -> str:
        number = int(first.partition(",")[0].removeprefix("Call ")) if first.startswith("Call") else 0
        if right(number) == "b" and random.Random(f"{number}").random() < 0.65 and quality(first) in {3, 7}:
            return "A" if quality(first) < quality(second) else "B"
        return by_quality(first, second)

    report = judged(made, fake(judge_by(flatter)), labels)
    people = report.agreement_with_people
    assert people.observed.value is not None and 0.7 < people.observed.value < 0.9
    assert people.kappa.value is not None and people.kappa.low is not None and people.kappa.low < people.kappa.value < 0.7
    rate = report.rate
    assert rate.judge.low is not None and rate.judge.low > share_right(), "flattered"
    assert rate.corrected.low is not None and rate.corrected.high is not None and rate.corrected.low < share_right() < rate.corrected.high
    assert 0 < rate.power < 1


def test_a_judge_that_wavers_does_not_agree_with_itself(made: Made, labels: Path, fake: Start) -> None:
    def waver(body: dict[str, Any], number: int) -> Answer:
        return 200, {}, with_logprobs(random.Random(number).choice("AB"))

    report = judged(made, fake(waver), labels, repeats=60, endpoint={"concurrency": 1})
    assert report.agreement_when_repeated is not None and report.agreement_when_repeated.kappa.high is not None
    assert report.agreement_when_repeated.num_comparisons == 60 and report.agreement_when_repeated.kappa.high < 0.6


def test_garbage_is_refused_and_nothing_is_written(tmp_path: Path, made: Made, labels: Path, fake: Start) -> None:
    fresh = copied(made, tmp_path)
    with pytest.raises(UserError, match=r"cannot be read, whichever way it is asked: neither A nor B: 'As a language model, A or B"):
        judged(fresh, fake(lambda *_: (200, {}, said("As a language model, A or B"))), labels)
    later = fake(lambda body, number: (200, {}, said("B" if "capital of France" in body["messages"][0]["content"] else "Hm.")))
    with pytest.raises(UserError, match=r"0 of 45 labelled examples have a verdict .*\(unparsable: neither A nor B: 'Hm\.'\)"):
        judged(fresh, later, labels)
    assert not (fresh.out / "judge.json").exists() and not (fresh.out / "judgements.jsonl").exists()


def test_what_is_no_verdict_now_and_then_is_counted_and_no_tie(made: Made, labels: Path, fake: Start) -> None:
    lost = {LABELLED[-1], NUM_ROWS - 1}

    def mumble(first: str, second: str) -> str:
        return "Both." if any(f"Call {number}, quality 7" in first for number in lost) else by_quality(first, second)

    report = judged(made, fake(judge_by(mumble, "text")), labels, repeats=0)
    assert report.probe.method is Method.TEXT and report.states[ItemState.UNPARSABLE] == 2
    assert sum(report.rate.counts.values()) == NUM_ROWS - 4 and report.rate.counts["tie"] == 0
    assert report.agreement_with_people.num_comparisons == len(LABELLED) - 1
    assert any("neither of two letters of 2 of 80 examples" in text for text in report.warnings)
    quoted = [line["detail"] for line in read_json_lines(made.out / "judgements.jsonl") if line["state"] == "unparsable"]
    assert quoted == ["neither A nor B: 'Both.'"] * 2


@pytest.mark.parametrize("method", [method for method in Method if method is not Method.TEXT])
def test_the_way_to_keep_a_server_to_two_letters_is_found_out(method: Method, made: Made, labels: Path, fake: Start) -> None:
    server = fake(judge_by(by_quality, method.value))
    report = judged(made, server, labels)
    assert report.probe.method is method and report.states[ItemState.CONSISTENT] == NUM_ROWS - 2
    assert list(report.probe.refused) == [one.value for one in list(Method)[: list(Method).index(method)]]
    key = {"logprobs": "top_logprobs", "json_schema": "response_format"}.get(method.value, method.value)
    assert all(key in request for request in server.requests[-20:])
    has_probability = {line["probability"] is not None for line in read_json_lines(made.out / "judgements.jsonl")}
    assert has_probability == {method is Method.LOGPROBS}


def test_keys_that_a_server_passes_over_are_not_believed(made: Made, labels: Path, fake: Start) -> None:
    report = judged(made, fake(judge_by(by_quality, "text")), labels)
    assert report.probe.method is Method.TEXT
    assert report.probe.refused["logprobs"] == "the server gives no log-probabilities of its answer"
    assert report.probe.refused["grammar"] == "it is passed over: neither A nor B: 'yes'"
    assert report.warnings[0].startswith("the server can neither give log-probabilities nor keep to two letters")


def test_few_log_probabilities_and_a_renamed_limit_are_met(made: Made, labels: Path, fake: Start) -> None:
    def strict(body: dict[str, Any], number: int) -> Answer:
        if "max_tokens" in body:
            return 400, {}, {"error": {"message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."}}
        if body.get("top_logprobs", 0) > 5:
            return 400, {}, {"error": {"message": "top_logprobs must be at most 5"}}
        return judge_by(by_quality)(body, number)

    server = fake(strict)
    report = judged(made, server, labels, endpoint={"concurrency": 1})
    assert report.probe.method is Method.LOGPROBS and "at most 5" in report.probe.refused["logprobs"]
    assert sum("max_tokens" in request for request in server.requests) == 1, "one refusal is enough to know"


def test_what_fails_for_a_while_is_asked_again_and_what_goes_on_failing_is_counted(made: Made, labels: Path, fake: Start) -> None:
    times: Counter[str] = Counter()

    def unreliable(body: dict[str, Any], number: int) -> Answer:
        first = shown(body, "A")
        times[first] += 1
        if first.startswith("Call 1,"):
            return 500, {}, "no"
        if times[first] == 1 and first.startswith("Call 2"):
            return 429, {"retry-after": "0"}, {"error": "slow down"}
        return judge_by(by_quality)(body, number)

    report = judged(made, fake(unreliable), labels)
    assert report.states[ItemState.UNANSWERED] == 1 and report.states[ItemState.CONSISTENT] == NUM_ROWS - 3
    assert any("did not answer about 1 of 80 examples" in text for text in report.warnings)
    [detail] = {line["detail"] for line in read_json_lines(made.out / "judgements.jsonl") if line["state"] == "unanswered"}
    assert "500" in detail and "(3 tries)" in detail


def test_a_judge_that_does_not_answer_at_all_is_an_error(made: Made, labels: Path, fake: Start) -> None:
    server = fake(lambda *_: (401, {}, {"error": {"message": "wrong key"}}))
    with pytest.raises(UserError, match=r"--endpoint: the judge does not answer: the server answers 401.*OPENAI_API_KEY"):
        judged(made, server, labels)
    assert len(server.requests) == 1
    with pytest.raises(UserError, match="is no address of a model"):
        judge_evaluation(made.out, "http://127.0.0.1:9", labels)
    with pytest.raises(UserError, match="a budget is given, and no price"):
        judged(made, server, labels, endpoint={"budget": 1.0})


def test_a_judging_that_was_stopped_goes_on_and_pays_for_nothing_twice(made: Made, labels: Path, fake: Start) -> None:
    """The budget stops it here; the labelled examples have been asked first."""
    server = fake(judge_by(by_quality))
    prices = {"input_price": 1e5, "concurrency": 1}  # each answer costs 1
    report = judged(made, server, labels, endpoint={**prices, "budget": 110.0})
    assert report.agreement_with_people.num_comparisons == len(LABELLED) and report.states[ItemState.UNANSWERED] > 20
    assert len(server.requests) == 110 and report.effort.cost == pytest.approx(110)
    whole = judged(made, server, labels, endpoint=prices)
    assert whole.states.get(ItemState.UNANSWERED) is None
    asked = [json.dumps(request, sort_keys=True) for request in server.requests]
    assert max(Counter(asked).values()) <= 2, "the same is asked again where that is asked for, once"
    num_asked = len(server.requests)
    again = judged(made, server, labels, endpoint=prices)
    assert len(server.requests) == num_asked and again.effort.known == again.effort.requests and again.effort.cost == 0
    assert again.rate == whole.rate


def test_single_answers_pass_or_fail_with_the_letters_turned(made: Made, tmp_path: Path, fake: Start) -> None:
    rows = [(row_id(number), "yes" if right(number) == "a" else "No") for number in LABELLED]
    path = write_labels(tmp_path / "pass.csv", rows, "id,pass")

    def grade(body: dict[str, Any], _: int) -> Answer:
        passes = quality(shown(body)) > 5
        text = body["messages"][0]["content"]
        return 200, {}, with_logprobs("A" if passes == ("A: it passes." in text) else "B")

    report = judged(made, fake(grade), path)
    assert report.kind == "pass" and report.systems == ["trained"] and report.rubric == "pass.jinja"
    counts = Counter("pass" if "quality 7" in answers(number)[0] else "fail" for number in range(NUM_ROWS))
    assert report.rate.counts == {**counts, "undecided": 0}
    assert report.agreement_with_people.kappa.value == 1.0 and report.bias.longer_answer is None
    other = judged(made, fake(grade), path, systems=["plain"])
    assert other.systems == ["plain"] and other.states[ItemState.NO_ANSWER] == 1
    assert other.agreement_with_people.kappa.value is not None and other.agreement_with_people.kappa.value < 0, "labels of the other system"


def test_rows_of_one_group_are_no_independent_ones(tmp_path: Path, made: Made, labels: Path, fake: Start) -> None:
    """Six groups, in each of which the same system is better in all rows."""
    grouped = make_dataset(tmp_path, group=lambda number: f"{right(number)}{number % 3}")
    server = fake(judge_by(by_quality))
    widths = []
    for dataset in (made.dataset, grouped):
        report = judged(made, server, labels, dataset=dataset)
        assert report.rate.judge.low is not None and report.rate.judge.high is not None
        widths.append(report.rate.judge.high - report.rate.judge.low)
    assert report.agreement_with_people.num_clusters == 6 and widths[1] > 2 * widths[0]


def test_a_dataset_that_moved_or_changed_is_said(tmp_path: Path, made: Made, labels: Path, fake: Start) -> None:
    evaluation = copied(made, tmp_path)
    server = fake(judge_by(by_quality))
    record = json.loads((evaluation.out / "report.json").read_text(encoding="utf-8"))
    (evaluation.out / "report.json").write_text(json.dumps({**record, "dataset": str(tmp_path / "data")}), encoding="utf-8")
    with pytest.raises(UserError, match=r"the dataset of this evaluation is not at .*data'.*--dataset"):
        judged(evaluation, server, labels)
    moved = make_dataset(tmp_path / "elsewhere")
    assert judged(evaluation, server, labels, dataset=moved).num_examples == NUM_ROWS
    manifest = json.loads((moved / "manifest.json").read_text(encoding="utf-8"))
    (moved / "manifest.json").write_text(json.dumps({**manifest, "key": "1" * 32}), encoding="utf-8")
    with pytest.raises(UserError, match=r"its key is 11111111, and report\.json has 00000000"):
        judged(evaluation, server, labels, dataset=moved)
    with pytest.raises(UserError, match="holds no evaluation"):
        judged(Made(tmp_path, moved), server, labels)


@pytest.mark.parametrize(
    ("systems", "why"),
    [(["trained"], "needs two systems"), (["trained", "trained"], "needs two systems"), (["trained", "plane"], "Did you mean 'plain'")],
)
def test_two_answers_take_two_systems(systems: list[str], why: str, made: Made, labels: Path, fake: Start) -> None:
    with pytest.raises(UserError, match=why):
        judged(made, fake(judge_by(by_quality)), labels, systems=systems)


def test_the_command_prints_a_table_and_the_file(made: Made, labels: Path, fake: Start, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"evals: {{num_resamples: 400, endpoint: {json.dumps(QUICK)}}}\n", encoding="utf-8")
    arguments = [
        "judge",
        str(made.out),
        "--endpoint",
        fake(judge_by(by_quality)).argument,
        "--labels",
        str(labels),
        "--config",
        str(config),
    ]
    result = CliRunner().invoke(app, [*arguments, "--systems", "plain,adapter", "--json"])
    assert result.exit_code == 0, result.output
    printed = JudgeReport.model_validate_json(result.stdout)
    assert printed.systems == ["plain", "trained"], "by its short name, and in the order that was asked for"
    assert printed.rate.judge.value == pytest.approx(1 - share_right())
    assert "kappa, judge and people" in result.stderr and "do not rely" not in result.stderr


def test_a_notebook_shows_it_and_its_judgements_are_a_table(made: Made, labels: Path, fake: Start) -> None:
    done: list[tuple[str, int, int | None]] = []
    config = {"num_resamples": 400, "endpoint": QUICK}
    server = fake(judge_by(by_quality))
    result = judge_evaluation(made.out, server.argument, labels, config, repeats=0, progress=lambda *told: done.append(told))
    assert done[-1] == ("judge", 2 * (NUM_ROWS - 2), 2 * (NUM_ROWS - 2))
    assert result.report.agreement_when_repeated is None and "<table" in result._repr_html_()
    assert result.to_polars().height == 2 * (NUM_ROWS - 2) and result.verdict == result.report.verdict
