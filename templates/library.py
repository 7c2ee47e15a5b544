"""The templates that come with Loopwright: every `library/<domain>/<name>.jinja` is one."""

from functools import cache
from pathlib import Path
from typing import Any

from loopwright.errors import UserError, did_you_mean
from templates.template import Template, load_template

LIBRARY_DIR = Path(__file__).parent / "library"


def template_names() -> list[str]:
    """Returns the names of all library templates, sorted."""
    return sorted(str(path.relative_to(LIBRARY_DIR).with_suffix("")) for path in LIBRARY_DIR.rglob("*.jinja"))


def library_overview() -> list[dict[str, Any]]:
    """Returns what `prep templates list --json` prints: of each template its name, forms, inputs, labels and what else tells it apart."""
    return [
        {
            "name": one.name,
            "forms": one.forms,
            "task": one.header.task,
            "language": one.header.language,
            "inputs": dict(one.header.inputs),
            "optional": list(one.header.optional),
            "labels": {key: list(words) for key, words in one.words.items()},
            "shots": one.shots,
        }
        for one in map(library_template, template_names())
    ]


@cache
def library_template(name: str, language: str | None = None) -> Template:
    """Loads a template of the library by name.

    Args:
        name: `domain/name`.
        language: the language of the verbalizer's words; default: the template's own.

    Raises:
        UserError: there is none of that name, or it has no words in that language.
    """
    names = template_names()
    if name not in names:
        raise UserError(f"the library has no template '{name}'", remedy=did_you_mean(name, names))
    return load_template(LIBRARY_DIR / f"{name}.jinja", language)
