"""What `loopwright doctor` says of the installation: versions, extras, and packages of others under this project's names."""

import re
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata, util
from pathlib import Path

from loopwright import __version__
from loopwright.checks import Check, Row, State

_NAME = "loopwright"
_PACKAGES = ("loopwright", "templates", "prep", "train", "evals", "loop")
_PROGRAMS = ("loopwright", "prep", "train", "evals", "loop")
_OWN_WORK = frozenset({"dev"})  # an extra for those who work on the project
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*([^;]*)(?:;(.*))?")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


def check_installation() -> list[Row]:
    """Returns the version and the programs, whose packages stand under this project's names, and what of each extra is not there."""
    return [one.as_row() for one in (*_versions(), *_names(), *_extras())]


def _versions() -> list[Check]:
    """Returns the version, what the base install lacks, and whether the programs are on the path."""
    python = ".".join(map(str, sys.version_info[:3]))
    rows = [Check("loopwright", State.OK, f"{__version__}, Python {python}, in {Path(__file__).parent.parent}")]
    lacking = list(_lacking(""))
    if lacking:
        rows.append(Check("base install", State.FAILED, f"not there: {', '.join(lacking)}", "Run: pip install --upgrade loopwright"))
    else:
        rows.append(Check("base install", State.OK, "all that preparation and lint need"))
    absent = [name for name in _PROGRAMS if shutil.which(name) is None]
    if absent:
        remedy = f"Put {Path(sys.executable).parent} on the PATH, or write: python -m {absent[0]}"
        rows.append(Check("programs", State.MISSING, f"not on the path: {', '.join(absent)}", remedy))
    else:
        rows.append(Check("programs", State.OK, f"{', '.join(_PROGRAMS)} in {Path(str(shutil.which(_NAME))).parent}"))
    return rows


def _extras() -> list[Check]:
    """Returns each extra, and what of it is not there."""
    rows = []
    for extra in metadata.metadata(_NAME).get_all("Provides-Extra") or ():
        if extra in _OWN_WORK:
            continue
        lacking = list(_lacking(extra))
        if lacking:
            remedy = f"Install it where you need it: pip install 'loopwright[{extra}]'"
            rows.append(Check(f"extra {extra}", State.MISSING, f"not there: {', '.join(lacking)}", remedy))
        else:
            rows.append(Check(f"extra {extra}", State.OK, "installed"))
    return rows


def _names() -> list[Check]:
    """Returns each package of this project, and whether an import of its name gives this project's own.

    The names are common words: OpenAI's `evals` installs a package of that name, and so does a folder `train` or a file `evals.py` beside
    one's own script stand in the way.
    """
    root = Path(__file__).resolve().parent.parent
    owners = _owners()
    return [_check_name(name, root, owners.get(name, [])) for name in _PACKAGES]


def _check_name(name: str, root: Path, others: list[str]) -> Check:
    spec = util.find_spec(name)
    origin = None if spec is None or spec.origin is None else Path(spec.origin).resolve()
    where = origin or (next(iter(spec.submodule_search_locations or ()), None) if spec is not None else None)
    if origin is None or origin.parent != root / name:
        by = f", of {', '.join(others)}" if others else ""
        if others:
            remedy = f"Run: pip uninstall {' '.join(others)}; or use one environment for each."
        elif where is None:
            remedy = "Run: pip install --force-reinstall loopwright"
        else:
            remedy = f"Rename {where}, or run the command from another folder."
        return Check(f"package {name}", State.FAILED, f"an import of '{name}' gives {where or 'nothing'}{by}, and not Loopwright's", remedy)
    if others:  # two packages have written into one folder
        remedy = f"Run: pip uninstall {' '.join(others)}, then: pip install --force-reinstall loopwright; or use one environment for each."
        return Check(f"package {name}", State.FAILED, f"{', '.join(others)} installed a package '{name}' as well", remedy)
    return Check(f"package {name}", State.OK, str(origin.parent))


def _owners() -> dict[str, list[str]]:
    """Returns name of a package of ours -> other distributions that brought one of that name."""
    found: dict[str, list[str]] = {}
    for distribution in metadata.distributions():
        owner = distribution.metadata["Name"]
        if owner is None or owner.lower() == _NAME:
            continue
        for name in {*_top_level(distribution)} & {*_PACKAGES}:
            found.setdefault(name, []).append(owner)
    return {name: sorted(set(owners)) for name, owners in found.items()}


def _top_level(distribution: metadata.Distribution) -> Iterator[str]:
    if (said := distribution.read_text("top_level.txt")) is not None:
        yield from said.split()
        return
    for line in (distribution.read_text("RECORD") or "").splitlines():
        top, slash, _ = line.partition("/")
        if slash:
            yield top


def _lacking(extra: str) -> Iterator[str]:
    """Yields what the base install, or an extra, asks for and is not there or too old."""
    for line in metadata.requires(_NAME) or ():
        match = _REQUIREMENT.match(line)
        assert match is not None, "metadata holds requirements"
        name, bounds, marker = match[1], match[2], match[3] or ""
        of = _EXTRA.search(marker)
        if (of[1] if of else "") != extra:
            continue
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield name
            continue
        lowest = re.search(r">=\s*([0-9.]+)", bounds)
        if lowest and _numbers(version) < _numbers(lowest[1]):
            yield f"{name} {lowest[1]} ({version} is)"


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()
