"""A rule's page, from its docstring, for the terminal and for the generated reference."""

import inspect

from prep.lint.base.rule import RULES, Need, Rule

_NEEDS = {
    Need.TOKENS: "a tokenizer: --model, or `model:` in the config",
    Need.MODEL_SCORES: "model scores: --model-scores",
    Need.TRAINING_LEDGER: "a training ledger: --training-ledger",
}
HEADINGS = ("What it does", "Why is this bad", "Example", "Fix safety")


def rule_summary(rule: type[Rule]) -> str:
    """Returns the first line of a rule's documentation."""
    return _docstring(rule).partition("\n")[0]


def rule_sections(rule: type[Rule]) -> dict[str, str]:
    """Returns a rule's documentation by heading, in order."""
    sections: dict[str, str] = {}
    for block in _docstring(rule).split("\n## ")[1:]:
        heading, _, body = block.partition("\n")
        sections[heading.strip()] = body.strip()
    return sections


def rule_page(rule: type[Rule]) -> str:
    """Returns a rule's page as Markdown: name, severity, the four headings, thresholds with their sources."""
    parts = [f"# {rule.code} {rule.name}", f"{rule_summary(rule)}\n\nSeverity: {rule.severity.value}. {rule_reach(rule)}"]
    parts += [f"## {heading}\n{body}" for heading, body in rule_sections(rule).items()]
    parts.append(f"## Remedy\n{rule.remedy}")
    if rule.thresholds:
        lines = [f"- `{rule.code}.{one.name}` = {one.default:g}: {one.source}" for one in rule.thresholds]
        parts.append("## Thresholds\nOverride under `lint: {thresholds: {...}}` in the config.\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


def list_rules() -> str:
    """Returns one line a rule: code, name, severity, summary."""
    rules = RULES.entries.values()
    width = max(len(rule.name) for rule in rules)
    return "\n".join(f"{rule.code}  {rule.name:{width}}  {rule.severity.value:7}  {rule_summary(rule)}" for rule in rules)


def rule_reach(rule: type[Rule]) -> str:
    """Returns what a rule needs beyond the rows, as a sentence."""
    needs = [_NEEDS[need] for need in rule.needs if need in _NEEDS]
    return f"Needs {' and '.join(needs)}." if needs else "Needs only the rows."


def _docstring(rule: type[Rule]) -> str:
    return inspect.cleandoc(rule.__doc__ or "")
