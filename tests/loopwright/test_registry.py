import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopwright.errors import UserError
from loopwright.registry import Registry
from prep.sources.files import SOURCE_FORMATS


class Shape(ABC):
    name = ""

    @abstractmethod
    def corners(self) -> int: ...


MODULE = """
from tests.loopwright.test_registry import Shape

class {cls}(Shape):
    name = "{name}"
    def corners(self):
        return {corners}
"""


@pytest.fixture
def shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry[Shape]]:
    package = tmp_path / "shapes_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "square.py").write_text(MODULE.format(cls="Square", name="square", corners=4))
    (package / "hexagon.py").write_text(MODULE.format(cls="Hexagon", name="hexagon", corners=6))
    (package / "round").mkdir()
    (package / "round" / "__init__.py").write_text("")
    (package / "round" / "disc.py").write_text(MODULE.format(cls="Disc", name="disc", corners=0))
    # What a module merely imports is not its extension.
    (package / "helper.py").write_text("from shapes_of_a_test.square import Square\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Registry("shapes_of_a_test", Shape, key="name", kind="shape")
    for name in [name for name in sys.modules if name.startswith("shapes_of_a_test")]:
        del sys.modules[name]


def test_one_file_is_one_extension(shapes: Registry[Shape]) -> None:
    assert list(shapes.entries) == ["disc", "hexagon", "square"]
    assert shapes.get("square")().corners() == 4


def test_nothing_is_imported_before_the_first_look(shapes: Registry[Shape]) -> None:
    assert "shapes_of_a_test" not in sys.modules


def test_an_unknown_name_is_refused_with_the_nearest_one(shapes: Registry[Shape]) -> None:
    with pytest.raises(UserError, match=r"unknown shape 'sqare'\. Did you mean 'square'\?"):
        shapes.get("sqare")


def test_every_source_format_says_what_it_is_and_which_endings_are_its_own() -> None:
    formats = SOURCE_FORMATS.entries
    assert {"csv", "json", "jsonl", "parquet", "tsv", "txt", "alpaca", "sharegpt", "openai", "oasst"} <= formats.keys()
    endings = [suffix for one in formats.values() for suffix in one.suffixes]
    assert len(endings) == len(set(endings))
    assert all(one.__doc__ for one in formats.values())
