from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from loopwright.config import load_config, load_lines, load_section, overlay, parse_yaml
from loopwright.errors import UserError, UserErrors
from prep.config import BuildConfig, TemplateConfig, load_build_config

Write = Callable[[str, str], Path]
ROOT = Path(__file__).parents[2]
GOOD = "name: mine\nsources:\n  - path: a.csv\ntemplates:\n  - name: general/text\n"


def refuse(path: Path) -> list[str]:
    with pytest.raises(UserError) as error:
        load_config(path, BuildConfig)
    errors = error.value.errors if isinstance(error.value, UserErrors) else (error.value,)
    return [str(one).removeprefix(f"{path.parent}/") for one in errors]


def test_an_unknown_key_is_named_with_its_line_and_the_nearest_known_one(write: Write) -> None:
    assert refuse(write("c.yaml", GOOD + "spilt: {}\n")) == ["c.yaml:6: unknown key 'spilt'. Did you mean 'split'?"]


def test_an_unknown_key_deep_down_is_compared_with_the_keys_of_its_place(write: Write) -> None:
    text = GOOD.replace("  - path: a.csv\n", "  - path: a.csv\n    gruop: x\n")
    assert refuse(write("c.yaml", text)) == ["c.yaml:4: unknown key 'sources.0.gruop'. Did you mean 'group'?"]
    text = GOOD + "lint:\n  expect:\n    label_shares: {}\n"
    assert refuse(write("c.yaml", text)) == ["c.yaml:8: unknown key 'lint.expect.label_shares'. Did you mean 'label_share'?"]


def test_a_missing_key_is_named(write: Write) -> None:
    assert refuse(write("c.yaml", "name: mine\nsources:\n  - format: csv\ntemplates: [{name: a/b}]\n")) == [
        "c.yaml:3: the key 'sources.0.path' is missing. Add 'path:'."
    ]


def test_a_wrong_type_shows_the_value(write: Write) -> None:
    assert refuse(write("c.yaml", GOOD + "split:\n  seed: many\n")) == ["c.yaml:7: 'split.seed' is 'many'. Give a whole number."]


def test_a_long_value_is_cut_in_the_message(write: Write) -> None:
    [message] = refuse(write("c.yaml", GOOD + f"split: {'x' * 500}\n"))
    assert len(message) < 200


def test_our_own_check_speaks_for_itself(write: Write) -> None:
    [message] = refuse(write("c.yaml", GOOD + "split: {train: 0.5, validation: 0.1, test: 0.1}\n"))
    assert message.startswith("c.yaml:6: 'split' is {")
    assert message.endswith("Train, validation and test add up to 0.7; make it 1.")


def test_all_errors_are_reported_together(write: Write) -> None:
    assert len(refuse(write("c.yaml", "nmae: x\nsplit: {seed: a}\n"))) == 5


def test_a_repeated_key_is_refused(write: Write) -> None:
    assert "c.yaml:6: not valid YAML: the key 'name' stands twice" in refuse(write("c.yaml", GOOD + "name: other\n"))[0]


def test_a_merged_key_may_be_overridden() -> None:
    assert parse_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\nc: {<<: *a}", "c")["b"] == {"x": 3, "y": 2}


def test_yes_and_no_and_dates_stay_words() -> None:
    assert parse_yaml("{no: yes, off: on, day: 2024-01-31, 0: 1, true: true, null: null}", "c") == {
        "no": "yes",
        "off": "on",
        "day": "2024-01-31",
        "0": 1,
        "true": True,
        "null": None,
    }


def test_labels_are_words_however_yaml_types_them(write: Write) -> None:
    config = load_build_config(write("c.yaml", GOOD + "labels: {0: no, 1: 2, yes: true, x: 1.5}\n"))
    assert config.labels == {"0": "no", "1": "2", "yes": "true", "x": "1.5"}
    assert "'labels.a' is None" in refuse(write("d.yaml", GOOD + "labels: {a: }\n"))[0]


def alias_bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, levels)]
    return "\n".join(lines) + "\n"


def test_an_alias_bomb_is_refused() -> None:
    assert parse_yaml(alias_bomb(3), "c")["a2"]
    with pytest.raises(UserError, match="expands to too many nodes"):
        parse_yaml(alias_bomb(9), "c")


def test_an_alias_of_itself_is_refused() -> None:
    with pytest.raises(UserError, match=r"c:1: .* within what it names"):
        parse_yaml("a: &a [*a]", "c")


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system ['true']", "!!python/name:os.system", "!mine {a: 1}"])
def test_tags_construct_nothing(tag: str) -> None:
    with pytest.raises(UserError, match="c:1: not valid YAML: could not determine a constructor"):
        parse_yaml(f"a: {tag}", "c")


@pytest.mark.parametrize("text", ["a: [", "a: b\x00", "[" * 4000, "{[a]: b}", "a: 'x", "a: b: c", "- a\nb: c", "\t- a", "--- a\n--- b\n"])
def test_what_is_no_yaml_is_an_error_with_a_place_and_a_remedy(text: str) -> None:
    with pytest.raises(UserError) as error:
        parse_yaml(text, "c")
    assert str(error.value.location).startswith("c")
    assert error.value.remedy


@pytest.mark.parametrize(("text", "found"), [("", "nothing"), ("just words", "'just words'"), ("- a", r"\['a'\]")])
def test_a_document_without_keys_is_refused(write: Write, text: str, found: str) -> None:
    with pytest.raises(UserError, match=f"expected keys and values, found {found}"):
        load_config(write("c.yaml", text), BuildConfig)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    for path, why in ((tmp_path / "none.yaml", "does not exist"), (tmp_path, "the config is a folder")):
        with pytest.raises(UserError, match=why):
            load_config(path, BuildConfig)
    (tmp_path / "latin.yaml").write_bytes("name: Café".encode("latin-1"))
    with pytest.raises(UserError, match=r"not UTF-8 \(byte 9\)"):
        load_config(tmp_path / "latin.yaml", BuildConfig)


def test_a_byte_order_mark_is_no_part_of_the_first_key(write: Write) -> None:
    assert load_build_config(write("c.yaml", "\ufeff" + GOOD)).name == "mine"


@pytest.mark.parametrize("path", sorted(ROOT.glob("sample_data/*/*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_config_validates(path: Path) -> None:
    config: Any = load_build_config(path)
    assert config.sources and config.templates


def test_lines_that_are_no_model_are_refused_together_each_by_its_own_line(write: Write) -> None:
    path = write("a.jsonl", '{"name": "a"}\n\n{"nam": "b"}\n{"name": 5}\n')
    with pytest.raises(UserErrors) as error:
        load_lines(path, TemplateConfig, "Mend it.")
    assert [one.location for one in error.value.errors] == [f"{path}:3", f"{path}:4"]
    assert str(error.value.errors[0]).endswith("a.jsonl:3: unknown key 'nam'. Did you mean 'name'? Mend it.")


def test_blank_lines_are_no_models(write: Write) -> None:
    assert load_lines(write("a.jsonl", '\n{"name": "a"}\n\n{"name": "b"}\n'), TemplateConfig, "") == [
        TemplateConfig(name="a"),
        TemplateConfig(name="b"),
    ]


def test_a_pipe_is_no_config(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(UserError, match="is a pipe or a device"):
        load_build_config(tmp_path / "pipe.yaml")


class Inner(BaseModel):
    rank: int = 16


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    epochs: int = Field(2, ge=1)
    limit: int | None = None
    names: tuple[str, ...] = ("a",)
    inner: Inner = Inner()


def test_given_options_go_over_a_section_and_those_not_given_do_not(write: Write) -> None:
    section = load_section(write("c.yaml", "train: {epochs: 3, limit: 9, inner: {rank: 4}}\n"), "train", Options)
    assert overlay(section, {"epochs": 5, "limit": None, "names": []}, "options") == Options(
        epochs=5, limit=9, names=(), inner=Inner(rank=4)
    )
    assert overlay(section, {}, "options") == section == Options(epochs=3, limit=9, inner=Inner(rank=4))


def test_without_a_file_or_a_section_the_defaults_hold(write: Write) -> None:
    assert load_section(None, "train", Options) == load_section(write("c.yaml", "name: x\n"), "train", Options) == Options()


def test_an_option_that_is_wrong_or_unknown_is_an_error() -> None:
    with pytest.raises(UserError, match=r"^train options: 'epochs' is 0\. Give 1 or more\.$"):
        overlay(Options(), {"epochs": 0}, "train options")
    with pytest.raises(UserError, match=r"^train options: unknown key 'epoch'\. Did you mean 'epochs'\?$"):
        overlay(Options(), {"epoch": 1}, "train options")
