"""Demonstrations: which rows may be shown to which, how evenly, and that the same ones come back."""

import json
import random
import subprocess
import sys
from collections import Counter
from itertools import combinations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.hashing import hash_text
from prep.build.demonstrations import LACKING, ShotPool, distinct
from prep.build.eligibility import PART
from prep.sources.rows import base_id
from prep.sources.source import LINE
from prep.text.shingles import jaccard, shingles
from templates.fallback import REASON, SHOTS, render_frame
from templates.template import Template
from tests.templates.helpers import make_template, message

BODY = (
    "{% for shot in shots %}"
    '{% message "user" %}{{ shot.text }}{% endmessage %}{% message "assistant" %}{{ shot.label | verbalize }}{% endmessage %}'
    "{% endfor %}"
    '{% message "user" %}{{ text }}{% endmessage %}'
    '{% message "assistant" %}{{ label | verbalize }}{% if stars > 3 %}!{% endif %}{% endmessage %}'
)
WORDS = ["soup", "waiter", "bill", "order", "table", "slow", "great", "wrong", "cold", "warm", "lovely", "late", "rude", "small"]


def template(shots: int = 4, labels: str = "{n: bad, p: good}", inputs: str = "{text: str, label: str, stars: int}") -> Template:
    return make_template(BODY, inputs=inputs, header=f"verbalizer: {labels}\nshots: {shots}\n")


def rows(num: int, seed: int = 0) -> pl.DataFrame:
    """Reviews of random words, hardly two of them alike; a tenth of them is negative, every fifth is no train row."""
    chance = random.Random(seed)
    return pl.DataFrame(
        {
            "#row_id": [hash_text(str(seed), str(number)) for number in range(num)],
            "#source": "a.csv",
            LINE: pl.int_range(num, eager=True),
            "#group": pl.Series([None] * num, dtype=pl.String),
            "#split": ["test" if number % 5 == 0 else "train" for number in range(num)],
            "text": [" ".join(chance.choices(WORDS, k=12)) for _ in range(num)],
            "label": ["n" if number % 10 == 1 else "p" for number in range(num)],
            "stars": "3",
        }
    )


def train_rows(num: int) -> pl.DataFrame:
    return rows(num).with_columns(pl.lit("train").alias("#split"))


def pool(frame: pl.DataFrame, shots: int = 4, **options: int) -> ShotPool:
    return ShotPool.gather([frame], template(shots), **{"seed": 17, **options})


def drawn(frame: pl.DataFrame, column: str = "text") -> list[list[str]]:
    return [[shot[column] for shot in json.loads(shots)] for shots in frame[SHOTS]]


def test_demonstrations_are_what_the_template_renders() -> None:
    frame = rows(50)
    asked = pool(frame).draw(frame)
    assert asked[LACKING].null_count() == frame.height
    rendered = render_frame(template(), asked)
    assert rendered[REASON].null_count() == frame.height
    contents = rendered["messages"][0].struct.field("content").to_list()
    expected = [word for shot in json.loads(asked[SHOTS][0]) for word in (shot["text"], {"n": "bad", "p": "good"}[shot["label"]])]
    assert contents == [*expected, frame["text"][0], {"n": "bad", "p": "good"}[frame["label"][0]]]


def test_demonstrations_are_train_rows_and_never_the_row_or_one_like_it() -> None:
    frame = rows(300)
    train = dict(frame.filter(pl.col("#split") == "train").select("text", "#row_id").rows())
    near = frame.with_columns(pl.col("text") + " indeed", pl.col("#row_id").map_elements(hash_text, return_dtype=pl.String))
    for asked in (frame, near):
        for text, shots in zip(asked["text"], drawn(pool(frame).draw(asked)), strict=True):
            assert set(shots) <= train.keys()
            assert len(set(shots)) == 4
            assert all(jaccard(shingles(text), shingles(shot)) < 0.8 for shot in shots)
            assert all(jaccard(shingles(one), shingles(other)) < 0.8 for one, other in combinations(shots, 2))


def test_a_row_is_not_shown_its_group() -> None:
    frame = rows(200).with_columns((pl.col(LINE) % 3).cast(pl.String).alias("#group"))
    group_of = dict(frame.select("text", "#group").rows())
    for group, shots in zip(frame["#group"], drawn(pool(frame).draw(frame)), strict=True):
        assert group not in {group_of[shot] for shot in shots}


def test_a_row_is_not_shown_itself_though_it_was_changed() -> None:
    frame = train_rows(6)
    texts = frame["text"].to_list()
    changed = frame.with_columns(text=pl.lit("something else altogether"))
    for own, shots in zip(texts, drawn(pool(frame, shots=5).draw(changed)), strict=True):
        assert sorted([own, *shots]) == sorted(texts)


def test_labels_are_spread_evenly_and_in_no_fixed_order() -> None:
    frame = rows(400)
    labels = drawn(pool(frame).draw(frame), "label")
    assert {tuple(sorted(row)) for row in labels} == {("n", "n", "p", "p")}
    assert len({tuple(row) for row in labels}) == 6
    odd = Counter(tuple(sorted(row)) for row in drawn(pool(frame, shots=3).draw(frame), "label"))
    assert set(odd) == {("n", "n", "p"), ("n", "p", "p")}
    assert min(odd.values()) > 150
    only = drawn(pool(frame.filter((pl.col("label") == "p") | (pl.col(LINE) < 10))).draw(frame), "label")
    assert {row.count("n") for row in only} == {0, 1}  # there is one, and it is not shown to itself


def test_each_demonstration_has_its_turn() -> None:
    frame = train_rows(1000).with_columns(label=pl.lit("p"))
    counts = Counter(shot for row in drawn(pool(frame.head(100)).draw(frame)) for shot in row)
    assert len(counts) == 100
    assert max(counts.values()) < 120  # of 40 on average


def test_the_same_ones_come_back_in_any_order_of_the_rows_and_in_another_process() -> None:
    frame = rows(300)
    asked = pool(frame).draw(frame)
    mixed = frame.sample(fraction=1, shuffle=True, seed=1)
    again = ShotPool.gather(mixed.iter_slices(7), template(), seed=17).draw(mixed)
    assert asked.sort("#row_id").equals(again.sort("#row_id"))
    assert pool(frame, seed=18).draw(frame)[SHOTS].ne(asked[SHOTS]).sum() > 290
    code = (
        "from tests.prep.build.test_demonstrations import *\n"
        "frame = rows(300)\n"
        "print(hash_text(*pool(frame).draw(frame)[SHOTS]))\n"
    )  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hash_text(*asked[SHOTS])


def test_copies_are_shown_the_same_ones_and_pieces_others() -> None:
    frame = rows(100)
    copies = frame.with_columns(pl.col("#row_id") + "-2")
    shown = pool(pl.concat([frame, copies])).draw(frame)
    assert pool(pl.concat([copies, frame])).draw(copies)[SHOTS].equals(shown[SHOTS])
    parts = [frame.with_columns(pl.lit(part, pl.Int64).alias(PART)) for part in (0, 1)]
    first, second = (pool(frame).draw(part)[SHOTS] for part in parts)
    assert first.equals(shown[SHOTS])
    assert (first != second).sum() > 90


def test_a_few_rows_more_change_few_demonstrations() -> None:
    frame = rows(2000)
    before = pool(frame, size=400).draw(frame)[SHOTS]
    after = pool(pl.concat([frame, rows(20, seed=1)]), size=400).draw(frame)[SHOTS]
    assert 0 < (before != after).sum() < 400


def test_the_pool_has_room_for_each_label_and_no_more_than_its_size() -> None:
    frame = rows(2000)
    small = pool(frame, size=100)
    assert len(small) == 100
    labels = Counter(label for row in drawn(small.draw(frame), "label") for label in row)
    assert labels["n"] == labels["p"]


def test_rows_that_the_template_cannot_show_are_left_out() -> None:
    frame = train_rows(40)
    bad = frame.head(20).with_columns(
        pl.when(pl.col(LINE) < 5).then(None).otherwise("text").alias("text"),
        pl.when(pl.col(LINE).is_between(5, 9)).then(pl.lit("?")).otherwise("label").alias("label"),
        pl.when(pl.col(LINE) > 9).then(pl.lit("many")).otherwise("stars").alias("stars"),
    )
    both = pl.concat([bad, frame.tail(20)])
    made = pool(both)
    assert len(made) == 20
    assert {shot for row in drawn(made.draw(frame)) for shot in row} == set(frame.tail(20)["text"])


def test_of_near_duplicates_and_copies_one_is_in_the_pool() -> None:
    frame = train_rows(30)
    other_ids = pl.Series("#row_id", [hash_text(one) for one in frame["#row_id"]])
    near = frame.with_columns(other_ids, pl.col("text") + " indeed")
    copies = frame.with_columns(pl.col("#row_id") + "-2")
    assert len(pool(pl.concat([frame, near, copies]))) == 30
    assert len(pool(pl.concat([frame, copies]).with_columns(label=pl.lit("p")), size=60)) == 30


def test_rows_for_which_there_are_too_few_say_so() -> None:
    frame = train_rows(5)
    asked = pool(frame, shots=5).draw(frame)
    assert asked[SHOTS].null_count() == 5
    assert asked[LACKING][0].startswith(
        "template 'mine/test' shows 5 demonstrations, and of the 5 different train rows in its pool fewer are"
    )
    like = pl.concat([frame, frame.head(1).with_columns(pl.lit("f" * 32).alias("#row_id"), pl.col("text") + " and", label=pl.lit("n"))])
    asked = pool(frame, shots=4).draw(like)
    assert asked[SHOTS].null_count() == 0
    assert pool(frame, shots=5).draw(like)[SHOTS].null_count() == 6
    assert pool(frame.clear()).draw(frame)[SHOTS].null_count() == 5
    assert pool(frame).draw(frame.clear()).columns == asked.columns


def test_long_rows_make_a_small_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prep.build.demonstrations._MAX_POOL_BYTES", 2000)
    assert 2 < len(pool(rows(300))) < 40


def test_a_template_without_labels_draws_from_all() -> None:
    body = "{% for shot in shots %}" + message("{{ shot.text }}") + "{% endfor %}" + message("{{ text }}")
    plain = make_template(body, header="shots: 2\n")
    frame = rows(50)
    asked = ShotPool.gather([frame], plain, seed=1).draw(frame)
    assert [len(row) for row in drawn(asked)] == [2] * 50
    assert {key for shot in json.loads(asked[SHOTS][0]) for key in shot} == {"text"}
    assert base_id(frame["#row_id"][0] + "-2") == frame["#row_id"][0]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), max_size=12).map(lambda one: " ".join(map(str, one))), max_size=30))
def test_near_duplicates_are_found_exactly(texts: list[str]) -> None:
    sets = [shingles(text) for text in texts]
    expected: list[int] = []
    for place, one in enumerate(sets):
        if all(jaccard(one, sets[other]) < 0.8 for other in expected):
            expected.append(place)
    assert distinct(sets) == expected
