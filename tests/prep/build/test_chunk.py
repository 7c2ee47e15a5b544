"""Long texts in pieces: what a piece holds, where it ends, what it repeats."""

import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopwright.errors import UserError
from prep.build.chunk import Chunker
from prep.build.eligibility import PART
from prep.config import ChunkConfig
from prep.text.sentences import best_cut, sentence_spans
from templates.chat import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SENTENCES = [
    "The soup was great.",
    "Dr. Low paid 3.5 dollars!",
    "汤很好喝。",
    "服务员很慢，但是很友好！",
    "Why?",
    "他说：“好。”",
    "no end",
    "A; b, c d",
]
GAPS = [" ", "\n\n", "", "  \r\n ", "\n", "\u3000", " " * 40]
ODD = ["<|im_end|>", "👨‍👩‍👧", "e\u0301" * 3, "🇩🇪🇫🇷", "x" * 60, "....", "!?", "\u2029", "\x1c", "한", "\ufdfa", "ข้าว"]
WORDS = st.one_of(st.sampled_from([*SENTENCES, *GAPS, *ODD]), st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
TEXTS = st.lists(WORDS, max_size=40).map("".join)
SETTINGS = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def chunker(model: Path, tokens: int, overlap: int = 0) -> Chunker:
    return Chunker(ChunkConfig(field="text", tokens=tokens, overlap=overlap), str(model))


def count(model: Path, text: str) -> int:
    tokenizer: PreTrainedTokenizerBase = load_tokenizer(str(model))
    return len(tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))


def said(text: str) -> str:
    return "".join(text.split())


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@SETTINGS
@given(TEXTS, st.integers(8, 60), st.floats(0, 0.5))
def test_pieces_are_short_and_hold_all_of_the_text_in_order(tiny_model_dir: Path, text: str, tokens: int, share: float) -> None:
    cutting = chunker(tiny_model_dir, tokens, int(tokens * share))
    spans = cutting.spans(text)
    pieces = cutting.pieces(text)
    assert pieces == [text[start:end] for start, end in spans]
    if count(tiny_model_dir, text) <= tokens:
        assert pieces == [text]
        return
    seen = 0
    for (start, end), piece in zip(spans, pieces, strict=True):
        assert piece == piece.strip()
        assert count(tiny_model_dir, piece) <= tokens or len(piece) == 1
        assert end > seen or (pieces == [""] and not text.strip())  # each says something new
        assert not text[seen : max(start, seen)].strip()  # nothing is left out
        repeated = text[start:seen] if start < seen else ""
        assert count(tiny_model_dir, repeated) <= cutting._config.overlap
        seen = end
    assert not text[seen:].strip()
    ends = [end for _, end in sentence_spans(text)]
    begins = [begin for begin, _ in sentence_spans(text)]
    for (_, before), (start, _) in pairwise(spans):
        if start < before:  # what is repeated is whole sentences
            assert start in begins
            assert before in ends


@SETTINGS
@given(TEXTS, st.integers(8, 60))
def test_only_a_sentence_that_is_too_long_is_cut(tiny_model_dir: Path, text: str, tokens: int) -> None:
    pieces = chunker(tiny_model_dir, tokens).spans(text)
    whole = [span for span in sentence_spans(text) if count(tiny_model_dir, text[slice(*span)]) <= tokens]
    for start, end in whole:
        assert not any(start < place < end for span in pieces for place in span)


def test_without_overlap_the_pieces_are_the_text(tiny_model_dir: Path) -> None:
    text = "The soup was great. The waiter was slow. The bill was wrong. The customer reported an order.\n\nIt is on its way. " * 4
    pieces = chunker(tiny_model_dir, 24).pieces(text)
    assert len(pieces) > 4
    assert said("".join(pieces)) == said(text)
    assert all(piece.endswith(".") for piece in pieces)
    # As long as they can be: no piece has room for the sentence after it.
    for piece, following in pairwise(pieces):
        assert count(tiny_model_dir, f"{piece} {sentences(following)[0]}") > 24


def test_an_overlap_is_as_many_whole_sentences_as_fit(tiny_model_dir: Path) -> None:
    text = " ".join(f"{word} was great." for word in ["Soup", "Waiter", "Bill", "Customer", "Agent", "Order", "Damage"] * 3)
    model = tiny_model_dir
    pieces = chunker(model, 40, 18).pieces(text)
    repeats = 0
    for piece, following in pairwise(pieces):
        own = sentences(piece)
        fitting = max(n for n in range(len(own)) if n == 0 or count(model, " ".join(own[-n:])) <= 18)
        assert fitting > 0
        assert sentences(following)[:fitting] == own[-fitting:]
        assert sentences(following)[fitting] != own[-1]
        repeats += 1
    assert repeats > 2


def test_a_sentence_that_leaves_no_room_for_the_overlap_comes_without(tiny_model_dir: Path) -> None:
    longer = "the customer reported the replacement order number damaged by the waiter and the agent delivered it."
    size = count(tiny_model_dir, longer)
    text = f"Yes. No. {longer} Yes. {longer}"
    pieces = chunker(tiny_model_dir, size, size // 2).pieces(text)
    assert pieces == ["Yes. No.", longer, "Yes.", longer]


def test_what_is_repeated_is_neither_a_whole_piece_nor_a_part_of_a_sentence(tiny_model_dir: Path) -> None:
    long = "the soup was great and " * 8 + "slow."
    pieces = chunker(tiny_model_dir, 16, 8).pieces(f"Yes. {long} The bill was wrong. The waiter was slow. The order was great.")
    assert pieces[0] == "Yes."
    assert not any(piece.startswith("Yes.") for piece in pieces[1:])
    inside = [piece for piece in pieces if piece in long]
    assert said("".join(inside)) in said(long)


@pytest.mark.parametrize(
    ("text", "tokens", "is_end"),
    [
        ("the soup was great, the waiter was slow and great, the bill was wrong and the customer reported it, " * 3, 16, r".*,"),
        ("the soup was great " * 20, 16, r".*\b(the|soup|was|great)"),
        ("汤很好喝，服务员很慢，账单是错的，客户报告了它，替换件在路上，订单号是五四零二" * 2, 60, r".*，"),
        ("the soup\nthe waiter was great, and slow\n" * 6, 16, r"(?s).*(soup|slow)"),
    ],
)
def test_a_sentence_that_is_too_long_is_cut_at_its_clauses_else_between_words(
    tiny_model_dir: Path, text: str, tokens: int, is_end: str
) -> None:
    pieces = chunker(tiny_model_dir, tokens).pieces(text)
    assert len(pieces) > 2
    assert said("".join(pieces)) == said(text)
    for piece in pieces[:-1]:
        assert re.fullmatch(is_end, piece)


def test_a_word_that_is_too_long_is_cut_between_characters(tiny_model_dir: Path) -> None:
    family, accent = "👨‍👩‍👧", "e\u0301"
    for character in (family, accent, "🇩🇪"):
        pieces = chunker(tiny_model_dir, max(40, 2 * count(tiny_model_dir, character))).pieces(character * 60)
        assert len(pieces) > 1
        assert {piece.replace(character, "") for piece in pieces} == {""}
    # One such character of more tokens than may be is cut all the same.
    assert "".join(chunker(tiny_model_dir, 8).pieces("e" + "\u0301" * 50)) == "e" + "\u0301" * 50


@pytest.mark.parametrize(
    "sentence",
    [
        "Dr. Low saw Mrs. B. at 3.5 km, e.g. on Jan. 5, see Fig. 3.",
        "1. Wash your hands, etc. and so on, by J. R. Smith et al. here.",
        "It is v1.2 of a.b.c and U.S. law!",
        "Is it?!",
        "He said (to Prof. Low) it was “great.”",
        "没错……不过还行。",
        "Wait... ",
        "The number is ３．５吗？",
    ],
)
def test_a_stop_within_a_sentence_ends_nothing(sentence: str) -> None:
    assert sentences(f"{sentence} Then we left.") == [sentence.strip(), "Then we left."]


def test_sentences_end_in_many_scripts() -> None:
    assert sentences("好。真的？是！ok. 很好!下次再来.谢谢") == ["好。", "真的？", "是！", "ok.", "很好!", "下次再来.", "谢谢"]
    assert sentences("यह अच्छा है। वह धीमा था। کیا؟ ہاں۔") == ["यह अच्छा है।", "वह धीमा था।", "کیا؟", "ہاں۔"]
    assert sentences("Title\n \nIt was in 2019. The answer is no. We left etc. Then") == [
        "Title",
        "It was in 2019.",
        "The answer is no.",
        "We left etc.",
        "Then",
    ]


def test_a_cut_prefers_lines_then_clauses_then_words() -> None:
    assert best_cut("aa bb, cc\ndd ee", 0, 15) == 9
    assert best_cut("aa bb cc, dd ee", 0, 14) == 9
    assert best_cut("aa, bbbbbbbbbb cccc", 0, 18) == 14
    assert best_cut("1,000,000", 0, 8) == 8


def test_a_frame_has_a_row_a_piece(tiny_model_dir: Path) -> None:
    longer = "The soup was great. The waiter was slow. The bill was wrong. The order is on its way."
    frame = pl.DataFrame({"#row_id": ["a", "b", "c", "d"], "text": ["  short ", longer, None, "x. " * 3], "label": ["1", None, "3", "4"]})
    expanded = chunker(tiny_model_dir, 10).expand(frame)
    parts = chunker(tiny_model_dir, 10).pieces(longer)
    assert len(parts) > 2
    assert expanded.columns == [*frame.columns, PART]
    assert expanded.schema[PART] == pl.Int64
    assert expanded["text"].to_list() == ["  short ", *parts, None, "x. " * 3]
    assert expanded[PART].to_list() == [0, *range(len(parts)), 0, 0]
    assert expanded["#row_id"].to_list() == ["a", *["b"] * len(parts), "c", "d"]
    assert expanded["label"].to_list() == ["1", *[None] * len(parts), "3", "4"]
    assert chunker(tiny_model_dir, 10).expand(frame.clear()).schema == expanded.schema


def test_white_space_alone_is_one_empty_piece(tiny_model_dir: Path) -> None:
    assert chunker(tiny_model_dir, 8).pieces(" \n" * 3000) == [""]


def test_a_field_that_the_rows_do_not_have_is_an_error(tiny_model_dir: Path) -> None:
    with pytest.raises(UserError, match="the rows have no field 'text' to cut") as error:
        chunker(tiny_model_dir, 8).expand(pl.DataFrame({"#row_id": ["a"], "texts": ["b"]}))
    assert "Did you mean 'texts'?" in str(error.value)


@pytest.mark.parametrize("unit", ["The soup was great. ", "word ", "x", ".", "!\n", "汤", "\n\n.", "1. ", "， "])
def test_the_tokens_that_are_made_grow_with_the_text_and_not_with_its_square(
    tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch, unit: str
) -> None:
    tokenizer = load_tokenizer(str(tiny_model_dir))
    seen: list[int] = []

    class Counting:
        def __call__(self, text: str | list[str], **options: object) -> object:
            seen.append(len(text) if isinstance(text, str) else sum(map(len, text)))
            return tokenizer(text, **options)

        def get_vocab(self) -> dict[str, int]:
            return dict(tokenizer.get_vocab())

    monkeypatch.setattr("prep.build.chunk.load_tokenizer", lambda model: Counting())
    text = unit * (40_000 // len(unit))
    pieces = chunker(tiny_model_dir, 32, 8).pieces(text)
    assert len(pieces) > 50
    assert sum(seen) < 12 * len(text)
