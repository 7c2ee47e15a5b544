import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from loopwright import statistics
from loopwright.errors import UserError
from prep.build.near_duplicates import NEAR_THRESHOLD
from prep.cli.app import app
from prep.dataset.manifest import Dataset
from prep.drift.overlap import find_overlap
from prep.drift.report import DriftReport
from prep.drift.run import compare, drift
from prep.drift.sample import Inputs, NewRows, Sample, find_inputs
from prep.drift.statistics import permutation_p
from prep.drift.verdict import advice, findings, verdict
from prep.drift.view import drift_json
from prep.drift.words import WordSets, features_of
from prep.text.language import likely_languages
from prep.text.shingles import jaccard, shingles
from tests.helpers import write_dataset
from tests.prep.helpers import Project, make_project

DISHES = ["soup", "bread", "fish", "salad", "pasta", "rice", "cake", "tea", "coffee", "steak", "curry", "pie"]
QUALITIES = ["cold", "hot", "salty", "bland", "fresh", "dry", "lovely", "awful", "burnt", "tender", "rich", "plain"]
PLACES = ["table", "counter", "window", "terrace", "bar", "door", "kitchen", "corner"]
PARCELS = ["parcel", "courier", "depot", "refund", "invoice", "warranty", "hinge", "motor", "label", "box"]


def review(generator: random.Random) -> str:
    dish, other, quality = generator.choice(DISHES), generator.choice(DISHES), generator.choice(QUALITIES)
    return f"The {dish} and the {other} were {quality} at the {generator.choice(PLACES)}, visit {generator.randrange(10**6)}."


def parcel(generator: random.Random) -> str:
    one, other = generator.sample(PARCELS, 2)
    return f"My {one} has a {other} that never came, order {generator.randrange(10**6)}."


def sample(texts: list[str], labels: list[str | None] | None = None) -> Sample:
    return Sample(texts, labels or [None] * len(texts), [f"f:{number}" for number in range(len(texts))], len(texts), len(texts))


def report_of(known: list[str], new: list[str], labels: tuple[list[str | None], list[str | None]] | None = None) -> DriftReport:
    known_labels, new_labels = labels or (None, None)
    return compare(sample(known, known_labels), sample(new, new_labels), Inputs(["text"], None, []))


def reviews(number: int, seed: int) -> list[str]:
    generator = random.Random(seed)
    return [review(generator) for _ in range(number)]


def parcels(number: int, seed: int = 5) -> list[str]:
    generator = random.Random(seed)
    return [parcel(generator) for _ in range(number)]


def sizes(report: DriftReport) -> dict[str, str]:
    return {test.name: test.size for test in report.tests}


def test_two_halves_of_one_corpus_have_not_drifted() -> None:
    found = [report_of(reviews(120, seed), reviews(120, 1000 + seed)).drifted for seed in range(12)]
    assert sum(found) <= 2  # five of a hundred are expected


def test_another_subject_is_a_large_shift_and_its_words_and_rows_are_named() -> None:
    report = report_of(reviews(150, 1), [*reviews(75, 2), *parcels(75)])
    assert report.drifted and sizes(report)["inputs"] == "large"
    assert {"parcel", "my"} & {word.word for word in report.rising} and "the" in {word.word for word in report.fading}
    for words, sign in ((report.rising, 1), (report.fading, -1)):
        changes = [sign * (word.share_new - word.share_known) for word in words]
        assert changes == sorted(changes, reverse=True) and min(changes) > 0, "ranked by the shares that are shown"
    assert all("My " in one.text for one in report.unlike)
    assert 0.3 < report.novel_share <= 0.55
    assert "Production has moved away" in verdict(report) and "a large shift, in what is said" in verdict(report)
    assert any("least like train" in line for line in advice(report))


def test_the_rows_to_add_follow_from_the_share_of_the_new_kind() -> None:
    report = report_of(reviews(300, 1), [*reviews(225, 2), *parcels(75)])
    assert 0.15 < report.novel_share < 0.3
    assert report.rows_to_add == int(np.ceil(report.novel_share / (1 - report.novel_share) * 300))
    assert any(f"About {report.rows_to_add:,} such rows" in line for line in advice(report))


def test_longer_texts_of_the_same_words_shift_the_length() -> None:
    def plain(seed: int, words: int) -> list[str]:
        generator = random.Random(seed)
        return [" ".join(generator.choices(DISHES, k=generator.randrange(words, words + 4))) for _ in range(150)]

    assert sizes(report_of(plain(1, 5), plain(2, 8)))["length"] == "large"
    assert sizes(report_of(plain(1, 5), plain(3, 5)))["length"] == "none"


def test_a_label_shift_is_found_and_labels_alone_do_not_move_the_inputs() -> None:
    known: list[str | None] = ["good", "bad"] * 100
    new: list[str | None] = ["good", "good", "good", "bad"] * 50
    report = report_of(reviews(200, 1), reviews(200, 2), (known, new))
    assert (sizes(report)["labels"], sizes(report)["inputs"]) == ("small", "none")
    assert {one.name: (one.share_known, one.share_new) for one in report.labels} == {"bad": (0.5, 0.25), "good": (0.5, 0.75)}
    assert any("label shares" in line for line in advice(report))
    assert "labels" not in sizes(report_of(reviews(100, 1), reviews(100, 2)))


def test_a_language_that_production_has_more_of_is_named() -> None:
    generator = random.Random(3)
    german = [f"Ich war mit der Suppe und dem Brot nicht zufrieden, {generator.choice(DISHES)} {number} war kalt." for number in range(60)]
    english = [f"I was not happy with the soup and the bread, but {generator.choice(DISHES)} {number} was cold." for number in range(240)]
    report = report_of(english[:120], [*english[120:], *german])
    assert sizes(report)["language"] in {"medium", "large"}
    assert any("'de'" in line for line in advice(report))


def test_rows_of_train_in_the_new_rows_are_counted_and_are_no_drift() -> None:
    known = reviews(200, 1)
    nearly = [text.replace("visit", "Visit") if number % 2 else text for number, text in enumerate(known)]
    report = report_of(known, nearly)
    assert (report.overlap.exact, report.drifted) == (1.0, False)
    assert any("is memory" in line for line in advice(report))
    assert report_of(known, reviews(200, 2)).overlap.exact == 0
    assert report_of(known, [f"{text} Yes." for text in known]).overlap.near > 0.9


def test_the_share_of_rows_that_stand_in_train_is_that_of_comparing_each_with_each() -> None:
    known = reviews(150, 1)
    generator = random.Random(4)
    new = [" ".join(generator.choice(DISHES) if generator.random() < 0.08 else word for word in text.split()) for text in known]
    sets = [shingles(text) for text in known]
    near = sum(any(jaccard(shingles(text), one) >= NEAR_THRESHOLD for one in sets) for text in new)
    assert 0 < near < len(new)
    assert find_overlap(known, new).near == near / len(new)


def test_the_report_is_the_same_each_time_and_says_how_small_a_shift_it_could_show() -> None:
    small, large = report_of(reviews(60, 1), reviews(60, 2)), report_of(reviews(400, 1), reviews(400, 2))
    assert drift_json(small) == drift_json(report_of(reviews(60, 1), reviews(60, 2)))
    assert small.smallest["auc"] > large.smallest["auc"] > 0.5
    assert small.smallest["length"] == pytest.approx(2.8016 * np.sqrt(2 / 60), rel=1e-3)
    assert "would show a shift of" in verdict(large) and len(list(findings(large))) == len(large.tests)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    rows = [{"Review": text, "Liked": "1" if number % 2 else "0", "customer": f"c{number}"} for number, text in enumerate(reviews(200, 1))]
    project = make_project(
        tmp_path,
        rows,
        sources=[{"path": "rows.jsonl", "fields": {"text": "Review", "label": "Liked"}}],
        labels={"0": "negative", "1": "positive"},
    )
    project.build()
    return project


def new_rows(project: Project, rows: list[dict[str, Any]], name: str = "new.jsonl") -> Path:
    project.write_rows(rows, name)
    return project.folder / name


def test_columns_are_found_by_the_mapping_the_name_or_the_chat(project: Project) -> None:
    texts = reviews(60, 3)
    raw = drift(project.out, NewRows(new_rows(project, [{"Review": text, "Liked": "1"} for text in texts])))
    assert (raw.fields, raw.new.labels[:2], sizes(raw)["labels"]) == (["text"], ["positive", "positive"], "medium")
    assert {one.name for one in raw.labels} == {"negative", "positive"}
    other = drift(project.out, NewRows(new_rows(project, [{"Review": text, "label": "checked"} for text in texts])))
    assert not other.labels
    named = drift(project.out, NewRows(new_rows(project, [{"text": text, "other": "x"} for text in texts])))
    assert sorted(named.new.texts) == sorted(raw.new.texts) and not named.labels
    chats = [{"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "Noted."}]} for text in texts]
    assert sorted(drift(project.out, NewRows(new_rows(project, chats))).new.texts) == sorted(texts)
    given = [{"q": text, "when": "now"} for text in texts]
    assert sorted(drift(project.out, NewRows(new_rows(project, given), text=("q",))).new.texts) == sorted(texts)
    with pytest.raises(UserError, match=r"no column for the dataset's 'text'\. Name the column that holds the text with --text"):
        drift(project.out, NewRows(new_rows(project, given)))


def test_a_text_beside_a_chat_or_a_pair_does_not_make_its_answer_an_input(tmp_path: Path) -> None:
    fields = [{"asked": f"What of the soup {number}?", "said": f"It is cold {number}."} for number in range(4)]
    answers = [{"role": "assistant", "content": one["said"]} for one in fields]
    rows: list[dict[str, Any]] = [
        {"row_id": one["asked"], "messages": [{"role": "user", "content": one["asked"]}], "fields": json.dumps(one)} for one in fields
    ]
    beside = [{"text": f"{one['asked']} {one['said']}"} for one in fields]
    chats = [{**row, "messages": [*row["messages"], answer], **text} for row, answer, text in zip(rows, answers, beside, strict=True)]
    pairs = [{**row, "chosen": [answer], "rejected": [answer], **text} for row, answer, text in zip(rows, answers, beside, strict=True)]
    for name, several in (("chats", chats), ("pairs", pairs)):
        assert find_inputs(Dataset.open(write_dataset(tmp_path / name, several)), "train").fields == ["asked"], name


@pytest.mark.parametrize(
    ("new", "options", "error"),
    [
        ([{"text": "x", "y": "1"}] * 30, {"text": ("txt",)}, "no column 'txt'. Did you mean 'text'"),
        ([{"text": "x", "y": "1"}] * 30, {"label": "z"}, "no column 'z'"),
        ([{"text": "x"}] * 30, {}, "only 1 distinct texts"),
        ([], {}, "the file is empty"),
    ],
)
def test_what_cannot_be_compared_is_an_error(project: Project, new: list[dict[str, Any]], options: dict[str, Any], error: str) -> None:
    with pytest.raises(UserError, match=error):
        drift(project.out, NewRows(new_rows(project, new), **options))
    with pytest.raises(UserError, match="the file does not exist"):
        drift(project.out, NewRows(project.folder / "none.jsonl"))
    with pytest.raises(UserError, match="the split 'tset' has no example"):
        drift(project.out, NewRows(project.folder / "new.jsonl"), split="tset")


def test_length_is_measured_in_tokens_where_a_model_is_named(project: Project, tiny_model_dir: Path) -> None:
    new = NewRows(new_rows(project, [{"text": text} for text in reviews(40, 3)]))
    words, tokens = drift(project.out, new), drift(project.out, new, model=str(tiny_model_dir))
    assert (words.lengths[2], tokens.lengths[2]) == ("words", "tokens") and tokens.lengths[1] > words.lengths[1]


def test_the_command_gates_only_when_asked_and_masks_what_it_quotes(project: Project) -> None:
    texts = [f"{text} Write to jo{number}@example.org." for number, text in enumerate(parcels(80))]
    new = str(new_rows(project, [{"text": text} for text in texts]))
    run = CliRunner().invoke
    found = run(app, ["drift", str(project.out), new, "--json"])
    assert found.exit_code == 0 and json.loads(found.stdout)["drifted"] is True
    assert run(app, ["drift", str(project.out), new, "--fail"]).exit_code == 1
    shown = run(app, ["drift", str(project.out), new]).stdout
    assert "Production has moved away" in shown and "least like the dataset" in shown
    assert "@example.org" not in found.stdout + shown and "EMAIL_ADDRESS" in found.stdout
    calm = str(new_rows(project, [{"text": text} for text in reviews(80, 9)], "calm.jsonl"))
    assert run(app, ["drift", str(project.out), calm, "--fail"]).exit_code == 0


def test_a_permutation_test_counts_the_observed_arrangement_too() -> None:
    assert permutation_p(5, np.array([1.0, 2, 5])) == 0.5
    assert permutation_p(6, np.array([1.0, 2, 5])) == 0.25


def test_a_text_is_scored_by_classifiers_that_did_not_see_it_or_its_copy() -> None:
    texts = [*(f"word{number} here" for number in range(52)), *(f"word{number} here" for number in range(52))]
    is_new = np.arange(104) >= 52
    scores = WordSets.of(texts).out_of_fold_scores(is_new)
    np.testing.assert_allclose(scores[:52], scores[52:])
    assert statistics.auc(scores, is_new) == 0.5


def test_words_are_counted_once_a_text_and_han_in_pairs_too() -> None:
    assert features_of("Cold, cold COLD soup don't") == ["cold", "soup", "don't"]
    assert features_of("天气好 ok") == ["天", "气", "好", "ok", "天气", "气好"]
    new, known = WordSets.of(["a a b", "a", "b c"]).count(np.array([True, False, False]))
    assert (new.tolist(), known.tolist()) == ([1, 1, 0], [1, 1, 1])


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The soup was cold and we had to wait for it.", "en"),
        ("Die Suppe war kalt und wir haben nicht auf den Kellner gewartet.", "de"),
        ("La soupe était froide et nous avons attendu une heure pour les plats.", "fr"),
        ("La sopa estaba fría y no nos gustó, pero el pan es muy bueno.", "es"),
        ("La zuppa era fredda e non ho mangiato il pane, ma il vino è molto buono.", "it"),
        ("Суп был холодный, и мы не стали ждать, что он будет лучше.", "ru"),
        ("汤是冷的，我们等了一个小时。", "zh"),
        ("スープは冷たかったです。", "ja"),
        ("수프가 차가웠어요.", "ko"),
        ("mk401 27kx", None),
        ("", None),
        ("Zupa była zimna, czekaliśmy godzinę na kelnera.", "pl"),
    ],
)
def test_a_language_is_told_or_left_open(text: str, language: str | None) -> None:
    assert likely_languages(pl.Series([text]), sure=True).to_list() == [language]


def test_a_file_of_the_kind_of_the_dataset_is_read_as_that_was(tmp_path: Path) -> None:
    def table(texts: list[str]) -> str:
        return "".join(f"{number % 2}|{text}\n" for number, text in enumerate(texts))

    project = make_project(
        tmp_path,
        sources=[{"path": "rows.csv", "columns": ["liked", "text"], "delimiter": "|", "fields": {"label": "liked"}}],
        labels={"0": "negative", "1": "positive"},
    )
    project.write("rows.csv", table(reviews(60, 1)))
    project.build()
    new = drift(project.out, NewRows(project.write("new.csv", table(reviews(60, 2)))))
    assert len(new.new.texts) == 60 and {one.name for one in new.labels} == {"negative", "positive"}


def test_the_file_that_a_dataset_was_built_from_has_not_drifted() -> None:
    texts = reviews(300, 3)
    generator = random.Random(1)
    for _ in range(3):
        generator.shuffle(texts)
        report = report_of(texts[:200], texts)
        assert report.size == "none", verdict(report)
    moved = report_of(texts[:200], [*texts[:200], *parcels(100)])
    assert moved.drifted
