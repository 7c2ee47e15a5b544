"""The browser of answers: its order, its cap, how answers are judged, and what is shown of their texts."""

import json

from evals.data.judgement import Judgement, Outcome, Reason
from evals.evaluation import Evaluation
from evals.reports.answers import AnswerBrowser, browse_answers
from evals.reports.outcomes import Change, Outcomes
from evals.reports.table import short_names
from tests.evals.reports.made import FAILED, PASSED, WEAK, choosing, chose, make, reviews, writing, wrote


def browse(evaluation: Evaluation, max_rows: int = 100, max_failures: int = 10) -> AnswerBrowser:
    names = short_names(evaluation.report)
    return browse_answers(evaluation, Outcomes.of(evaluation), names, max_rows=max_rows, max_failures=max_failures)


def changes(browser: AnswerBrowser) -> list[str]:
    return [row.change.value for row in browser.rows]


def test_what_broke_and_was_fixed_comes_first_and_the_rest_is_left_out_by_count() -> None:
    browser = browse(reviews(30, wrong=4, base_wrong=7), max_rows=12)
    assert changes(browser) == ["broken"] * 4 + ["fixed"] * 7 + ["right"]
    assert browser.counts == {"broken": 4, "fixed": 7, "right": 19}
    assert browser.left_out == {"right": 18} and browser.num_left_out == 18


def test_among_failures_the_most_confident_mistake_is_first() -> None:
    browser = browse(reviews(30, wrong=5, base_wrong=0))
    right = [answer.note for row in browser.rows[:5] if (answer := row.answers[browser.system])]
    assert right == sorted(right, reverse=True) and len(set(right)) > 1


def test_without_judgements_labels_and_failures_decide_and_free_text_of_others_is_not_judged() -> None:
    before = browse(make_mixed(judged=False))
    assert before.counts == {"broken": 1, "failed": 1, "right": 2}
    texts = [row for row in before.rows if row.template == "calls/summary"]
    assert {row.answers[1].outcome for row in texts if row.answers[1]} == {""}


def make_mixed(*, judged: bool) -> Evaluation:
    rows = [choosing(0, "good", 1), choosing(1, "bad", 0), writing(2, "a call", "the pump is late"), writing(3, "a call", "it came")]
    tuned = [chose(rows[0], 0), chose(rows[1], 0), wrote(rows[2], "the pump"), wrote(rows[3], "it came")]
    base = [chose(rows[0], 1), chose(rows[1], 0), wrote(rows[2], "no"), wrote(rows[3], "no")]
    return make(rows, {"adapter:run": tuned, "base": base}, judgements=None if judged else {}, headline=judged)


def test_a_weak_answer_is_weak_and_no_failure() -> None:
    rows = [writing(index, "a call", "the pump is late") for index in range(3)]
    answers = {"adapter:run": [wrote(row, "so so") for row in rows], "base": [wrote(row, "none") for row in rows]}
    judgements = {
        "adapter:run": {"r0000": WEAK, "r0001": PASSED, "r0002": FAILED},
        "base": {"r0000": PASSED, "r0001": WEAK, "r0002": FAILED},
    }
    browser = browse(make(rows, answers, judgements=judgements))
    assert changes(browser) == ["both wrong", "weak", "right"]
    assert Change.BROKEN.value not in browser.counts


def test_lost_facts_are_marked_in_the_reference_and_listed_masked_with_each_answer() -> None:
    row = writing(0, "Jane (jane.doe@example.com) called.", "MK4-27KX is late, call jane.doe@example.com, 5400 in all")
    reason = Judgement(Outcome.FAILED, ((Reason.LOST_FACT, "jane.doe@example.com is not in it"),))
    answers = {"adapter:run": [wrote(row, "MK4-27KX is late")], "base": [wrote(row, "5400 are late")]}
    browser = browse(make([row], answers, judgements={"adapter:run": {row.id: reason}, "base": {row.id: PASSED}}))
    [view] = browser.rows
    assert view.answers[0] is not None and view.answers[1] is not None
    assert view.answers[0].missing == ["5400"] and view.answers[1].missing == ["MK4-27KX"]
    assert [piece.text for piece in view.reference if piece.mark == "missing"] == ["5400"]
    assert view.answers[0].reasons == [f"{Reason.LOST_FACT.meaning}: [EMAIL_ADDRESS] is not in it"]
    assert "jane.doe" not in json.dumps(browser.to_json())


def test_one_system_alone_has_failures_and_nothing_that_was_fixed() -> None:
    rows = [choosing(index, "text", index % 2) for index in range(4)]
    browser = browse(make(rows, {"base": [chose(row, 1) for row in rows]}))
    assert browser.against is None and browser.counts == {"failed": 2, "right": 2}


def test_a_row_that_one_system_does_not_take_has_no_answer_of_it() -> None:
    rows = [choosing(0, "good", 1), writing(1, "a call", "the pump is late")]
    browser = browse(make(rows, {"adapter:run": [chose(rows[0], 1), wrote(rows[1], "late")], "linear": [chose(rows[0], 1)]}))
    by_id = {row.id: row for row in browser.rows}
    assert by_id["r0001"].answers[1] is None and by_id["r0001"].change is Change.FAILED


def test_an_answer_that_is_not_there_says_why() -> None:
    row = writing(0, "a call", "the pump is late")
    [view] = browse(make([row], {"adapter:run": [wrote(row, None)]})).rows
    assert view.answers[0] is not None and view.answers[0].note == "the example could not be encoded"
    assert view.answers[0].text[0].text == "(no answer)"


def test_all_right_and_all_wrong_are_browsed() -> None:
    assert browse(reviews(6, wrong=0, base_wrong=0)).counts == {"right": 6}
    assert browse(reviews(6, wrong=6, base_wrong=6)).counts == {"both wrong": 6}


def test_filters_offer_what_is_there() -> None:
    browser = browse(make_mixed(judged=True))
    assert browser.templates == ["calls/summary", "reviews/sentiment"]
    assert browser.labels == ["negative", "positive"] and browser.slices == ["length: short"] and browser.causes == ["rare_slice"]
    assert not browse(make_mixed(judged=True), max_failures=0).causes
