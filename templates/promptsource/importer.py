"""Files of promptsource -> files of ours."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from loopwright.config import parse_yaml, read_text
from loopwright.errors import UserError
from loopwright.files import write_atomic
from templates.promptsource.convert import Converted, convert, slug
from templates.promptsource.refusal import Refusal

# What the files hold of Python objects. They are read as plain mappings; nothing is constructed.
_TAGS = ("!Template", "!TemplateMetadata")


@dataclass(frozen=True, slots=True)
class Refused:
    """A template that was not converted: `file: name`, and exactly why."""

    template: str
    reason: str


@dataclass(slots=True)
class ImportResult:
    """What an import did.

    Attributes:
        files: YAML files read.
        templates: templates that they hold.
        converted: those that were written.
        refused: the others.
    """

    files: int = 0
    templates: int = 0
    converted: int = 0
    refused: list[Refused] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Returns the result as `--json` prints it."""
        return asdict(self)


def import_promptsource(path: Path, out: Path) -> ImportResult:
    """Converts promptsource's templates, one file each: `OUT/<dataset>/<subset>/<name>.jinja`.

    Args:
        path: a `templates.yaml`, or a folder of such files.
        out: the folder that is written to; files that are there stay, but for those of the same name.

    Raises:
        UserError: there is no file of promptsource's, or the folder cannot be written.
    """
    result = ImportResult()
    taken: set[str] = set()
    for file in _files(path):
        result.files += 1
        for entry, name in _entries(file, result):
            result.templates += 1
            try:
                converted = convert(entry, _free(name, taken))
            except Refusal as refusal:
                result.refused.append(Refused(f"{file.name}: {entry.get('name')}", str(refusal)))
                continue
            taken.add(converted.name)
            _write(converted, out)
            result.converted += 1
    return result


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = sorted(file for pattern in ("*.yaml", "*.yml") for file in path.rglob(pattern) if file.is_file())
    if not found:
        cause = "the folder holds no YAML file" if path.is_dir() else "there is no such file or folder"
        raise UserError(cause, str(path), "Give a templates.yaml of promptsource's, or a folder of them.")
    return found


def _entries(file: Path, result: ImportResult) -> list[tuple[dict[str, Any], str]]:
    """Returns the templates of one file, each with the name that it should get; a file that is none is refused as a whole."""
    try:
        read = parse_yaml(read_text(file, "template file"), str(file), tags=_TAGS)
    except UserError as error:
        result.refused.append(Refused(file.name, error.cause))
        return []
    listed = read.get("templates") if isinstance(read, dict) else None
    if not isinstance(listed, dict) or not all(isinstance(entry, dict) for entry in listed.values()):
        result.refused.append(Refused(file.name, "it is no file of promptsource's: it has no 'templates' with an entry each"))
        return []
    parts = [part for name in (read.get("dataset"), read.get("subset")) for part in str(name or "").split("/")]
    folder = "/".join(slug(part) for part in parts if part) or "promptsource"
    return [(entry, f"{folder}/{slug(str(entry.get('name') or key))}") for key, entry in listed.items()]


def _free(name: str, taken: set[str]) -> str:
    """Returns a name that no template before has: two of a file may be called alike."""
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _write(converted: Converted, out: Path) -> None:
    path = out / f"{converted.name}.jinja"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write the templates: {error.strerror}", str(path.parent), "Choose another --out.") from error
    write_atomic(path, converted.source)
