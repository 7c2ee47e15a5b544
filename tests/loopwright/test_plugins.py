import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loopwright import plugins
from loopwright.errors import UserError
from loopwright.plugins import KINDS, find_plugins, plugins_key, use_plugins
from loopwright.registry import Registry
from tests.loopwright.test_registry import MODULE, Shape

HEXAGON = MODULE.format(cls="Hexagon", name="hexagon", corners=6)

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(name: str, text: str) -> Path:
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def config(write: Write) -> Path:
    return write("config.yaml", "name: x\n")


@pytest.fixture
def shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry[Shape]]:
    package = tmp_path / "packages" / "shapes_beside_plugins"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "square.py").write_text(MODULE.format(cls="Square", name="square", corners=4))
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    plugins.installed.cache_clear()
    yield Registry("shapes_beside_plugins", Shape, key="name", kind="shape", plugins=("rules",))
    plugins.installed.cache_clear()
    for name in [name for name in sys.modules if name.startswith("shapes_beside_plugins")]:
        del sys.modules[name]


def install(folder: Path, name: str, value: str) -> None:
    info = folder / f"{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[loopwright.rules]\n{name} = {value}\n")


def test_a_file_is_found_while_its_config_is_in_use_alone(
    shapes: Registry[Shape], config: Path, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write("mine/hexagon.py", HEXAGON)
    files = find_plugins({"rules": ["mine/hexagon.py"]}, config)
    assert list(shapes.entries) == ["square"]
    with use_plugins(files):
        assert shapes.get("hexagon")().corners() == 6
        assert list(shapes.entries) == ["hexagon", "square"]
    assert list(shapes.entries) == ["square"]
    said = capsys.readouterr().err.replace("\n", "")
    assert str(path) in said and files[0].sha256 in said
    with use_plugins(files):
        assert list(shapes.entries) == ["hexagon", "square"]
    assert capsys.readouterr().err == "", "it is announced on first use"


def test_a_file_of_another_kind_is_not_run(shapes: Registry[Shape], config: Path, write: Write) -> None:
    write("metric.py", "raise SystemExit('run')\n")
    with use_plugins(find_plugins({"metrics": ["metric.py"]}, config)):
        assert list(shapes.entries) == ["square"]


@pytest.mark.parametrize("named", ["../outside.py", "/outside.py", "link.py", "missing.py", "config.yaml", "folder.py"])
def test_only_python_files_below_the_config_are_taken(config: Path, write: Write, tmp_path: Path, named: str) -> None:
    (tmp_path / "outside.py").write_text("")
    (config.parent / "link.py").symlink_to(tmp_path / "outside.py")
    (config.parent / "folder.py").mkdir()
    with pytest.raises(UserError, match=r"outside of the config's folder|is not there|is no Python file") as raised:
        find_plugins({"rules": [named]}, config)
    assert raised.value.location == f"{config}: plugins.rules" and raised.value.remedy


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("def broken(:\n", r"plugin\.py:1: the plug-in cannot be run: SyntaxError"),
        ("import os\nimport no_such_module\n", r"plugin\.py:2: the plug-in cannot be run: ModuleNotFoundError"),
        ("x = 1\n", r"plugin\.py: the plug-in has no shape\. Write a subclass of tests\.loopwright\.test_registry\.Shape"),
        ("from tests.loopwright.test_registry import Shape\nclass Half(Shape):\n    name = 'half'\n", "Half is not whole: .* corners"),
        (
            MODULE.format(cls="Square2", name="square", corners=4),
            r"plugin\.py: two extensions are called 'square': Square of .*square\.py and Square2",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(
    shapes: Registry[Shape], config: Path, write: Write, text: str, cause: str
) -> None:
    write("plugin.py", text)
    with use_plugins(find_plugins({"rules": ["plugin.py"]}, config)), pytest.raises(UserError, match=cause):
        shapes.entries  # noqa: B018 (the look is what loads)
    assert list(shapes.entries) == ["square"], "the registry is whole again without the file"


def test_two_files_of_one_name_are_both_named(shapes: Registry[Shape], config: Path, write: Write) -> None:
    write("a.py", HEXAGON)
    write("b.py", HEXAGON)
    with (
        use_plugins(find_plugins({"rules": ["a.py", "b.py"]}, config)),
        pytest.raises(UserError, match=r"b\.py: .* Hexagon of .*a\.py and Hexagon"),
    ):
        shapes.entries  # noqa: B018


def test_a_class_without_its_attributes_is_refused(config: Path, write: Write) -> None:
    from evals.metrics.base import METRICS

    text = "from evals.metrics.base import RowMetric\nclass Nameless(RowMetric):\n    name = 'nameless'\n"
    write("m.py", text + "    def score(self, row, prediction):\n        return 1.0\n")
    with use_plugins(find_plugins({"metrics": ["m.py"]}, config)), pytest.raises(UserError, match="the metric Nameless has no 'tasks'"):
        METRICS.entries  # noqa: B018


def test_the_key_follows_the_files_content_and_kind(config: Path, write: Write) -> None:
    assert plugins_key(*KINDS) is None
    keys = set()
    for text in (HEXAGON, HEXAGON + "\n"):
        write("hexagon.py", text)
        with use_plugins(find_plugins({"rules": ["hexagon.py"]}, config)):
            keys.add(plugins_key("rules"))
            assert plugins_key("metrics") is None
    assert len(keys) == 2 and None not in keys


@pytest.mark.parametrize("value", ["hexagons_of_a_package", "hexagons_of_a_package:Hexagon"])
def test_an_installed_package_is_found(shapes: Registry[Shape], tmp_path: Path, value: str) -> None:
    (tmp_path / "packages" / "hexagons_of_a_package.py").write_text(HEXAGON)
    install(tmp_path / "packages", "hexagons", value)
    before = plugins_key("rules")
    assert list(shapes.entries) == ["hexagon", "square"]
    (tmp_path / "packages" / "hexagons_of_a_package.py").write_text(HEXAGON + "#")
    assert None is not before != plugins_key("rules")
    del sys.modules["hexagons_of_a_package"]


@pytest.mark.parametrize(
    ("value", "cause"),
    [("no_such_package_at_all", "cannot be loaded: ModuleNotFoundError"), ("json:loads", "has no shape"), ("json", "has no shape")],
)
def test_a_broken_installed_package_is_named(shapes: Registry[Shape], tmp_path: Path, value: str, cause: str) -> None:
    install(tmp_path / "packages", "broken", value)
    with pytest.raises(UserError, match=f"the installed package broken 1.2: .*{cause}"):
        shapes.entries  # noqa: B018
