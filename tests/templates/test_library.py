from dataclasses import asdict

import pytest

from loopwright.errors import UserError
from templates.compile import plan
from templates.library import LIBRARY_DIR, library_template, template_names

FALLBACK = {"calls/intent", "calls/next_turn", "calls/summary"}  # they walk through turns


@pytest.mark.parametrize("name", template_names())
def test_a_library_template_is_whole_and_renders_its_example(name: str) -> None:
    template = library_template(name)
    header = template.header
    assert template.name == name
    assert header.task and header.description and header.language
    assert header.metrics or not {"chat", "verbalizer"} & set(template.kinds) or name == "calls/next_turn"
    assert header.example is not None
    given = {name: value for name, value in asdict(template.render(header.example.fields)).items() if value is not None}
    assert given == header.example.renders


@pytest.mark.parametrize("name", template_names())
def test_a_library_template_is_compiled_unless_it_walks_through_turns(name: str) -> None:
    chosen = plan(library_template(name))
    assert (chosen.path == "fallback") == (name in FALLBACK)


def test_every_file_of_the_library_is_found() -> None:
    assert len(template_names()) == len(list(LIBRARY_DIR.rglob("*.jinja"))) >= 8


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"no template 'reviews/sentimnt'\. Did you mean 'reviews/sentiment'\?"):
        library_template("reviews/sentimnt")
