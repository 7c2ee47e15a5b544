"""The dependencies that pyproject.toml declares against what the packages import."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PACKAGES = ("loopwright", "templates", "prep", "train", "evals", "loop")
# What the base install holds; each of its extras brings more, for which an import waits until it is needed.
BASE = ("loopwright", "templates", "prep")
# Not imported by us, and needed all the same; or part of what is declared.
NEEDED_BY_OTHERS = {"gguf": "transformers reads the embedded model's weights with it"}
PART_OF = {"pydantic-core": "pydantic", "spacy": "presidio-analyzer"}


@cache
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]  # type: ignore[no-any-return]


def declared(*extras: str) -> dict[str, Requirement]:
    """Returns the base dependencies and those of some extras, by name."""
    lines = [*project()["dependencies"], *(line for extra in extras for line in project()["optional-dependencies"][extra])]
    return {str(canonicalize_name(Requirement(line).name)): Requirement(line) for line in lines}


distributions = cache(packages_distributions)


@cache
def imports(package: str) -> list[tuple[str, str, bool]]:
    """Returns place, distribution and whether it is imported with the module, of each import of another project."""
    known = distributions()
    found = []
    for path in sorted((ROOT / package).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        at_start = {id(node) for node in tree.body}
        for node in ast.walk(tree):
            for name in imported(node):
                top = name.split(".")[0]
                if top not in {*PACKAGES, *sys.stdlib_module_names}:
                    distribution = str(canonicalize_name(known.get(top, [top])[0].replace("_", "-")))
                    found.append((f"{path.relative_to(ROOT)}: {name}", PART_OF.get(distribution, distribution), id(node) in at_start))
    return found


def imported(node: ast.AST) -> list[str]:
    """Returns the modules that a node of a program imports, by name or by a call."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [node.module or ""]
    if isinstance(node, ast.Call) and re.search(r"\b(?:import_module|find_spec)$", ast.unparse(node.func)) and node.args:
        argument = node.args[0]
        return [argument.value] if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else []
    return []


EXTRAS = tuple(sorted(set(project()["optional-dependencies"]) - {"dev"}))


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_imported_is_declared(package: str) -> None:
    may_wait = declared(*EXTRAS)
    at_once = declared() if package in BASE else declared("train")
    found = imports(package)
    assert found
    assert [place for place, name, _ in found if name not in may_wait] == []
    assert [place for place, name, at_start in found if at_start and name not in at_once] == []


def test_what_is_declared_is_imported() -> None:
    used = {name for package in PACKAGES for _, name, _ in imports(package)}
    assert set(declared(*EXTRAS)) - used == set(NEEDED_BY_OTHERS)


def test_what_is_declared_is_pinned_at_a_version_that_it_allows() -> None:
    pins = dict(line.split("==") for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").split() if "==" in line)
    pinned = {str(canonicalize_name(name)): version for name, version in pins.items()}
    # `make` leaves presidio out: it brings spaCy, and its names take a model that is fetched apart. And bitsandbytes, which wants a GPU.
    installed = declared(*set(EXTRAS) - {"pii", "qlora"}, "dev")
    wrong = [name for name, requirement in installed.items() if not requirement.specifier.contains(pinned.get(name, "0"), True)]
    assert wrong == []
