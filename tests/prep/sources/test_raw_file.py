"""A raw file is read whole, in bounded pieces, or refused with a reason."""

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.errors import UserError
from prep.sources import raw_file
from prep.sources.files import find_files, share_read
from prep.sources.raw_file import RawFile, RejectedRow
from prep.sources.rows import iter_rows
from prep.sources.source_config import SourceConfig

PACK: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".zst": zstandard.ZstdCompressor(write_checksum=True).compress}


def file_of(path: Path, content: bytes, encoding: str = "utf-8") -> RawFile:
    path.write_bytes(content)
    return RawFile(path, SourceConfig(path=path.name, encoding=encoding))


def lines(file: RawFile) -> list[tuple[int, str]]:
    return [(number, line.reason if isinstance(line, RejectedRow) else line) for number, line in file.lines()]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(["", "a", "é", "語" * 3, "x" * 20, "\x0b", "\u2028", "\x00"]), min_size=1, max_size=20),
    st.integers(1, 40),
    st.booleans(),
)
def test_no_line_is_cut_whatever_the_size_of_the_blocks(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], size: int, ends: bool
) -> None:
    content = "\n".join(["first", *texts]) + ("\n" if ends else "")
    file = file_of(tmp_path_factory.getbasetemp() / "lines.txt", content.encode())
    expected = list(enumerate(content.removesuffix("\n").split("\n") if ends else content.split("\n"), start=1))
    if not ends and expected[-1][1] == "":
        del expected[-1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(raw_file, "BLOCK_BYTES", size)
        assert lines(file) == expected
        assert "".join(file.pieces()) == content


def test_a_line_across_the_border_of_two_blocks_is_one_line(tmp_path: Path) -> None:
    border = raw_file.BLOCK_BYTES
    content = b"a" * (border - 3) + b"\n" + "é語\n".encode() + b"b" * border + b"\nend"
    assert [(number, len(line)) for number, line in lines(file_of(tmp_path / "a.txt", content))] == [
        (1, border - 3),
        (2, 2),
        (3, border),
        (4, 3),
    ]


def test_a_line_of_fifty_megabytes_is_rejected_alone(tmp_path: Path) -> None:
    content = b"before\n" + b"x" * 50_000_000 + b"\nafter\n\nlast"
    assert lines(file_of(tmp_path / "a.txt", content)) == [(1, "before"), (2, "too_long"), (3, "after"), (4, ""), (5, "last")]


@pytest.mark.parametrize("rest", [b"", b"\n", b"\nz"])
def test_a_long_line_may_be_the_last_and_need_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rest: bytes) -> None:
    monkeypatch.setattr(raw_file, "BLOCK_BYTES", 8)
    monkeypatch.setattr(raw_file, "MAX_LINE_BYTES", 20)
    last = [(3, "z")] if rest == b"\nz" else []
    assert lines(file_of(tmp_path / "a.txt", b"a\n" + b"x" * 50 + rest)) == [(1, "a"), (2, "too_long"), *last]
    assert lines(file_of(tmp_path / "a.txt", b"a\n" + b"x" * 50 + b"\n" + b"y" * 50 + rest)) == [
        (1, "a"),
        (2, "too_long"),
        (3, "too_long"),
        *[(4, "z")] * len(last),
    ]


def test_a_file_with_the_line_ends_of_old_macs_has_lines(tmp_path: Path) -> None:
    assert lines(file_of(tmp_path / "a.txt", b"a\rb\rc")) == [(1, "a"), (2, "b"), (3, "c")]
    assert lines(file_of(tmp_path / "a.txt", b"a\r\nb\rc\r\n")) == [(1, "a"), (2, "b\rc")]


def test_a_nul_is_a_character_like_others(tmp_path: Path) -> None:
    assert lines(file_of(tmp_path / "a.txt", b"a\x00b\n\x00\n")) == [(1, "a\x00b"), (2, "\x00")]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("gb18030", "中文\n第二行"), ("latin-1", "Café\nü"), ("utf-16", "é\n語"), ("utf-16-le", "é\n語"), ("cp1252", "“a”\n€")],
)
def test_lines_of_other_encodings(tmp_path: Path, encoding: str, text: str) -> None:
    for suffix in ("", *PACK):
        content = text.encode(encoding)
        file = file_of(tmp_path / f"a.txt{suffix}", PACK[suffix](content) if suffix else content, encoding)
        assert lines(file) == list(enumerate(text.split("\n"), start=1))
        assert file.text() == text


def test_bytes_of_another_encoding_reject_their_line(tmp_path: Path) -> None:
    file = file_of(tmp_path / "a.txt", b"good\nCaf\xe9\nalso")
    assert lines(file) == [(1, "good"), (2, "bad_encoding"), (3, "also")]
    with pytest.raises(UserError, match=r"a\.txt:2: the file is not utf-8"):
        file.text()


@pytest.mark.parametrize("suffix", PACK)
def test_packed_files_are_unpacked_as_they_are_read(tmp_path: Path, suffix: str) -> None:
    content = b"".join(b'{"a": %d}\n' % index for index in range(100_000))
    file = file_of(tmp_path / f"a.JSONL{suffix.upper()}", PACK[suffix](content[:500_000]) + PACK[suffix](content[500_000:]))
    assert file.suffix == ".jsonl"
    assert "".join(block.text for block in file.blocks()) == content.decode()


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("damage", ["cut", "bent", "none of it"])
def test_a_packed_file_that_is_damaged_is_refused(tmp_path: Path, suffix: str, damage: str) -> None:
    packed = PACK[suffix](bytes(range(256)) * 2000)
    bent = packed[:60] + bytes([packed[60] ^ 0xFF]) + packed[61:]
    content = {"cut": packed[: len(packed) // 2], "bent": bent, "none of it": b"plain text"}[damage]
    with pytest.raises(UserError, match="cannot unpack the file"):
        lines(file_of(tmp_path / f"a.txt{suffix}", content, "latin-1"))


@pytest.mark.parametrize("suffix", PACK)
def test_a_bomb_is_refused_long_before_it_has_gone_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    monkeypatch.setattr("prep.sources.compression._EXPANSION_FREE_BYTES", 1 << 20)
    file = file_of(tmp_path / f"a.txt{suffix}", PACK[suffix](b"\n" * (64 << 20)))
    with pytest.raises(UserError, match="unpacks to more than 200 times its size"):
        lines(file)


def alike(separator: str) -> bytes:
    """Rows of JSON that share a long prompt, each with a few words of its own."""
    pick, prompt = random.Random(0), " ".join(str(number * number) for number in range(1_000))
    rows = separator.join(json.dumps({"prompt": prompt, "answer": f"{pick.random():.5f}"}) for _ in range(1_000))
    return (f"{rows}\n" if separator == "\n" else f"[{rows}]").encode()


@pytest.mark.parametrize(("name", "separator"), [("a.jsonl.zst", "\n"), ("a.json.zst", ", ")])
def test_many_rows_that_are_alike_are_no_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, separator: str) -> None:
    monkeypatch.setattr("prep.sources.compression._EXPANSION_FREE_BYTES", 1 << 20)
    content = alike(separator)
    packed = PACK[".zst"](content)
    assert len(content) > 250 * len(packed)
    (tmp_path / name).write_bytes(packed)
    batches = iter_rows(find_files((SourceConfig(path=name),), tmp_path, "c"))
    assert sum(batch.frame.height for batch in batches) == 1_000


@pytest.mark.parametrize("row", [b'{"text": "' + b"spam " * 2_000 + b'"}\n', b"spam " * 1_000])
def test_one_row_over_and_over_is_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: bytes) -> None:
    monkeypatch.setattr("prep.sources.compression._EXPANSION_FREE_BYTES", 1 << 20)
    with pytest.raises(UserError, match=r"unpacks to more than .* times its size"):
        lines(file_of(tmp_path / "a.jsonl.zst", PACK[".zst"](row * ((64 << 20) // len(row)))))


def test_a_zst_file_with_the_longest_window_is_read(tmp_path: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=31, enable_ldm=True)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()  # of a stream, whose length is not known at the start
    file = file_of(tmp_path / "a.txt.zst", packer.compress(b"one\ntwo\n") + packer.flush())
    assert zstandard.get_frame_parameters(file.path.read_bytes()).window_size == 1 << 31
    assert lines(file) == [(1, "one"), (2, "two")]


def test_a_file_may_be_empty_in_many_ways(tmp_path: Path) -> None:
    for name, content in {
        "a.txt": b"",
        "b.txt": b"\n \n",
        "c.txt": b"\xef\xbb\xbf",
        "d.txt.gz": gzip.compress(b""),
        "e.txt.zst": zstandard.compress(b""),
    }.items():
        for read in (lines, RawFile.text, lambda file: list(file.pieces())):
            with pytest.raises(UserError, match="the file is empty"):
                read(file_of(tmp_path / name, content))


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.jsonl.gz"])
def test_how_far_a_file_is_read_shows_while_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("prep.sources.raw_file.BLOCK_BYTES", 1 << 12)
    lines = "".join(f'{{"text": "{random.random()}"}}\n' for _ in range(20_000)) if "jsonl" in name else "text\n" + "x\n" * 90_000
    (tmp_path / name).write_bytes(gzip.compress(lines.encode()) if name.endswith("gz") else lines.encode())
    files = find_files((SourceConfig(path=name),), tmp_path, "c")
    assert share_read(files) == 0
    shares = [share_read(files) for _ in iter_rows(files)]
    assert len(shares) > 2
    assert shares == sorted(shares) and 0 < shares[0] < 0.9 and share_read(files) == 1
