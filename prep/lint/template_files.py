"""The templates that a dataset was built with, as far as they are at hand: those of the library, and files below the current folder."""

from dataclasses import dataclass
from pathlib import Path

from loopwright.errors import UserError
from prep.dataset import Manifest
from templates.library import LIBRARY_DIR, template_names
from templates.template import Template, load_template


@dataclass(frozen=True, slots=True)
class TemplateFile:
    """A template's file.

    Attributes:
        name: the template's name in the manifest; the path, where the config gives one.
        path: the file.
        template: as it is loaded; None where it can no longer be.
        error: why it cannot be loaded.
    """

    name: str
    path: Path
    template: Template | None
    error: UserError | None = None


def template_files(manifest: Manifest) -> list[TemplateFile]:
    """Returns the templates of a dataset whose files are there."""
    entries = manifest.config.get("templates") or [{"name": template.name} for template in manifest.templates]
    library = set(template_names())
    found = []
    for entry in entries:
        name, path = entry.get("name"), entry.get("path")
        file = Path(path) if path else LIBRARY_DIR / f"{name}.jinja"
        if path is None and name not in library:
            continue
        if file.is_file():
            found.append(_load(str(name or path), file, entry.get("language")))
    return found


def _load(name: str, path: Path, language: str | None) -> TemplateFile:
    try:
        return TemplateFile(name, path, load_template(path, language))
    except UserError as error:
        return TemplateFile(name, path, None, error)
