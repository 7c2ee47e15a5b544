"""Writes the reference pages under docs/reference/ from the code: commands, config keys, rules, templates, sources, targets,
metrics, systems, library calls.

`--check` writes nothing and fails where a page is out of date.
"""

import ast
import inspect
import itertools
import math
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

REFERENCE_DIR = Path(__file__).parent / "reference"
_HEAD = "<!-- Written by docs/generate.py from the code; edit the code. -->\n\n"


def commands_page() -> str:
    """Returns the page of all commands and their options."""
    import typer

    import evals.cli
    import loop.cli
    import loopwright.cli
    import prep.cli.app
    import train.cli.app

    page = [
        "# Commands",
        "",
        "Progress and what a command did go to stderr; what was asked for goes to stdout. Exit codes: 0 fine, 1 findings or a failed gate,",
    ]
    page[-1] += " 2 could not run, 130 interrupted. [Commands](../commands.md) says what all of them share."
    programs = {
        "prep": prep.cli.app.app,
        "train": train.cli.app.app,
        "evals": evals.cli.app,
        "loop": loop.cli.app,
        "loopwright": loopwright.cli.app,
    }
    for name, app in programs.items():
        for path, command in _leaves(typer.main.get_command(app), name):
            page += ["", f"## {path}", "", command.help or "", "", "| option | what it does | default |", "|---|---|---|"]
            for parameter in command.params:
                if parameter.name == "help":
                    continue
                names = (
                    ", ".join(f"`{one}`" for one in parameter.opts)
                    if parameter.param_type_name == "option"
                    else f"`{parameter.name.upper()}`"
                )
                default = "" if parameter.default in (None, False, (), "") or parameter.required else f"`{parameter.default}`"
                page.append(f"| {names} | {_cell(getattr(parameter, 'help', None) or '')} | {default} |")
    return "\n".join(page) + "\n"


def config_page() -> str:
    """Returns the page of all config keys."""
    from evals.config import EvalsConfig
    from loop.config import LoopConfig
    from prep.config import BuildConfig
    from train.config import MixtureConfig, StageConfig, SweepConfig, TrainConfig
    from train.policy.config import RlhfConfig

    page = [
        "# The config file",
        "",
        "One YAML file; each command reads its own part. Unknown keys are refused. Paths are relative to the file.",
    ]
    for title, model in (
        ("Top level", BuildConfig),
        ("train", TrainConfig),
        ("mixture", MixtureConfig),
        ("stages[]", StageConfig),
        ("sweep", SweepConfig),
        ("rlhf", RlhfConfig),
        ("evals", EvalsConfig),
        ("loop", LoopConfig),
    ):
        page += ["", f"## {title}", ""]
        page += _model_table(model, "")
    return "\n".join(page) + "\n"


def rules_page() -> str:
    """Returns the index of all lint rules, each with a link to its page."""
    from prep.lint.base.rule import RULES

    rules = RULES.entries.values()
    page = [
        "# Lint rules",
        "",
        f"{len(RULES.entries)} rules, one page each. `prep rule CODE` prints a page in the terminal.",
        "",
        "| code | name | severity | finds |",
        "|---|---|---|---|",
    ]
    for rule in rules:
        first = (inspect.getdoc(rule) or "").split("\n", 1)[0]
        page.append(f"| [{rule.code}](rules/{rule.code}.md) | {rule.name} | {rule.severity} | {_cell(first)} |")
    return "\n".join(page) + "\n"


def rule_pages() -> dict[str, str]:
    """Returns the page of each lint rule, by the page's name: the rule's docstring, its remedy and its thresholds."""
    from prep.lint.base.documentation import rule_reach, rule_sections, rule_summary
    from prep.lint.base.rule import RULES

    pages = {}
    for rule in RULES.entries.values():
        page = [f"# {rule.code} {rule.name}", "", rule_summary(rule), "", f"Severity: {rule.severity}. {rule_reach(rule)}"]
        for heading, text in rule_sections(rule).items():
            page += ["", f"## {heading}", "", text]
        page += ["", "## Remedy", "", rule.remedy]
        if rule.thresholds:
            page += ["", "## Thresholds", "", "Override under `lint: {thresholds: {...}}` in the config.", ""]
            page += ["| name | default | where it comes from |", "|---|---|---|"]
            page += [f"| `{rule.code}.{one.name}` | {one.default:g} | {_cell(one.source)} |" for one in rule.thresholds]
        page += ["", "[All rules](../rules.md)"]
        pages[f"rules/{rule.code}"] = "\n".join(page) + "\n"
    return pages


def templates_page() -> str:
    """Returns the page of all library templates."""
    from templates.library import library_template, template_names

    page = ["# Templates", "", "| name | forms | inputs | what it does |", "|---|---|---|---|"]
    for template in map(library_template, template_names()):
        inputs = ", ".join(f"`{name}`" for name in template.header.inputs)
        page.append(f"| `{template.name}` | {', '.join(template.forms)} | {inputs} | {_cell(template.header.description)} |")
    return "\n".join(page) + "\n"


def sources_page() -> str:
    """Returns the page of all source formats."""
    from prep.sources.files import SOURCE_FORMATS, Shape
    from prep.sources.shapes.base import RecordShape

    page = ["# Source formats", "", "`format:` of a source. [Sources](../sources.md) says how a file's own is told, and what is not read."]
    for title, wants_shape in (("Files", False), ("Shapes of records", True)):
        page += ["", f"## {title}"]
        for name, source in SOURCE_FORMATS.entries.items():
            if issubclass(source, Shape) != wants_shape:
                continue
            page += ["", f"### {name}", "", inspect.getdoc(source) or ""]
            facts = {"endings": source.suffixes, "keys of its own": sorted(source.options)}
            if issubclass(source, RecordShape):
                facts |= {"reads": source.reads, "adds": source.makes}
            page += _facts(facts)
    return "\n".join(page) + "\n"


def targets_page() -> str:
    """Returns the page of all export targets."""
    from prep.targets.profile import PROFILES

    page = ["# Export targets", "", "`--target` of `prep export` and `prep validate`. [Exports](../exports.md) says how they are used."]
    for name, profile in PROFILES.entries.items():
        page += ["", f"## {name}", "", f"{profile.title}. {inspect.getdoc(profile) or ''}"]
        size = "any size" if profile.max_bytes is None else f"files of at most {profile.max_bytes >> 20} MiB"
        page += ["", f"A training file needs {profile.min_rows} row{'s' if profile.min_rows > 1 else ''} or more; {size}."]
        facts = {
            "forms": profile.forms,
            "beside the files": profile.beside,
            "rows that break these are left out": sorted(profile.left_out_rules),
        }
        page += _facts(facts)
    return "\n".join(page) + "\n"


def validation_page() -> str:
    """Returns the page of all rules that training files are held to."""
    from prep.targets.checks.rules import RULES

    page = ["# Validation rules", "", f"{len(RULES)} rules of `prep validate` and `prep export`. Each target takes those that are its own."]
    page += ["", "| rule | what it asks for |", "|---|---|"]
    page += [f"| `{name}` | {_cell(text)} |" for name, text in RULES.items()]
    return "\n".join(page) + "\n"


def metrics_page() -> str:
    """Returns the page of all metrics."""
    from evals.metrics.base import METRICS

    better = {True: "higher", False: "lower", None: "neither"}
    page = ["# Metrics", "", "| id | what it is | range | better |", "|---|---|---|---|"]
    for name, metric in METRICS.entries.items():
        first = (inspect.getdoc(metric) or "").split("\n\n", 1)[0].replace("\n", " ")
        page.append(f"| `{name}` | {_cell(first)} | {_range(metric.value_range)} | {better[metric.higher_is_better]} |")
    for name, metric in METRICS.entries.items():
        tasks = ", ".join(f"`{task}`" for task in sorted(metric.tasks))
        page += ["", f"## {name}", "", inspect.getdoc(metric) or "", "", f"- range: {_range(metric.value_range)}"]
        reads = ", ".join(f"`{path}`" for path in metric.reads)
        page += [f"- better: {better[metric.higher_is_better]}", f"- of: {tasks}", f"- reads: {reads}"]
    return "\n".join(page) + "\n"


def _range(ends: tuple[float, float] | None) -> str:
    """Returns the lowest and highest value in words."""
    return "not said" if ends is None else " to ".join("no end" if math.isinf(end) else f"{end:g}" for end in ends)


def systems_page() -> str:
    """Returns the page of how systems under test are named, which there are, and what each is compared as."""
    from evals.data.role import Role
    from evals.systems.base import SYSTEMS, known_forms
    from evals.systems.spec import SystemSpec

    built = {form.text for system in SYSTEMS.entries.values() for form in system.forms}
    page = ["# Systems", "", (inspect.getdoc(SystemSpec) or "").split("\n\nAttributes:")[0]]
    page += ["", "| name | what it is | role | there is code |", "|---|---|---|---|"]
    page += [
        f"| `{form.text}` | {_cell(form.description)} | {form.role} | {'yes' if form.text in built else 'not yet'} |"
        for form in known_forms()
    ]
    page += ["", "A name with a `+` has the role `other`. Roles stand in `predictions.parquet` and `report.json`:"]
    page += ["", "| role | part in the comparison |", "|---|---|", *(f"| `{role}` | {role.part} |" for role in Role)]
    for name, system in SYSTEMS.entries.items():
        page += ["", f"## {name}", "", inspect.getdoc(system) or ""]
        page += _facts({"names": [form.text for form in system.forms], "answers": sorted(system.tasks)})
    return "\n".join(page) + "\n"


def python_page() -> str:
    """Returns the page of the library calls and of what they give back."""
    from importlib import import_module

    page = [
        "# Python",
        "",
        "What the commands do, in one call each. Paths are `str` or `Path`; a mistake is a `loopwright.errors.UserError`;",
    ]
    page[-1] += " nothing is shown but the progress that was asked for. [A notebook](../notebook.md) shows them at work."
    for package in map(import_module, ("prep", "train", "evals", "loop")):
        page += ["", f"## {package.__name__}"]
        members = {name: getattr(package, name) for name in package.__all__}
        for name, member in sorted(members.items(), key=lambda one: (inspect.isclass(one[1]), one[0])):
            page += ["", f"### {package.__name__}.{name}", ""]
            if not inspect.isclass(member):
                page += ["```python", f"{package.__name__}.{_signature(member)}", "```", ""]
            page += _docstring(member)
            if not inspect.isclass(member) or hasattr(member, "model_fields"):
                continue
            for method, function in vars(member).items():
                if not method.startswith("_") and inspect.isfunction(function):
                    first = (inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " ")
                    page.append(f"- `.{_signature(function)}`: {first}")
    return "\n".join(page) + "\n"


def _signature(function: Any) -> str:
    """Returns a function's name and parameters, as its source has them."""
    node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(node, ast.FunctionDef)
    node.args.args = [argument for argument in node.args.args if argument.arg != "self"]
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({ast.unparse(node.args)}){returns}".replace("'ConfigLike'", "ConfigLike").replace("-> '", "-> ").removesuffix("'")


def _docstring(member: Any) -> list[str]:
    """Returns a docstring as Markdown: what stands in its sections becomes lists."""
    lines: list[str] = []
    in_section = False
    for line in (inspect.getdoc(member) or "").splitlines():
        if line in {"Args:", "Attributes:", "Raises:", "Returns:"}:
            in_section = True
            lines += [f"{line}", ""]
        elif in_section and line.startswith("    ") and not line.startswith("     "):
            name, _, text = line.strip().partition(": ")
            lines.append(f"- `{name}`: {text}")
        elif in_section and line.startswith("     "):
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line)
    return [*lines, ""]


def _facts(facts: Mapping[str, Iterable[str]]) -> list[str]:
    """Returns a list of what there is; what there is none of is left out."""
    lines = [f"- {name}: {', '.join(f'`{value}`' for value in values)}" for name, values in facts.items() if values]
    return ["", *lines] if lines else []


def _leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yields every command that does something, with its path."""
    subcommands = getattr(command, "commands", None)
    if not subcommands:
        yield path, command
        return
    if getattr(command, "invoke_without_command", False):
        yield path, command
    for name in command.list_commands(None):
        if name in subcommands:  # and not handed over to another program
            yield from _leaves(subcommands[name], f"{path} {name}")


def _model_table(model: "type[BaseModel]", prefix: str) -> list[str]:
    lines = ["| key | what it says | default |", "|---|---|---|"] if not prefix else []
    for name, text in _attribute_docs(model).items():
        field = model.model_fields[name]
        default = "required" if field.is_required() else f"`{_short(field.get_default(call_default_factory=True))}`"
        nested = _nested_model(field.annotation)
        lines.append(f"| `{prefix}{name}` | {_cell(text)} | {'' if nested else default} |")
        if nested:
            dotted = f"{prefix}{name}." if nested[1] is None else f"{prefix}{name}[]."
            lines += _model_table(nested[0], dotted)
    return lines


def _nested_model(annotation: Any) -> "tuple[type[BaseModel], type | None] | None":
    import types
    import typing

    from pydantic import BaseModel

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, None
    if (
        typing.get_origin(annotation) is types.UnionType
        and len(typing.get_args(annotation)) == 2
        and types.NoneType in typing.get_args(annotation)
    ):
        return next((_nested_model(one) for one in typing.get_args(annotation) if one is not types.NoneType), None)
    for argument in typing.get_args(annotation):
        if isinstance(argument, type) and issubclass(argument, BaseModel):
            return argument, tuple
    return None


def _attribute_docs(model: "type[BaseModel]") -> dict[str, str]:
    """Returns the string that stands below each field in the class's source."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(model)))
    assert isinstance(tree.body[0], ast.ClassDef)
    body = tree.body[0].body
    docs = {}
    for statement, below in itertools.pairwise(body):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            is_text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
            assert is_text, f"{model.__name__}.{statement.target.id} has no documentation below it"
            docs[statement.target.id] = " ".join(str(below.value.value).split())  # type: ignore[attr-defined]
    return docs


def _short(value: Any) -> str:
    from pydantic import BaseModel

    if isinstance(value, BaseModel):
        return "..."
    return "none" if value in (None, (), {}, "") else str(value)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Writes or checks the pages."""
    pages = {
        "commands": commands_page,
        "config": config_page,
        "rules": rules_page,
        "templates": templates_page,
        "sources": sources_page,
        "targets": targets_page,
        "validation": validation_page,
        "metrics": metrics_page,
        "systems": systems_page,
        "python": python_page,
    }
    wanted = {
        REFERENCE_DIR / f"{name}.md": _HEAD + text for name, text in ({name: make() for name, make in pages.items()} | rule_pages()).items()
    }
    here = {path: path.read_text(encoding="utf-8") for path in (*wanted, *REFERENCE_DIR.glob("rules/*.md")) if path.is_file()}
    differing = sorted(path for path in wanted.keys() | here.keys() if wanted.get(path) != here.get(path))
    stale = []
    for path in differing:
        if "--check" in sys.argv:
            stale.append(path.relative_to(REFERENCE_DIR.parent.parent).as_posix())
        elif path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
        else:  # the page of what is gone
            path.unlink()
    if stale:
        sys.exit(f"out of date: {', '.join(stale)}. Run: make docs")


if __name__ == "__main__":
    main()
