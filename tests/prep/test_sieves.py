import re
import time

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from prep.pii import may_hold_pii, may_hold_secret
from prep.pii.names import may_hold_name
from prep.sieves import sieve

WORDS = r"(?i:\b(?:mrn|born)\b|%s\b|:\s?name\b)"


@given(
    st.lists(st.sampled_from(["mrn", "BORN", "%s", ":name", "\u00e9", "\u0661", "_", "9", " ", "\U0001f600", "."]), max_size=6).map("".join)
)
def test_a_sieve_lets_through_whatever_its_pattern_finds(text: str) -> None:
    assert pl.Series([text]).str.contains(sieve(WORDS))[0] or not re.search(WORDS, text)


def test_sieves_take_no_longer_for_letters_beyond_ascii() -> None:
    def seconds(text: str) -> float:
        frame = pl.DataFrame({"text": [text]})
        began = time.process_time()
        frame.select(pii=may_hold_pii(pl.col("text")), secret=may_hold_secret(pl.col("text")), name=may_hold_name(pl.col("text")))
        return time.process_time() - began

    assert seconds("\u043f\u0438\u0432\u043e " * 40_000) < 0.1 + 3 * seconds("soup and " * 40_000)
