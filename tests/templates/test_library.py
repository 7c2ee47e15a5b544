import pytest
from jinja2 import nodes

from loopwright.errors import UserError
from templates.check import check_template_file
from templates.form import Form
from templates.library import LIBRARY_DIR, library_template, template_names
from templates.template import RenderError, Template


def is_plain(template: Template) -> bool:
    """Whether a template has texts and conditions alone: no loop, no list, no chat of turns."""
    types = set(template.header.inputs.values())
    return types <= {"str", "int", "float", "bool"} and template.tree.find(nodes.For) is None


@pytest.mark.parametrize("name", template_names())
def test_a_library_template_is_whole_and_renders_its_examples(name: str) -> None:
    assert check_template_file(name).problems == []
    header = library_template(name).header
    assert header.example is not None
    assert header.metrics or not {"chat", "verbalizer"} & set(library_template(name).forms) or name == "calls/next_turn"


@pytest.mark.parametrize("name", template_names())
def test_a_library_template_is_compiled_where_it_is_plain(name: str) -> None:
    assert check_template_file(name).path == "compiled" or not is_plain(library_template(name))


@pytest.mark.parametrize("name", template_names())
def test_a_field_that_is_missing_is_an_error_unless_it_is_optional(name: str) -> None:
    template = library_template(name)
    assert template.header.example is not None
    for field in template.header.inputs:
        fields = {given: value for given, value in template.header.example.fields.items() if given != field}
        if field in template.header.optional:
            template.render(fields)
        else:
            with pytest.raises(RenderError, match=f"field '{field}' is missing"):
                template.render(fields)


@pytest.mark.parametrize("name", template_names())
def test_a_prompt_names_the_words_it_asks_for(name: str) -> None:
    template = library_template(name)
    assert template.header.example is not None
    if not template.words or name in {"general/multiple_choice"}:  # its letters stand before the answers
        return
    rendered = template.render(template.header.example.fields)
    if rendered.messages:
        system = (rendered.messages[0]["content"] or "").lower()
        assert [word for word in template.choices if word.lower() not in system] == [] or name == "reviews/stars"


@pytest.mark.parametrize("name", [name for name in template_names() if name.endswith("_zh")])
def test_a_chinese_template_speaks_chinese_and_joins_without_a_space(name: str) -> None:
    template = library_template(name)
    assert template.header.language == "zh" and template.header.example is not None
    rendered = template.render(template.header.example.fields)
    assert rendered.target is None or not rendered.target.startswith(" ")
    said = rendered.prompt or "".join(message["content"] or "" for message in rendered.messages or [])
    assert any("\u4e00" <= character <= "\u9fff" for character in said)


def test_the_library_covers_its_domains_forms_and_languages() -> None:
    templates = [library_template(name) for name in template_names()]
    assert len(templates) == len(list(LIBRARY_DIR.rglob("*.jinja"))) >= 40
    assert {name.split("/")[0] for name in template_names()} == {
        *("reviews", "medical", "calls", "legal", "finance", "general", "preference"),
    }
    assert {form for template in templates for form in template.forms} == set(Form)
    assert sum("cloze" in template.tags for template in templates) >= 5
    assert {template.header.language for template in templates} == {"en", "zh"}
    assert any(template.shots for template in templates) and any("tools" in template.tags for template in templates)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"no template 'reviews/sentimnt'\. Did you mean 'reviews/sentiment'\?"):
        library_template("reviews/sentimnt")
