"""Near-duplicate pairs against brute force, in any script, and in crowds."""

import random
from itertools import combinations
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prep.lint.detectors.near_pairs import near_pairs
from prep.text.near_candidates import band_shape
from prep.text.near_index import NearIndex
from prep.text.shingles import jaccard, shingles
from prep.text.words import word_codes, words

VOCABULARY = [f"word{number}" for number in range(300)]


def found(folder: Path, texts: list[str], threshold: float = 0.7, *, one_word: bool = False) -> dict[tuple[int, int], float]:
    index = NearIndex(folder, threshold, one_word=one_word)
    index.add(pl.Series(texts, dtype=pl.String))
    return {(a, b): similarity for a, b, similarity in index.pairs().iter_rows()}


def planted(num_texts: int, seed: int) -> list[str]:
    """Random texts, half of them with a copy in which some words are others."""
    chooser = random.Random(seed)
    texts = [chooser.choices(VOCABULARY, k=chooser.randint(1, 40)) for _ in range(num_texts)]
    for text in texts[: num_texts // 2]:
        changed = list(text)
        for _ in range(chooser.randint(0, 3)):
            changed[chooser.randrange(len(changed))] = chooser.choice(VOCABULARY)
        texts.append(changed)
    return [" ".join(text) for text in texts]


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.95])
def test_pairs_are_those_of_brute_force(tmp_path: Path, threshold: float) -> None:
    texts = planted(800, 3)
    sets = [shingles(text) for text in texts]
    near = {}
    for (a, one), (b, other) in combinations(enumerate(sets), 2):
        if one & other and (similarity := jaccard(one, other)) >= threshold:
            near[a, b] = similarity
    pairs = found(tmp_path, texts, threshold)
    assert len(near) > 50
    assert all(near.get(pair) == pytest.approx(similarity) for pair, similarity in pairs.items())
    assert len(pairs) >= 0.98 * len(near)


def test_short_texts_that_differ_in_one_word_are_near(tmp_path: Path) -> None:
    texts = [
        "the food was really great here",
        "the food was really good here",
        "the food was really very good here",
        "food was really good here today",
        "a text about something else entirely",
        "the soup is bad",
        "the soup is cold",
    ]
    assert not found(tmp_path, texts)
    assert found(tmp_path, texts, one_word=True).keys() == {(0, 1), (1, 2), (1, 3)}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcd"), min_size=5, max_size=8), min_size=2, max_size=12))
def test_one_word_taken_out_of_each(tmp_path_factory: pytest.TempPathFactory, drawn: list[list[str]]) -> None:
    texts = [" ".join(letter * 4 for letter in one) for one in drawn]

    def without_one(text: str) -> set[tuple[str, ...]]:
        all_words = words(text)
        return {tuple(all_words), *(tuple(all_words[:i] + all_words[i + 1 :]) for i in range(len(all_words)))}

    near = {(a, b) for (a, one), (b, other) in combinations(enumerate(texts), 2) if without_one(one) & without_one(other)}
    pairs = found(tmp_path_factory.mktemp("index"), texts, 0.99, one_word=True)
    # Of texts with the same word pairs the first stands for the others.
    sets = [shingles(text) for text in texts]
    firsts = [sets.index(one) for one in sets]
    expected = {tuple(sorted((firsts[a], firsts[b]))) for a, b in near if firsts[a] != firsts[b]}
    assert {tuple(sorted((firsts[a], firsts[b]))) for a, b in pairs if firsts[a] != firsts[b]} == expected


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20) | st.none(), max_size=8))
def test_codes_are_of_the_same_words_as_strings(texts: list[str | None]) -> None:
    codes = word_codes(pl.Series(texts, dtype=pl.String))
    expected = [words(text or "") for text in texts]
    assert codes.counts.tolist() == [len(one) for one in expected]
    flat = [word for one in expected for word in one]
    assert len(set(codes.codes.tolist())) == len(set(flat))
    assert len(set(zip(codes.codes.tolist(), flat, strict=True))) == len(set(flat))


def test_words_of_any_script() -> None:
    assert words("Don't  STOP, please!") == ["dont", "stop", "please"]
    assert words("我们走吧 abc") == ["我", "们", "走", "吧", "abc"]
    assert words("नमस्ते दुनिया") == ["नमस्ते", "दुनिया"]
    assert words("x\U0001f600y 2+2") == ["x", "\U0001f600", "y", "2", "+", "2"]
    assert words("... !") == []


def test_a_chinese_text_with_one_other_character_is_near(tmp_path: Path) -> None:
    text = "这家餐厅的汤很好喝但是服务员太慢了我们等了一个小时"
    assert found(tmp_path, [text, text.replace("慢", "忙"), "今天天气很好我们一起去公园散步吧然后回家吃饭看书睡觉"]).keys() == {(0, 1)}


def test_copies_and_crowds_make_few_pairs(tmp_path: Path) -> None:
    pairs = found(tmp_path, ["one text that stands many times in the file"] * 3000)
    assert pairs == {(0, copy): 1.0 for copy in range(1, 3000)}
    crowd = [f"your parcel with the number {number} arrives at noon on the day after tomorrow unless it rains" for number in range(3000)]
    pairs = found(tmp_path, crowd)
    assert {place for pair in pairs for place in pair} == set(range(3000))
    assert len(pairs) < 100 * 3000


def test_texts_without_words_are_near_nothing(tmp_path: Path) -> None:
    assert not found(tmp_path, ["", "", "...", "...", "!"])
    assert not found(tmp_path, [])


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.7, 0.9, 1.0])
def test_bands_find_pairs_at_the_threshold(threshold: float) -> None:
    for num_texts in (1_000, 1_000_000):
        num_bands, length = band_shape(threshold, num_texts)
        assert 1 - (1 - min(threshold, 1 - 1e-12) ** length) ** num_bands >= 0.99
        assert num_bands * length <= 600


def test_the_frame_s_pairs_are_positions_within_a_template(tmp_path: Path) -> None:
    text = "the waiter was slow and the soup was cold when it came to our table at last"
    frame = pl.LazyFrame(
        {
            "position": [7, 3, 9, 4],
            "form": ["chat", "chat", "chat", "completion"],
            "template": ["one", "one", "two", "one"],
            "input_body": [text, text.replace("cold", "hot"), text, ""],
            "answer": ["", "", "", text.replace("slow", "late")],
        },
        schema_overrides={"position": pl.UInt32},
    )
    pairs = near_pairs(frame, tmp_path, threshold=0.7).collect()
    assert pairs.select("a", "b").rows() == [(3, 7), (4, 7)]  # two words apart, the third pair is not near
    assert pairs["similarity"][0] == pytest.approx(jaccard(shingles(text), shingles(text.replace("cold", "hot"))))
