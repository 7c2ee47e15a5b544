"""The templates that come with Loopwright: every `library/<domain>/<name>.jinja` is one."""

from functools import cache
from pathlib import Path

from loopwright.errors import UserError, did_you_mean
from templates.template import Template, load_template

LIBRARY_DIR = Path(__file__).parent / "library"


def template_names() -> list[str]:
    """Returns the names of all library templates, sorted."""
    return sorted(str(path.relative_to(LIBRARY_DIR).with_suffix("")) for path in LIBRARY_DIR.rglob("*.jinja"))


@cache
def library_template(name: str) -> Template:
    """Loads a template of the library by name.

    Raises:
        UserError: there is none of that name.
    """
    names = template_names()
    if name not in names:
        raise UserError(f"the library has no template '{name}'", remedy=did_you_mean(name, names))
    return load_template(LIBRARY_DIR / f"{name}.jinja")
