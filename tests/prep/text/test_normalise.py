"""The column expression and its plain-Python twin give the same keys."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from prep.text.normalise import normalise, normalise_expr


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]))), max_size=8))
def test_the_expression_and_its_twin_agree(texts: list[str | None]) -> None:
    frame = pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)})
    keys = frame.lazy().select(normalise_expr(pl.col("text"))).collect()["text"].to_list()
    assert keys == [None if text is None else normalise(text) for text in texts]


def test_every_ascii_character_agrees() -> None:
    texts = [f"A{chr(code)}b" for code in range(128)]
    keys = pl.DataFrame({"text": texts}).select(normalise_expr(pl.col("text")))["text"].to_list()
    assert keys == [normalise(text) for text in texts]


def test_case_width_and_white_space_do_not_count() -> None:
    assert normalise("  Ｇreat\u00a0 SOUP,\n Straße ") == "great soup, strasse"
