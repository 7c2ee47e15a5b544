"""Raw texts as ids and weights: prompts with their targets, documents, and blanks for a masked model."""

from typing import Any

import pytest

from templates.chat import EncodeError, encode_continuation
from templates.raw_text import encode_blank, encode_document, encode_target, targets_of
from tests.train.masked import bytes_tokenizer, wordpiece_tokenizer


@pytest.fixture(scope="module")
def wordpiece() -> Any:
    return wordpiece_tokenizer()


@pytest.fixture(scope="module")
def byte_level() -> Any:
    return bytes_tokenizer()


@pytest.mark.parametrize(
    ("prompt", "target", "trained"),
    [
        ("The soup was", " great", " great"),
        ("The soup was ", "great", " great"),
        ("The soup was", "great", "great"),
        ("", "great soup", "great soup"),
        ("<s>The soup was", " great", " great"),
        ("The </s> soup <mask> was", " gre</s>at", " gre</s>at"),
        ("评论：汤很好。答：", "好评", "好评"),
    ],
)
def test_a_target_is_encoded_as_a_continuation_and_its_text_is_told(prompt: str, target: str, trained: str, byte_level: Any) -> None:
    encoded = encode_target(byte_level, prompt, target)
    found = encode_continuation(byte_level, prompt, target)
    assert encoded.input_ids == found.context_ids + found.continuation_ids
    assert encoded.loss_weights == [0.0] * len(found.context_ids) + [1.0] * len(found.continuation_ids)
    assert encoded.text == prompt + target
    assert "".join(piece.text for piece in encoded.pieces() if piece.trained) in {trained, trained.lstrip()}
    assert "".join(piece.text for piece in encoded.pieces()) == encoded.text
    assert byte_level.decode([token for token, weight in zip(encoded.input_ids, encoded.loss_weights, strict=True) if weight]) == trained


def test_a_token_over_the_join_is_split_apart(tokenizer: Any) -> None:
    assert encode_continuation(tokenizer, "revi", "ews").split_apart
    encoded = encode_target(tokenizer, "revi", "ews")
    assert [(piece.text, piece.trained) for piece in encoded.pieces()] == [("revi", False), ("ews", True)]


def test_a_document_ends_once_and_spells_no_end(byte_level: Any, tokenizer: Any) -> None:
    text = "The soup </s> was great.</s>"
    encoded = encode_document(byte_level, text)
    ends = [place for place, token in enumerate(encoded.input_ids) if token == byte_level.eos_token_id]
    assert ends == [len(encoded.input_ids) - 1]
    assert encoded.input_ids[0] == byte_level.bos_token_id  # what the tokenizer puts there is read, not trained
    assert encoded.loss_weights == [0.0] + [1.0] * (len(encoded.input_ids) - 1)
    assert byte_level.decode(encoded.input_ids[1:-1]) == text
    assert [(piece.text, piece.trained) for piece in encoded.pieces()] == [("", False), (text + "</s>", True)]
    plain = encode_document(tokenizer, "The soup.")
    assert plain.input_ids == [*tokenizer.encode("The soup."), tokenizer.eos_token_id]
    assert plain.loss_weights == [1.0] * len(plain.input_ids)


def test_documents_that_cannot_be_encoded_are_refused(byte_level: Any, wordpiece: Any) -> None:
    with pytest.raises(EncodeError, match="the text has no token"):
        encode_document(byte_level, "")
    with pytest.raises(EncodeError, match="no end token"):
        encode_document(wordpiece, "The soup.")


@pytest.mark.parametrize("prompt", ["The soup was [MASK].", "The [SEP] soup was [MASK].", "The <mask> soup was [MASK] indeed"])
@pytest.mark.parametrize("word", ["great", "terrible bad", "somewhat disappointing"])
def test_a_blank_has_as_many_masks_as_its_word_has_tokens(prompt: str, word: str, byte_level: Any, wordpiece: Any) -> None:
    for tokenizer in (byte_level, wordpiece):
        blank = encode_blank(tokenizer, prompt, "[MASK]", word)
        ids, mask = blank.encoded.input_ids, tokenizer.mask_token_id
        assert [place for place, token in enumerate(ids) if token == mask] == blank.positions
        assert [place for place, weight in enumerate(blank.encoded.loss_weights) if weight] == blank.positions
        assert ids[0] == tokenizer.cls_token_id and ids[-1] == tokenizer.sep_token_id
        special = {tokenizer.cls_token_id, tokenizer.sep_token_id, mask}
        assert not special & set(ids[1 : blank.positions[0]] + ids[blank.positions[-1] + 1 : -1])
        # With the word in the place of the masks it is the filled text, as the tokenizer writes that itself.
        filled = dict(zip(blank.positions, blank.word_ids, strict=True))
        text = prompt.replace("[MASK]", word)
        assert [filled.get(place, token) for place, token in enumerate(ids)] == tokenizer.encode(text, split_special_tokens=True)
        trained = "".join(piece.text for piece in blank.encoded.pieces() if piece.trained)
        assert trained.strip() == tokenizer.mask_token * len(blank.word_ids)
        assert blank.encoded.text == prompt.replace("[MASK]", tokenizer.mask_token * len(blank.word_ids))


def test_a_chinese_blank_of_our_own_mask(wordpiece: Any) -> None:
    blank = encode_blank(wordpiece, "总的来说，这家店____。", "____", "很好")
    assert wordpiece.convert_ids_to_tokens(blank.word_ids) == ["很", "好"]
    assert blank.encoded.text == "总的来说，这家店[MASK][MASK]。"


def test_blanks_that_cannot_be_encoded_are_refused(tokenizer: Any, wordpiece: Any) -> None:
    with pytest.raises(EncodeError, match="the tokenizer has no mask token"):
        encode_blank(tokenizer, "It was [MASK].", "[MASK]", "good")
    with pytest.raises(EncodeError, match="the mask '____' is not in the text"):
        encode_blank(wordpiece, "It was [MASK].", "____", "good")
    with pytest.raises(EncodeError, match="is in the text more than once"):
        encode_blank(wordpiece, "[MASK] was [MASK].", "[MASK]", "good")
    with pytest.raises(EncodeError, match="the word for the mask is empty"):
        encode_blank(wordpiece, "It was [MASK].", "[MASK]", " ")


@pytest.mark.parametrize(
    ("label", "target", "cause"),
    [
        (None, " good", "the label is outside the verbalizer: there is none, and the choices are 'bad', 'good'"),
        (2, " good", "the label is outside the verbalizer: it is 2"),
        (-1, " good", "the label is outside the verbalizer: it is -1"),
        (0, " good", "the target ' good' does not end on its choice 'bad'"),
    ],
)
def test_a_label_outside_of_the_verbalizer_is_refused(label: int | None, target: str, cause: str) -> None:
    with pytest.raises(EncodeError, match=cause):
        targets_of(["bad", "good"], label, target)


def test_each_choice_stands_where_the_right_one_does() -> None:
    assert targets_of(["bad", "good"], 1, "\nIt is good") == ["\nIt is bad", "\nIt is good"]
