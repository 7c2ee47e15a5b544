"""What a dataset was built with, as far as it is at hand: its config and template files, beside it or in the current folder."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from loopwright.errors import UserError
from prep.dataset.manifest import Manifest
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


def config_dirs(dataset_path: Path) -> tuple[Path, ...]:
    """Returns where a dataset's config may be, the likeliest first; a dataset does not know the folder that it was built from."""
    folder = dataset_path.resolve()
    return folder.parent, Path.cwd(), folder


def template_files(manifest: Manifest, dirs: Iterable[Path]) -> list[TemplateFile]:
    """Returns the templates of a dataset whose files are there.

    Args:
        manifest: the dataset's.
        dirs: the folders that the config's paths may be relative to.
    """
    dirs = tuple(dirs)
    entries = manifest.config.get("templates") or [{"name": template.name} for template in manifest.templates]
    library = set(template_names())
    found = []
    for entry in entries:
        name, path = entry.get("name"), entry.get("path")
        if path is None and name not in library:
            continue
        places = [folder / path for folder in dirs] if path else [LIBRARY_DIR / f"{name}.jinja"]
        file = next((place for place in places if place.is_file()), None)
        if file is not None:
            found.append(_load(str(name or path), file, entry.get("language")))
    return found


def _load(name: str, path: Path, language: str | None) -> TemplateFile:
    try:
        return TemplateFile(name, path, load_template(path, language))
    except UserError as error:
        return TemplateFile(name, path, None, error)
