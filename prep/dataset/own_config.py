"""The config file that a dataset was built from, as far as it is at hand: a dataset knows its name, and not where it lies."""

from pathlib import Path

from loopwright.config import parse_yaml, read_text
from loopwright.errors import UserError
from prep.dataset.manifest import Manifest


def config_beside(dataset_path: Path, name: str) -> Path | None:
    """Returns the file of the recorded name beside a dataset, else in the working folder, and never within the dataset."""
    dataset = dataset_path.resolve()
    if Path(name).name != name:
        return None  # a build records a bare name: this one would lead elsewhere
    places = ((folder / name).resolve() for folder in (dataset.parent, Path.cwd()))
    return next((place for place in places if place.is_file() and not place.is_relative_to(dataset)), None)


def why_not_of(config_path: Path, manifest: Manifest) -> str | None:
    """Returns why a config does not count as that of a dataset; None where it does."""
    try:
        data = parse_yaml(read_text(config_path, "config"), str(config_path))
    except UserError:
        return f"{config_path} cannot be read"
    name = data.get("name") if isinstance(data, dict) else None
    return None if name == manifest.name else f"{config_path} is of another dataset"
