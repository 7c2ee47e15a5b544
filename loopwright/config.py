"""Files checked against pydantic models: an error names the file, the line, the key path, the value and the remedy."""

import re
from collections.abc import Collection, Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from loopwright.errors import UserError, did_you_mean, raise_all
from loopwright.faults import Fault, FaultKind, faults_of
from loopwright.files import numbered_json_lines, require_file

if TYPE_CHECKING:
    from pydantic import BaseModel

    Model = TypeVar("Model", bound=BaseModel)
else:
    Model = TypeVar("Model")

# Far above any real config, far below what an alias bomb expands to.
_MAX_NODES = 100_000
_MAX_VALUE_CHARACTERS = 60


class _Loader(yaml.SafeLoader):
    """Safe loading where keys are strings, and `yes`, `no`, `on` and `off` stay words, as they are labels in this field."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        self.flatten_mapping(node)
        mapping: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            mapping[key_node.value] = self.construct_object(value_node, deep=deep)
        return mapping


def _construct_map(loader: _Loader, node: yaml.MappingNode) -> Any:
    mapping: dict[Hashable, Any] = {}
    yield mapping
    mapping.update(loader.construct_mapping(node, deep=True))


# PyYAML reads YAML 1.1, where `no` is false and `2024-01-01` is a date. Here both are text; only true and false are booleans.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in {"tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp"}]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_constructor("tag:yaml.org,2002:map", _construct_map)


def parse_yaml(text: str, location: str, first_line: int = 1, tags: Collection[str] = ()) -> Any:
    """Parses one YAML document, safely: no object construction, bounded expansion, and no tags but those that are named.

    Args:
        text: the document.
        location: the file's name for messages.
        first_line: the line of the file on which the text begins.
        tags: tags, such as `!Template`, whose mappings are read as plain mappings.

    Raises:
        UserError: the text is not YAML.
    """
    try:
        constructors: dict[Any, Any] = {**_Loader.yaml_constructors, **dict.fromkeys(tags, _construct_map)}
        loader = type("_TaggedLoader", (_Loader,), {"yaml_constructors": constructors})(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _check_node(node, {})
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{location}:{mark.line + first_line}" if mark else location
        raise UserError(f"not valid YAML: {error.problem or error}", where, "Mend the syntax of that line.") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UserError(f"not valid YAML: {error}", location, "Mend its syntax.") from error


def _check_node(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Refuses keys that are no words or stand twice, and aliases that expand without bound; returns the node's expanded size.

    Loading shares what aliases repeat, so that a bomb loads at once; it would go off in whoever walks the result.

    Args:
        node: the node.
        sizes: expanded sizes by node; 0 while a node is being looked at.
    """
    if id(node) in sizes:
        if sizes[id(node)] == 0:
            raise yaml.constructor.ConstructorError(None, None, "an alias stands within what it names", node.start_mark)
        return sizes[id(node)]
    sizes[id(node)] = 0
    size, keys = 1, set()
    for child in node.value if isinstance(node, yaml.CollectionNode) else ():
        if isinstance(node, yaml.MappingNode):
            key, child = child  # noqa: PLW2901 (a mapping's children are pairs)
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a plain word", key.start_mark)
            if key.value in keys:
                raise yaml.constructor.ConstructorError(None, None, f"the key '{key.value}' stands twice", key.start_mark)
            keys.add(key.value)
        size += _check_node(child, sizes)
    if size > _MAX_NODES:
        raise yaml.constructor.ConstructorError(None, None, "the document expands to too many nodes", node.start_mark)
    sizes[id(node)] = size
    return size


def read_text(path: Path, kind: str = "file") -> str:
    """Reads a UTF-8 text file.

    Raises:
        UserError: it is missing, unreadable or not UTF-8.
    """
    require_file(path, kind)
    try:
        return path.read_bytes().decode("utf-8-sig")  # line ends as they are: a table's cells may hold any
    except FileNotFoundError as error:
        raise UserError(f"the {kind} does not exist", str(path), "Check the path.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"the {kind} is not UTF-8 (byte {error.start})", str(path), "Save it as UTF-8.") from error
    except OSError as error:
        raise UserError(f"cannot read the {kind}: {error.strerror}", str(path), "Check the path and its permissions.") from error


def load_config(path: Path, model: "type[Model]") -> "Model":
    """Reads and validates a YAML config.

    Raises:
        UserError: the file is missing or not YAML, or (one error each, together) keys that are unknown, missing or wrong.
    """
    text = read_text(path, "config")
    return validate(parse_yaml(text, str(path)), model, str(path), key_lines(text))


def load_section(path: Path | None, section: str, model: "type[Model]") -> "Model":
    """Reads one command's own section of a config file; without a file, or without the section, the model's defaults hold.

    Raises:
        UserError: the file is missing or not YAML, or the section is wrong.
    """
    if path is None:
        return model()
    data = parse_yaml(read_text(path, "config"), str(path))
    if not isinstance(data, dict):
        raise UserError("expected keys and values", str(path), "Start with 'name: ...'.")
    return validate(data.get(section) or {}, model, f"{path}: {section}")


def overlay(config: "Model", options: Mapping[str, Any], location: str) -> "Model":
    """Returns a config with command-line options laid over it.

    Args:
        config: a section of a config file, or the defaults.
        options: the options by name; one that is None was not given.
        location: what the options are called in messages.

    Raises:
        UserError: an option's value is not allowed.
    """
    given = {name: value for name, value in options.items() if value is not None}
    return validate({**config.model_dump(), **given}, type(config), location)


def validate(data: Any, model: "type[Model]", location: str, lines: dict[tuple[str, ...], int] | None = None) -> "Model":
    """Validates data against a pydantic model, turning its errors into ours.

    Args:
        data: what the file held.
        model: the pydantic model.
        location: the file's name for messages.
        lines: the line of each key path, where known.

    Raises:
        UserError: one for each thing that is wrong.
    """
    from pydantic import ValidationError

    if not isinstance(data, dict):
        raise UserError(
            f"expected keys and values, found {'nothing' if data is None else repr(data)[:_MAX_VALUE_CHARACTERS]}",
            location,
            f"Start with '{next(iter(model.model_fields))}: ...'.",
        )
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise_all([_explain(fault, model, location, lines or {}) for fault in faults_of(error, data)])
        raise AssertionError("a ValidationError has at least one error") from error


def load_lines(path: Path, model: "type[Model]", remedy: str) -> "list[Model]":
    """Reads a JSON Lines file of which each line is to be one pydantic model.

    Args:
        path: the file.
        model: the pydantic model.
        remedy: what to do about a line that is none.

    Raises:
        UserError: the file cannot be read, or (one error each, together) lines that do not fit the model.
    """
    from pydantic import ValidationError

    loaded: list[Model] = []
    errors: list[UserError] = []
    for number, row in numbered_json_lines(path):
        try:
            loaded.append(model.model_validate(row))
        except ValidationError as error:
            errors.append(_explain_line(faults_of(error, row)[0], model, f"{path}:{number}", remedy))
    raise_all(errors)
    return loaded


def _explain_line(fault: Fault, model: "type[BaseModel]", location: str, remedy: str) -> UserError:
    if not fault.path and fault.kind not in {FaultKind.UNKNOWN, FaultKind.MISSING}:
        return UserError(fault.words, location, remedy)  # what does not fit together is said without the line itself
    wrong = _explain(fault, model, location, {})
    return UserError(wrong.cause, wrong.location, f"{wrong.remedy} {remedy}")


def _explain(fault: Fault, model: "type[BaseModel]", location: str, lines: dict[tuple[str, ...], int]) -> UserError:
    path = fault.path
    line = next((lines[path[:length]] for length in range(len(path), 0, -1) if path[:length] in lines), None)
    where = f"{location}:{line}" if line else location
    if fault.kind is FaultKind.UNKNOWN:
        return UserError(f"unknown key '{fault.key}'", where, did_you_mean(path[-1], _keys_at(model, path[:-1])))
    if fault.kind is FaultKind.MISSING:
        return UserError(f"the key '{fault.key}' is missing", where, f"Add '{path[-1]}:'.")
    value = repr(fault.given)
    shown = value if len(value) <= _MAX_VALUE_CHARACTERS else value[:_MAX_VALUE_CHARACTERS] + "..."
    return UserError(f"'{fault.key}' is {shown}", where, f"{fault.words}.")


def _keys_at(model: "type[BaseModel]", path: tuple[str, ...]) -> list[str]:
    """Returns the keys that the model allows at a key path, walking through lists and optionals."""
    import typing

    from pydantic import BaseModel

    current: type[BaseModel] = model
    for part in path:
        field = current.model_fields.get(part)
        if field is None:
            continue  # a list index or a union tag
        pending: list[Any] = [field.annotation]
        while pending:
            annotation = pending.pop()
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                current = annotation
                break
            pending.extend(typing.get_args(annotation))
    return [field.alias or name for name, field in current.model_fields.items()]


def key_lines(text: str, first_line: int = 1) -> dict[tuple[str, ...], int]:
    """Maps each key path of a document to its line in the file.

    Args:
        text: the document, which has been parsed and is YAML.
        first_line: the line of the file on which it begins.
    """
    lines: dict[tuple[str, ...], int] = {}

    def walk(node: yaml.Node | None, path: tuple[str, ...], depth: int) -> None:
        if depth > 20:  # aliases can make a node contain itself
            return
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                child = (*path, str(key.value))
                lines[child] = key.start_mark.line + first_line
                walk(value, child, depth + 1)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                lines[(*path, str(index))] = value.start_mark.line + first_line
                walk(value, (*path, str(index)), depth + 1)

    walk(yaml.compose(text, Loader=_Loader), (), 0)
    return lines
