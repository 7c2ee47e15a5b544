from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.errors import UserError
from loopwright.hashing import hash_file, hash_text

PARTS = st.lists(st.none() | st.text(max_size=4), max_size=4)


def test_hashes_are_the_same_for_ever() -> None:
    # Identities on disk are made of these; a change here orphans every fix ledger there is.
    assert hash_text("alias", "record") == "fcca7d6dfba2c41def64d90ba9158a7e"
    assert hash_text("\ud83d é 🍲", None, "") == "3fb4b8c4bea6e2e6b3eca24b4180262c"


@given(PARTS, PARTS)
def test_no_two_lists_of_parts_share_a_hash(one: list[str | None], other: list[str | None]) -> None:
    assert (hash_text(*one) == hash_text(*other)) == (one == other)


def test_parts_are_length_prefixed() -> None:
    assert (
        len({hash_text("ab", "c"), hash_text("a", "bc"), hash_text("abc"), hash_text("2:ab", "c"), hash_text("-;"), hash_text(None)}) == 6
    )


def test_a_file_is_hashed_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 1_000_000)
    assert hash_file(tmp_path / "a") == "f4096a131e7e6ebfa7a512b5c299e13b065df34d15624ee1202ab394cc4d7e90"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(UserError, match=f"{path}: cannot read the file"):
            hash_file(path)
