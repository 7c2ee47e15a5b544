"""How a system under test is named, in one grammar for the command line, configs and reports, and what it is compared as."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from evals.data.role import Role
from loopwright.errors import UserError, did_you_mean

_LOCATION = "systems"
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')
# What would begin another part, were it not quoted: any word and colon, for an own system may bring a kind of any name.
_LOOKS_LIKE_A_PART = re.compile(r'\+\s*(?:"|[\w-]+:)')
# What may stand in the place of some placeholders; for any other, every text that is not empty.
_ARGUMENTS = {"K": re.compile(r"[1-9][0-9]*"), "URL#MODEL": re.compile(r"https?://\S+#[^#\s]+")}
_ANY = re.compile(r"(?s:.+)")


@dataclass(frozen=True, slots=True)
class SystemForm:
    """One way to name a kind of system.

    Attributes:
        text: the name, with capitals in the place of its argument, such as `adapter:RUN`.
        role: what such a system is compared as.
        description: what it is, in one clause.
    """

    text: str
    role: Role
    description: str

    @property
    def kind(self) -> str:
        """What stands before the colon."""
        return self.text.partition(":")[0]

    def takes(self, argument: str) -> bool:
        """Says whether this text can be the argument; an empty one is none."""
        placeholder = self.text.partition(":")[2]
        if not placeholder:
            return not argument
        return _ARGUMENTS.get(placeholder, _ANY).fullmatch(argument) is not None


FORMS: Mapping[str, SystemForm] = {
    form.text: form
    for form in (
        SystemForm("base", Role.BASE, "the base model, every adapter switched off"),
        SystemForm("base:MODEL", Role.OTHER, "another base model: a known name, a folder or a hub name"),
        SystemForm("adapter", Role.TUNED, "the run that `--adapter` or `adapter:` gives; nothing where none is given"),
        SystemForm("adapter:RUN", Role.TUNED, "the model of a run folder, whatever its method"),
        SystemForm("fewshot:K", Role.OTHER, "the base model with K demonstrations from the train split"),
        SystemForm("rag:K", Role.OTHER, "the base model with K passages of the corpus that the config's `evals: corpus:` names"),
        SystemForm("endpoint:URL#MODEL", Role.OTHER, "a model of a server that speaks OpenAI's protocol"),
        SystemForm("nearest", Role.BASELINE, "the answer of the nearest train example"),
        SystemForm("constant", Role.BASELINE, "the most frequent label of the train split"),
        SystemForm("linear", Role.BASELINE, "logistic regression on TF-IDF"),
    )
}
ADDED_KINDS = ("fewshot", "rag")
"""What can stand after a `+`."""


@dataclass(frozen=True, slots=True)
class SystemSpec:
    """A system as asked for. Its text is its name in reports.

    ```
    systems = system { "," system }         as --systems takes them; a config has a list
    system  = part { "+" part }             a part after a "+" is fewshot:K or rag:K: demonstrations or passages added to the first
    part    = kind [ ":" argument ]         all up to the next part or comma belongs to the argument
            | '"' kind [ ":" argument ] '"' as it stands; a quote inside is written twice
    ```

    A `+` begins another part only where a known kind and a colon, or a quote, follow it. So `adapter:runs/a+b`, `adapter:C:\\runs\\a #2`
    and `adapter:my run` are one part each, `adapter:runs/a+rag:4` is two, and `"adapter:runs/a+rag:4"` is the run of that name.
    Blanks around an argument and a quote at its beginning need quotes, and in `--systems` a comma does.

    Attributes:
        kind: of system, such as `adapter`.
        argument: what stands after the kind's colon; empty where nothing does.
        added: the parts after the first.
    """

    kind: str
    argument: str = ""
    added: tuple["SystemSpec", ...] = ()

    @classmethod
    def parse(cls, text: str, forms: Iterable[SystemForm] = FORMS.values()) -> "SystemSpec":
        """Reads one system.

        Args:
            text: its name.
            forms: all that can be named.

        Raises:
            UserError: it is not a name of the grammar.
        """
        by_kind: dict[str, list[SystemForm]] = {}
        for form in forms:
            by_kind.setdefault(form.kind, []).append(form)
        first, *added = (_parse_part(part, quoted, by_kind) for part, quoted in _split_parts(text, by_kind))
        for part in added:
            if part.kind not in ADDED_KINDS:
                added_forms = " or ".join(f"{kind}:K" for kind in ADDED_KINDS)
                remedy = f"After a '+' only {added_forms} can follow. Put a part that holds the '+' itself in quotes."
                raise UserError(f"'{part}' cannot be added to another system", _LOCATION, remedy)
        return replace(first, added=tuple(added))

    def __str__(self) -> str:
        return "+".join(part._quoted() for part in (self, *self.added))

    def _quoted(self) -> str:
        text = f"{self.kind}:{self.argument}" if self.argument else self.kind
        argument = self.argument
        if argument == argument.strip() and not argument.startswith('"') and not _LOOKS_LIKE_A_PART.search(argument):
            return text
        return '"' + text.replace('"', '""') + '"'


def split_names(text: str) -> list[str]:
    """Returns the names of a comma-separated list. A comma within a quoted part does not end a name.

    Raises:
        UserError: a quote is not closed.
    """
    names, start, index = [], 0, 0
    at_part = True
    while index < len(text):
        if at_part and text[index] == '"':
            index += len(_match_quoted(text[index:])[0])
            at_part = False
            continue
        if text[index] == ",":
            names.append(text[start:index])
            start = index + 1
        at_part = text[index] in ",+" or (at_part and text[index].isspace())
        index += 1
    names.append(text[start:])
    return [name.strip() for name in names if name.strip()]


def _split_parts(text: str, kinds: Iterable[str]) -> list[tuple[str, bool]]:
    """Returns the parts of a name without their quotes, and which of them had any."""
    joint = re.compile(rf'\+\s*(?="|(?:{"|".join(map(re.escape, kinds))}):)')
    parts: list[tuple[str, bool]] = []
    rest = text.strip()
    while True:
        is_quoted = rest.startswith('"')
        if is_quoted:
            match = _match_quoted(rest)
            part, rest = match[1].replace('""', '"'), rest[match.end() :].lstrip()
            if rest and not rest.startswith("+"):
                raise UserError(f"'{text}' goes on after the closing quote", _LOCATION, "Put the whole part in quotes.")
            joined = re.match(r"\+\s*", rest)
        else:
            joined = joint.search(rest)
            part = rest[: joined.start()].rstrip() if joined else rest
        parts.append((part, is_quoted))
        if joined is None:
            return parts
        rest = rest[joined.end() :]


def _match_quoted(text: str) -> re.Match[str]:
    match = _QUOTED.match(text)
    if match is None:
        raise UserError(f"a quote is not closed: {text}", _LOCATION, "Close it; a quote within quotes is written twice.")
    return match


def _parse_part(text: str, is_quoted: bool, by_kind: Mapping[str, list[SystemForm]]) -> SystemSpec:
    kind, colon, argument = text.partition(":")
    if not is_quoted:
        argument = argument.strip()
    if kind not in by_kind:
        raise UserError(f"unknown system '{kind}'", _LOCATION, did_you_mean(kind, list(by_kind)))
    if not is_quoted and argument.startswith('"'):
        raise UserError(f"the quotes of '{text}' begin after its kind", _LOCATION, 'Put the whole part in quotes: "kind:argument".')
    if (colon and not argument) or not any(form.takes(argument) for form in by_kind[kind]):
        remedy = f"Write {' or '.join(repr(form.text) for form in by_kind[kind])}."
        raise UserError(f"'{text}' is not how the system '{kind}' is named", _LOCATION, remedy)
    return SystemSpec(kind, argument)
