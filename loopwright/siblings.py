"""Guards the project's package names, which are common words: a person's own train.py or templates folder may hide one of them."""

import sys
from importlib.util import find_spec
from pathlib import Path

from loopwright.errors import UserError

_ROOT = Path(__file__).resolve().parent.parent


def require_siblings(*names: str) -> None:
    """Makes sure that the packages that one of ours builds on are ours; called when that one is imported, before anything deep fails.

    Args:
        names: top-level packages of this distribution.

    Raises:
        UserError: another module of that name comes first on the import path.
    """
    for name in names:
        if (hidden_by := _stranger(name)) is not None:
            raise UserError(
                f"this {'folder' if hidden_by.is_dir() else 'file'} hides Loopwright's package '{name}'",
                str(hidden_by),
                "See whose it is: loopwright doctor" if _is_installed(hidden_by) else "Rename it, or start Python in another folder.",
            )


def _is_installed(path: Path) -> bool:
    """Says whether a package manager has put something there, such as another project's package of the same name."""
    return not {"site-packages", "dist-packages"}.isdisjoint(path.parts)


def _stranger(name: str) -> Path | None:
    """Returns what Python imports under a name instead of our package."""
    expected = _ROOT / name / "__init__.py"
    if (module := sys.modules.get(name)) is not None:
        origin, places = getattr(module, "__file__", None), getattr(module, "__path__", ())
    else:
        spec = find_spec(name)
        if spec is None:
            return None  # the import itself says that it is missing
        origin, places = spec.origin, spec.submodule_search_locations or ()
    found = Path(origin) if origin else next((Path(place) for place in places), None)
    return None if found is None or found.resolve() == expected else found
