"""Names of systems: what is written is what is read, whatever a path holds; and roles, which names alone never give."""

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from typing_extensions import override

from evals.compare.measure import pairs_to_compare
from evals.data.prediction import Prediction
from evals.data.role import Role, role_of_earlier_name
from evals.systems.base import SYSTEMS, EvalContext, System, known_forms, make_systems
from evals.systems.spec import ADDED_KINDS, FORMS, SystemForm, SystemSpec, split_names
from loopwright.errors import UserError
from loopwright.progress import Advance

_EVALS = Path(__file__).parents[3] / "evals"

# Pieces of which a hostile path is made: everything that the grammar itself uses, and what paths of three systems hold.
_SIGNS = ["+", "+rag:4", "+ fewshot:2", '+"', '"', '""', ",", "#", ":", "C:\\", "\\", "/", " ", "\n", "\t"]
_PIECES = [*_SIGNS, "a", "run", "base", "adapter:", "é", "名"]
hostile = st.lists(st.sampled_from(_PIECES), min_size=1, max_size=12).map("".join) | st.text(min_size=1, max_size=20)
numbers = st.integers(1, 99).map(str)
added = st.builds(SystemSpec, st.sampled_from(ADDED_KINDS), numbers)
first = st.one_of(
    st.builds(SystemSpec, st.sampled_from(["adapter", "base"]), hostile),
    st.builds(SystemSpec, st.sampled_from(["base", "adapter", "nearest", "constant", "linear"])),
    st.builds(SystemSpec, st.sampled_from(["fewshot", "rag"]), numbers),
    st.just(SystemSpec("endpoint", "http://localhost:8000/v1#org/model-7b")),
)
specs = st.builds(lambda spec, more: SystemSpec(spec.kind, spec.argument, tuple(more)), first, st.lists(added, max_size=2))


@given(specs)
@example(SystemSpec("adapter", "+rag:4"))
@example(SystemSpec("adapter", '"'))
@example(SystemSpec("adapter", " "))
@example(SystemSpec("adapter", "a+", (SystemSpec("rag", "4"),)))
def test_a_written_name_is_read_as_the_same_system(spec: SystemSpec) -> None:
    assert SystemSpec.parse(str(spec)) == spec


@given(hostile)
def test_a_text_is_read_or_refused_and_what_is_read_is_written_alike(text: str) -> None:
    try:
        spec = SystemSpec.parse(text)
    except UserError:
        return
    assert SystemSpec.parse(str(spec)) == spec


@given(st.lists(specs, max_size=4))
def test_a_list_is_split_at_the_commas_outside_quotes(listed: list[SystemSpec]) -> None:
    def quote(spec: SystemSpec) -> str:
        text = f"{spec.kind}:{spec.argument}" if spec.argument else spec.kind
        return "+".join(['"' + text.replace('"', '""') + '"', *map(str, spec.added)])

    assert [SystemSpec.parse(name) for name in split_names(" , ".join(map(quote, listed)))] == listed


@pytest.mark.parametrize(
    ("text", "kind", "argument", "added"),
    [
        ("base", "base", "", []),
        ("base:some/model", "base", "some/model", []),
        ("adapter:runs/a+b", "adapter", "runs/a+b", []),
        ("adapter:C:\\runs\\my run #2", "adapter", "C:\\runs\\my run #2", []),
        ("adapter:runs/a+rag:4", "adapter", "runs/a", ["rag:4"]),
        ("adapter:my run + rag:4", "adapter", "my run", ["rag:4"]),
        ('"adapter:runs/a+rag:4"', "adapter", "runs/a+rag:4", []),
        ('"adapter:runs/a+rag:4"+rag:2', "adapter", "runs/a+rag:4", ["rag:2"]),
        ('"adapter:the ""best"" one"', "adapter", 'the "best" one', []),
        ('adapter:the "best" one', "adapter", 'the "best" one', []),
        ("endpoint:http://localhost:8000/v1#org/model:7b", "endpoint", "http://localhost:8000/v1#org/model:7b", []),
        ("base+fewshot:4+rag:2", "base", "", ["fewshot:4", "rag:2"]),
    ],
)
def test_a_part_begins_at_a_known_kind_or_a_quote(text: str, kind: str, argument: str, added: list[str]) -> None:
    spec = SystemSpec.parse(text)
    assert (spec.kind, spec.argument, [str(one) for one in spec.added]) == (kind, argument, added)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("linaer", "Did you mean 'linear'?"),
        ("", "unknown system ''"),
        ("C:\\runs\\a", "unknown system 'C'"),
        ("adapter:", "Write 'adapter' or 'adapter:RUN'."),
        ("constant:3", "Write 'constant'."),
        ("fewshot:0", "Write 'fewshot:K'."),
        ("fewshot:four", "Write 'fewshot:K'."),
        ("endpoint:localhost#m", "Write 'endpoint:URL#MODEL'."),
        ("endpoint:http://localhost", "Write 'endpoint:URL#MODEL'."),
        ("adapter:a+base:b", "'base:b' cannot be added"),
        ('adapter:"a,b"', "Put the whole part in quotes"),
        ('"adapter:a', "a quote is not closed"),
        ('"adapter:a"b', "goes on after the closing quote"),
    ],
)
def test_what_is_no_name_is_refused_with_what_to_write(text: str, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        SystemSpec.parse(text)


def test_a_list_keeps_commas_in_quotes_and_refuses_an_open_one() -> None:
    assert split_names('base, "adapter:a,b"+rag:4 ,adapter:say "hi,linear,') == ["base", '"adapter:a,b"+rag:4', 'adapter:say "hi', "linear"]
    assert split_names('base+"rag:4,2",linear') == ['base+"rag:4,2"', "linear"]
    with pytest.raises(UserError, match="not closed"):
        split_names('base,"adapter:a')


def test_the_run_of_the_option_is_compared_once_and_where_it_is_listed() -> None:
    def labels(*names: str, adapter: str | None = "runs/a") -> list[str]:
        return [system.label for system in make_systems(names, adapter)]

    assert labels("base", "adapter", "linear") == ["base", "adapter:runs/a", "linear"]
    assert labels("base") == ["base", "adapter:runs/a"]
    assert labels("adapter:runs/a", "base", "base") == ["adapter:runs/a", "base"]
    assert labels("base", "adapter", adapter=None) == ["base"]
    assert labels("base", adapter="runs/a+rag:4") == ["base", '"adapter:runs/a+rag:4"']
    assert [system.run for system in make_systems(["base"], "runs/a+rag:4")] == [None, "runs/a+rag:4"]
    with pytest.raises(UserError, match="no run folder is named"):
        labels("base", adapter="")


@pytest.mark.parametrize("name", ["nearest+fewshot:2", "constant+rag:4", "linear+fewshot:2"])
def test_what_the_grammar_has_and_no_code_is_refused_with_what_there_is(name: str) -> None:
    SystemSpec.parse(name)
    with pytest.raises(UserError, match=r"There is for: adapter, adapter:RUN, base, base:MODEL, constant, .*rag:K\."):
        make_systems([name], None)


def test_every_form_of_the_grammar_has_its_role() -> None:
    assert {form.text: form.role.value for form in FORMS.values()} == {
        "base": "base",
        "base:MODEL": "other",
        "adapter": "tuned",
        "adapter:RUN": "tuned",
        "fewshot:K": "other",
        "rag:K": "other",
        "endpoint:URL#MODEL": "other",
        "nearest": "baseline",
        "constant": "baseline",
        "linear": "baseline",
    }
    roles = {system.label: system.role for system in make_systems(["base", "adapter", "constant", "linear"], "a")}
    assert roles == {"base": Role.BASE, "adapter:a": Role.TUNED, "constant": Role.BASELINE, "linear": Role.BASELINE}


class Echo(System):
    """An own system, with a kind of its own."""

    name = "echo"
    forms = (SystemForm("echo:TEXT", Role.OTHER, "says a text"),)

    @override
    def answer(self, context: EvalContext, advance: Advance) -> list[Prediction]:
        raise AssertionError("never asked")


def test_an_own_system_brings_its_form_and_role(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SYSTEMS.entries, "echo", Echo)
    assert [form.text for form in known_forms() if form.kind == "echo"] == ["echo:TEXT"]
    (system,) = make_systems(["echo:a+b, c"], None)
    assert (system.label, system.role, system.run) == ("echo:a+b, c", Role.OTHER, None)
    with pytest.raises(UserError, match="Write 'echo:TEXT'"):
        make_systems(["echo"], None)


def test_pairs_follow_the_roles_whatever_the_names() -> None:
    roles = {"constant": Role.OTHER, "x": Role.BASELINE, "adapter:a": Role.BASE, "linear": Role.TUNED, "base": Role.TUNED}
    assert pairs_to_compare(roles) == [
        ("linear", "base"), ("linear", "adapter:a"), ("linear", "x"), ("linear", "constant"),
        ("base", "adapter:a"), ("base", "x"), ("base", "constant"),
        ("adapter:a", "x"), ("adapter:a", "constant"),
    ]  # fmt: skip


def test_without_a_tuned_system_and_a_base_all_are_compared_in_the_order_asked_for() -> None:
    assert pairs_to_compare({"linear": Role.BASELINE, "constant": Role.BASELINE}) == [("linear", "constant")]
    assert pairs_to_compare({"e": Role.OTHER, "c": Role.BASELINE, "f": Role.OTHER}) == [("c", "e"), ("c", "f"), ("e", "f")]
    assert pairs_to_compare({"e": Role.OTHER, "b": Role.BASE, "c": Role.BASELINE}) == [("b", "c"), ("b", "e")], "not c against e"
    assert pairs_to_compare({"only": Role.BASELINE}) == []


def test_earlier_names_have_their_roles_and_others_are_refused() -> None:
    names = ["base", "adapter:runs/a+rag:4", "constant", "linear"]
    assert [role_of_earlier_name(name) for name in names] == [Role.BASE, Role.TUNED, Role.BASELINE, Role.BASELINE]
    with pytest.raises(UserError, match="Evaluate again"):
        role_of_earlier_name("fewshot:4")


def test_no_code_tells_systems_by_the_beginning_of_their_name() -> None:
    """Roles and runs are asked of the system or read from a column; the grammar is `spec.py`'s alone, the names of before `role.py`'s."""
    kinds = "adapter|base|constant|linear"
    told = re.compile(rf"""(startswith|starts_with|removeprefix|partition)\(["']({kinds}|:)|[=!]= ["']({kinds})["']""")
    found = [
        f"{path.name}: {line.strip()}"
        for folder in (_EVALS, _EVALS.with_name("loop"))
        for path in folder.rglob("*.py")
        if path.name not in {"spec.py", "role.py"}
        for line in path.read_text(encoding="utf-8").splitlines()
        if told.search(line)
    ]
    assert found == []
