"""What is refused when a template is loaded, before any row is rendered."""

import json
from typing import TYPE_CHECKING

from jinja2 import meta, nodes

from loopwright.errors import UserError, did_you_mean
from templates.attributes import check_attributes
from templates.json_schema import compiled_schema
from templates.syntax import tag_of
from templates.values import EMPTY

if TYPE_CHECKING:
    from templates.template import Template


def check_template(template: "Template") -> None:
    """Refuses a template that could not render any row, or whose rows would not be what they look like.

    Raises:
        UserError: it is one; the message gives its file and line.
    """
    _check_header(template)
    _check_words(template)
    _check_names(template)
    template.compile()
    _check_inputs(template)
    if not template.forms:
        raise UserError(
            "the template gives nothing: it has no message, prompt, cloze, text or chosen tag",
            template.location,
            'Write, for example: {% message "user" %}{{ text }}{% endmessage %}',
        )
    _check_structure(template)
    _check_pairs(template)
    _check_wanted(template)
    _check_mask(template)
    _check_shots(template)
    _check_verbalize(template)
    check_attributes(template)


def with_descendants(node: nodes.Node) -> list[nodes.Node]:
    """Returns a node and all below it."""
    return [node, *node.find_all(nodes.Node)]


def _check_header(template: "Template") -> None:
    header = template.header
    for name in header.optional:
        if name not in header.inputs:
            raise UserError(f"'optional' names '{name}', which is no input", template.location, did_you_mean(name, list(header.inputs)))
        if header.inputs[name] not in EMPTY:
            cause = f"the optional input '{name}' is of type {header.inputs[name]}, which has no empty value"
            raise UserError(cause, template.location, f"Optional inputs are of type {', '.join(EMPTY)}.")
    if header.answer_schema and isinstance(problem := compiled_schema(json.dumps(header.answer_schema, default=str)), str):
        raise UserError(f"'answer_schema' is no JSON Schema that stands by itself: {problem}", template.location, "Correct it.")
    for name, used in (("shots", bool(header.shots)), ("mask", "cloze" in template.tags)):
        if used and name in header.inputs:
            raise UserError(f"an input is called '{name}', which is a variable of the template's own", template.location, "Rename it.")


def _check_words(template: "Template") -> None:
    """Refuses words that could not be told apart: an answer would say two labels."""
    said: dict[str, str] = {}
    for key, words in template.words.items():
        for word in words:
            if not word.strip():
                raise UserError(f"the label '{key}' has an empty word", f"{template.location}: verbalizer", "Give it a word.")
            if word in said:
                whose = f"of '{said[word]}' and of '{key}'" if said[word] != key else f"of '{key}' twice"
                raise UserError(f"the word '{word}' is a word {whose}", f"{template.location}: verbalizer", "Give each its own.")
            said[word] = key
        if not words:
            raise UserError(f"the label '{key}' has no word", f"{template.location}: verbalizer", "Give it one.")


def _check_names(template: "Template") -> None:
    """Refuses names of filters and tests that are not there; within a condition Jinja would find out only when it is met."""
    environment = template.environment
    for node in template.tree.find_all((nodes.Filter, nodes.Test)):
        kind, known = ("filter", environment.filters) if isinstance(node, nodes.Filter) else ("test", environment.tests)
        if node.name not in known:
            named = [name for name in known if name.isidentifier()]
            raise UserError(f"there is no {kind} '{node.name}'", template.at(node.lineno), did_you_mean(node.name, named))


def _check_inputs(template: "Template") -> None:
    """Refuses names that `inputs` does not declare."""
    known = {*template.header.inputs, *template.implicit_names, *template.environment.globals}
    undeclared = meta.find_undeclared_variables(template.tree) - known
    if undeclared:
        name = min(undeclared)
        used = [node.lineno for node in template.tree.find_all(nodes.Name) if node.name == name]
        remedy = f"{did_you_mean(name, list(template.header.inputs))} Or declare it: inputs: {{{name}: str}}."
        if name == "shots":
            remedy = "Say how many demonstrations there are: shots: 4"
        raise UserError(
            f"the template uses '{name}', which 'inputs' does not declare", template.at(min(used)) if used else template.location, remedy
        )


def _check_structure(template: "Template") -> None:
    """Refuses a tag within a tag, whose place among the messages would not be what it looks like, and text outside of all tags."""
    for kind, _, block in template.blocks:
        for inner in (inner for node in block.body for inner in with_descendants(node)):
            if isinstance(inner, nodes.CallBlock) and tag_of(inner) is not None:
                raise UserError(f"a tag stands within '{kind}'", template.at(inner.lineno), f"Close it first: {{% end{kind} %}}.")
    for node in template.tree.body:
        for child in node.nodes if isinstance(node, nodes.Output) else ():
            if isinstance(child, nodes.TemplateData) and child.data.strip():
                text = child.data.lstrip()
                line = child.lineno + child.data[: -len(text)].count("\n")
                cause = f"text stands outside of any tag: {text.splitlines()[0][:40]!r}"
                raise UserError(cause, template.at(line), "Move it into a tag or remove it.")


def _check_pairs(template: "Template") -> None:
    tags = template.tags
    for one, other in (("prompt", "target"), ("cloze", "target"), ("chosen", "rejected"), ("rejected", "chosen")):
        if one in tags and other not in tags:
            raise UserError(f"the template has '{one}' without '{other}'", template.location, f"Add {{% {other} %}}...{{% end{other} %}}.")
    if "target" in tags and not {"prompt", "cloze"} & tags:
        raise UserError("the template has 'target' without 'prompt'", template.location, "Add {% prompt %}...{% endprompt %}.")
    if {"prompt", "cloze"} <= tags:
        raise UserError("the template has both 'prompt' and 'cloze'", template.location, "Write them as two templates.")
    if "tools" in tags and "message" not in tags:
        raise UserError("the template has 'tools' without 'message'", template.location, "Tools belong to a chat.")


def _check_wanted(template: "Template") -> None:
    """Refuses a judgement of an answer that is not there, or that would be there twice."""
    name, inputs = template.header.wanted, template.header.inputs
    if not name:
        return
    if name not in inputs:
        raise UserError(f"'wanted' names '{name}', which is no input", template.location, did_you_mean(name, list(inputs)))
    if inputs[name] != "bool":
        remedy = f"Declare it: inputs: {{{name}: bool}}."
        raise UserError(f"'wanted' names '{name}', which is of type {inputs[name]}", template.location, remedy)
    if "message" not in template.tags:
        remedy = 'End on the answer: {% message "assistant" %}{{ answer }}{% endmessage %}.'
        raise UserError("the template has 'wanted' without 'message'", template.location, remedy)
    if "chosen" in template.tags:
        raise UserError("the template has both 'wanted' and 'chosen'", template.location, "Write them as two templates.")


def _check_mask(template: "Template") -> None:
    """Refuses a cloze without its mask, and a mask elsewhere."""
    if "cloze" not in template.tags:
        return
    inside = {id(node) for kind, _, block in template.blocks if kind == "cloze" for body in block.body for node in with_descendants(body)}
    masks = [node for node in template.tree.find_all(nodes.Name) if node.name == "mask" and node.ctx == "load"]
    if not any(id(node) in inside for node in masks):
        raise UserError("the cloze has no mask", template.location, "Write {{ mask }} where the word belongs.")
    for node in masks:
        if id(node) not in inside:
            raise UserError("'mask' stands outside of the cloze", template.at(node.lineno), "Move it into {% cloze %}...{% endcloze %}.")


def _check_shots(template: "Template") -> None:
    """Refuses demonstrations that are declared and not shown, and tags in macros, which would hide what is a demonstration."""
    if not template.shots:
        return
    if not any(node.name == "shots" for node in template.tree.find_all(nodes.Name)):
        raise UserError(
            f"the template declares {template.shots} shots and shows none",
            template.location,
            "Write: {% for shot in shots %}...{% endfor %}",
        )
    for macro in template.tree.find_all(nodes.Macro):
        if any(tag_of(block) is not None for block in macro.find_all(nodes.CallBlock)):
            raise UserError("a tag stands in a macro of a template with shots", template.at(macro.lineno), "Write it out instead.")


def _check_verbalize(template: "Template") -> None:
    """Refuses `verbalize` on anything but a name: what it turns into a word must be the label that lint and evaluation see."""
    for node in template.tree.find_all(nodes.Filter):
        if node.name != "verbalize":
            continue
        if not template.header.verbalizer:
            remedy = "Add 'verbalizer: {key: word}' to it."
            raise UserError("the template uses 'verbalize' but declares no verbalizer", template.at(node.lineno), remedy)
        if not isinstance(node.node, nodes.Name) and not _is_label_of_shot(template, node.node):
            remedy = "Map raw values to the verbalizer's keys under 'labels' in the config instead."
            raise UserError("'verbalize' stands after something that is no plain input", template.at(node.lineno), remedy)


def _is_label_of_shot(template: "Template", node: nodes.Node | None) -> bool:
    if not isinstance(node, nodes.Getattr) or not isinstance(node.node, nodes.Name):
        return False
    variables = {loop.target.name for loop in template.shot_loops if isinstance(loop.target, nodes.Name)}
    return node.node.name in variables and node.attr == template.label_field
