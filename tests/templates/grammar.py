"""Templates and rows at random, for the tests that hold the compiled path against Jinja: the compiled subset, and beyond it."""

from hypothesis import strategies as st

INPUTS = "{a: str, b: str, o: str, n: int, m: int, x: float, f: bool, label: str, j: json}"
HEADER = "optional: [o]\nverbalizer: {no: 'no \u2028\"', 'yes': Ja, 'true': J, '3': three}\n"
NAMES = ("a", "b", "o", "n", "m", "x", "f", "label", "j")

_WHITE_SPACE = "".join(chr(code) for code in range(0x10000) if chr(code).isspace()) + "\u200b\ufeff\u180e"
_CHANGING_CASE = "".join(
    chr(code) for code in range(0x1F000) if not 0xD800 <= code < 0xE000 and (len(chr(code).upper()) > 1 or len(chr(code).lower()) > 1)
)
_PIECES = [
    "",
    "\x00",
    "\r",
    "\r\n",
    "\u2028",
    "\x85",
    "\x1c",
    "🍲",
    "👨‍👩‍👧",
    "İ",
    "ß",
    "ΑΣ ",
    "ΑΣ",
    "ǅ",
    "\ud7ff",
    "{{ x }}",
    "{% endtext %}",
    "$1",
    "\\1",
]
_PIECES += ["%s", '"', "'", "\\", "[MASK]", "a", "ab", "Hello", "hello world", "-", " ", "\n", "yes", "0", "😀 é"]
HOSTILE = st.lists(
    st.sampled_from(_PIECES) | st.sampled_from(_WHITE_SPACE) | st.sampled_from(_CHANGING_CASE) | st.characters(exclude_categories=["Cs"]),
    max_size=6,
).map("".join)
_INTS = [
    "0",
    "1",
    "3",
    "-3",
    "5",
    "42",
    "007",
    "+5",
    "-0",
    " 5",
    "1_000",
    "٣",
    "3.0",
    "999999999999999",
    "1000000000000000",
    "9" * 30,
    "x",
    "",
    "1e3",
]
_FLOATS = [
    "0",
    "1",
    "-0",
    "0.0",
    "-0.00",
    "3",
    "1.5",
    "1.50",
    "100",
    "100.0",
    "0.1",
    "0.0001",
    "0.00005",
    "1e-7",
    "nan",
    "inf",
    "-inf",
    "1_0.5",
    "٣",
    "1e22",
]
_FLOATS += ["123456789.123456", "1234567890.5", ".5", "5.", "-2.75", "x", "", " 1.5"]
_BOOLS = ["true", "True", "yes", "1", "0", "no", "NO", "f", " yes ", "TRue", "maybe", "", "2"]
_JSON = [
    "null",
    "1.5",
    "-0",
    "1e3",
    "NaN",
    "-Infinity",
    "Infinity",
    ' "x"',
    "\ttrue",
    "true ",
    "[",
    "{",
    "nullable",
    "\u00a0null",
    "-",
    "--",
    "01",
    "-01",
    "\x0b1",
]
_NESTED = ['{"k": [1, null]}', "[]", "null", '"x"', "None", "True"]

_ORDINARY_TEXT = st.sampled_from(["The soup was cold.", "Great!", "a - b", "Hello World  ", "  x", "ÄÖ ß"]) | st.text("ab c-.", max_size=9)
# Usual numbers most of the time: one unusual field leaves the whole row to Jinja.
_INT = st.integers(-5, 5).map(str)
ROW = st.fixed_dictionaries(
    {
        "a": st.one_of(HOSTILE, HOSTILE, _ORDINARY_TEXT, _ORDINARY_TEXT, st.sampled_from(_NESTED), st.none()),
        "b": HOSTILE | _ORDINARY_TEXT,
        "o": HOSTILE | st.sampled_from([None, "", "  ", "\x1c"]),
        "n": st.one_of(_INT, _INT, st.sampled_from(_INTS)),
        "m": st.one_of(_INT, _INT, st.integers().map(str)),
        "x": st.one_of(_INT, st.decimals(-999, 999, places=3).map(str), st.sampled_from(_FLOATS), st.floats().map(str)),
        "f": st.one_of(st.sampled_from(["yes", "no"]), st.sampled_from(["yes", "no"]), st.sampled_from(_BOOLS)),
        "j": st.one_of(_INT, _INT, _ORDINARY_TEXT, st.sampled_from([*_JSON, *_INTS, *_NESTED, *_BOOLS]), HOSTILE),
        "label": st.sampled_from(["no", "yes", "true", "3", "no", "no", "yes", "3", "other", ""]),
    }
)
ROWS = st.lists(ROW, min_size=1, max_size=5)

# Text that Jinja does not read as its own.
TEXT = st.lists(st.sampled_from(["a", " ", "\n", "\n\n", "é", "🍲", "}", "%", "#", '"', "\t", "\u2028", "\\", "[MASK]"]), max_size=4).map(
    "".join
)
_LITERAL = st.sampled_from(["''", "'a'", "'yes'", "'\\n'", "'é\"'", "'ΑΣ'", "' '", "'Hello World'", "'ab\\\\'"])
_NUMERAL = st.sampled_from(["0", "1", "3", "-3", "2.5", "true", "false", "100", "1e-5"])
_CONSTANT = _LITERAL | _NUMERAL | st.just("none")
_FILTERS = ["trim", "lower", "upper", "title", "capitalize", "string", "replace('a', 'b')", "replace('l', '$1')", "default('d')"]
_FILTERS += ["default(o, true)", "d('x', boolean=true)", "truncate(5)", "truncate(9, true, '')", "truncate(3, end='…', leeway=0)", "indent"]
_FILTERS += ["indent(2, first=true)", "trim('a -')"]
_WILD_FILTERS = [
    "first",
    "last",
    "replace('', 'x')",
    "replace('a', 'b', 1)",
    "truncate(4, leeway=1)",
    "reverse",
    "escape",
    "round",
    "tojson",
]
_WILD_FILTERS += [
    "default(20000, true)",
    "d(3, true)",
    "center(12)",
    "length",
    "int",
    "float",
    "abs",
    "list",
    "default(n)",
    "indent(-1)",
    "join('-')",
]
_METHODS = [
    "strip()",
    "lstrip()",
    "rstrip('x ')",
    "lower()",
    "upper()",
    "title()",
    "capitalize()",
    "replace('a', 'b')",
    "removeprefix('a')",
]
_METHODS += ["removesuffix('b')"]
_WILD_METHODS = ["split()", "count('a')", "isdigit()", "strip('')", "replace('a', 'b', 1)", "strip(none)", "startswith('a', 1)"]
_SLICES = ["[:2]", "[1:]", "[-2:]", "[:-1]", "[1:3]", "[3:1]", "[:0]"]
_WILD_SLICES = ["[0]", "[-1]", "[1]", "[-2]", "['a']", "[::2]", "[-3:-1]", "[-1:2]", "[2:-1]", "[n:]"]
_TESTS = ["defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "sequence", "mapping"]
_WILD_TESTS = ["odd", "even", "eq('a')", "in ['a', 3]", "true", "lower", "divisibleby(2)", "gt(1)", "filter"]
_COMPARISONS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])

_TEXT_NAME = st.sampled_from(["a", "b", "o", "label", "a", "b", "j"])
_NUMBER_NAME = st.sampled_from(["n", "m", "x", "f"])
_Strings = st.SearchStrategy[str]


def _grown_text() -> _Strings:
    two = st.tuples(_text, _text)
    return st.one_of(
        st.tuples(_text, st.sampled_from(_FILTERS)).map(lambda p: f"({p[0]} | {p[1]})"),
        st.tuples(_text, st.sampled_from(_METHODS)).map(lambda p: f"({p[0]}).{p[1]}"),
        st.tuples(_text, st.sampled_from(_SLICES)).map(lambda p: f"({p[0]}){p[1]}"),
        st.tuples(_text | _number, _text | _number).map(lambda p: f"({p[0]} ~ {p[1]})"),
        two.map(lambda p: f"({p[0]} + {p[1]})"),
        st.tuples(_text, st.sampled_from(["and", "or"]), _text).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        st.tuples(_text, _condition, _text).map(lambda p: f"({p[0]} if {p[1]} else {p[2]})"),
        st.tuples(_text | _number, _condition).map(lambda p: f"({p[0]} if {p[1]})"),
        st.lists(_text | _number, max_size=3).map(lambda items: f"([{', '.join(items)}] | join(', '))"),
        _picked(),
    )


def _picked() -> _Strings:
    """An item of a list or mapping that stands in the template."""
    items = st.lists(_text | _LITERAL, min_size=1, max_size=3).map(lambda one: f"[{', '.join(one)}]")
    literals = st.lists(_LITERAL, min_size=1, max_size=4).map(lambda one: f"[{', '.join(one)}]")
    by_text = st.sampled_from(["label", "j", "'no'", "label", "n"]).map(lambda key: f"({{'no': 'N', 'yes': 'Y', '3': 'T'}})[{key}]")
    by_number = st.sampled_from(["n", "m", "j", "3", "f"]).map(lambda key: f"({{0: 'zero', 1: 'one', 3: 'three', -1: 'less'}})[{key}]")
    return st.one_of(
        st.tuples(literals, st.sampled_from(["n", "m", "j", "(a | length)"])).map(lambda p: f"{p[0]}[{p[1]}]"),
        st.tuples(items, st.sampled_from(["0", "-1", "n"])).map(lambda p: f"{p[0]}[{p[1]}]"),
        by_text,
        by_number,
        st.tuples(_text, st.sampled_from(["0", "1", "-1", "-3"])).map(lambda p: f"({p[0]})[{p[1]}]"),
        st.tuples(items, st.sampled_from(["first", "last", "join('; ')"])).map(lambda p: f"({p[0]} | {p[1]})"),
    )


def _grown_number() -> _Strings:
    return st.one_of(
        _text.map(lambda one: f"({one} | length)"),
        _text.map(lambda one: f"({one} | wordcount)"),
        st.sampled_from(["n", "m", "(a | length)"]).map(lambda one: f"({one} | float)"),
        st.sampled_from(["x", "label", "(o | default('3', true))"]).map(lambda one: f"({one} | int)"),
        st.sampled_from(["label", "(o | default('1.50', true))"]).map(lambda one: f"({one} | float)"),
        st.sampled_from(["n", "m", "(n - 3)"]).map(lambda one: f"({one} | abs)"),
        st.tuples(st.sampled_from(["n", "m"]), st.sampled_from(["+", "-"]), st.sampled_from(["n", "m", "1"])).map(
            lambda p: f"({' '.join(p)})"
        ),
        st.tuples(_number, _condition, _number).map(lambda p: f"({p[0]} if {p[1]} else {p[2]})"),
    )


def _grown_condition() -> _Strings:
    inner = _text | _number
    return st.one_of(
        inner,
        st.tuples(_text, _COMPARISONS, _text).map(lambda p: f"({' '.join(p)})"),
        st.tuples(_number, _COMPARISONS, _number).map(lambda p: f"({' '.join(p)})"),
        st.tuples(inner, st.sampled_from(["is", "is not"]), st.sampled_from(_TESTS)).map(lambda p: f"({' '.join(p)})"),
        st.tuples(st.sampled_from(["n", "m"]), st.sampled_from(["odd", "even", "eq 3", "gt(0)", "in [1, 3]"])).map(
            lambda p: f"({' is '.join(p)})"
        ),
        st.tuples(_text, st.sampled_from(["in", "not in"]), _text).map(lambda p: f"({' '.join(p)})"),
        st.tuples(inner, st.sampled_from(["in", "not in"]), st.lists(_CONSTANT, max_size=3)).map(
            lambda p: f"({p[0]} {p[1]} [{', '.join(p[2])}])"
        ),
        st.tuples(_NUMERAL, _NUMBER_NAME, _NUMERAL).map(lambda p: f"({p[0]} < {p[1]} <= {p[2]})"),
        st.tuples(_text, st.sampled_from(["startswith('a')", "endswith(' ')"])).map(lambda p: f"({p[0]}).{p[1]}"),
        st.tuples(_condition, st.sampled_from(["and", "or"]), _condition).map(lambda p: f"({' '.join(p)})"),
        _condition.map(lambda one: f"(not {one})"),
    )


def _grown_wild() -> _Strings:
    """What may have no meaning at all, in Jinja either."""
    inner = _text | _number | _CONSTANT | _condition
    return st.one_of(
        st.tuples(inner, st.sampled_from(_WILD_FILTERS + _FILTERS)).map(lambda p: f"({p[0]} | {p[1]})"),
        st.tuples(inner, st.sampled_from(_WILD_METHODS + _METHODS)).map(lambda p: f"({p[0]}).{p[1]}"),
        st.tuples(inner, st.sampled_from(_WILD_SLICES)).map(lambda p: f"({p[0]}){p[1]}"),
        st.tuples(inner, st.sampled_from(["is", "is not"]), st.sampled_from(_WILD_TESTS)).map(lambda p: f"({' '.join(p)})"),
        st.tuples(inner, _COMPARISONS | st.sampled_from(["+", "-", "*", "in", "and", "or"]), inner).map(lambda p: f"({' '.join(p)})"),
        st.tuples(inner, _condition, inner).map(lambda p: f"({p[0]} if {p[1]} else {p[2]})"),
    )


_text = st.deferred(lambda: _TEXT_NAME | _LITERAL | _TEXT_NAME | _grown_text())
_number = st.deferred(lambda: _NUMBER_NAME | _NUMBER_NAME | _NUMERAL | _grown_number())
_condition = st.deferred(_grown_condition)
_wild = st.deferred(_grown_wild)
EXPRESSION = st.one_of(_text, _text, _number, _condition, _condition, _wild)
OUTPUT = st.one_of(_text, _text, _number, _condition, EXPRESSION).map(lambda one: f"{{{{ {one} }}}}") | st.just("{{ label | verbalize }}")
_SET_NAMES = st.sampled_from(["v", "w", "a", "n"])


def _set_list(pieces: tuple[list[str], str, str]) -> str:
    items, index, needle = pieces
    shown = f"{{{{ c[{index}] }}}}{{{{ {needle} in c }}}}{{{{ c | join(', ') }}}}{{% if a %}}{{{{ c | last }}}}{{% endif %}}"
    return f"{{% set c = [{', '.join(items)}] %}}{shown}"


def _set_in_branches(pieces: tuple[str, str, str, str]) -> str:
    condition, name, then, otherwise = pieces
    branches = f"{{% if {condition} %}}{{% set {name} = {then} %}}{{% else %}}{{% set {name} = {otherwise} %}}{{% endif %}}"
    return f"{{% set {name} = 'd' %}}{branches}{{{{ {name} }}}}"


def _blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Statements around text."""
    return st.one_of(
        st.lists(inner, max_size=4).map("".join),
        st.tuples(EXPRESSION, inner).map(lambda p: f"{{% if {p[0]} %}}{p[1]}{{% endif %}}"),
        st.tuples(EXPRESSION, inner, EXPRESSION, inner, inner).map(
            lambda p: f"{{% if {p[0]} %}}{p[1]}{{%- elif {p[2]} -%}}{p[3]}{{% else %}}{p[4]}{{% endif %}}"
        ),
        st.tuples(_SET_NAMES, EXPRESSION, inner).map(lambda p: f"{{% set {p[0]} = {p[1]} %}}{p[2]}{{{{ {p[0]} }}}}"),
        st.tuples(_SET_NAMES, inner).map(lambda p: f"{{% set {p[0]} %}}{p[1]}{{% endset %}}{{{{ {p[0]} }}}}"),
        st.tuples(EXPRESSION, _SET_NAMES, EXPRESSION, EXPRESSION).map(_set_in_branches),
        st.tuples(st.lists(_text | _LITERAL, min_size=1, max_size=3), st.sampled_from(["0", "n", "j", "-1"]), _text | _CONSTANT).map(
            _set_list
        ),
        st.tuples(st.sampled_from(["upper", "trim", "replace('a', 'é')", "trim | title"]), inner).map(
            lambda p: f"{{% filter {p[0]} %}}{p[1]}{{% endfilter %}}"
        ),
    )


BODY = st.recursive(OUTPUT | TEXT, _blocks, max_leaves=6)
CHAT = st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), BODY), min_size=1, max_size=3).map(
    lambda turns: "\n".join(f'{{% message "{role}" %}}{body}{{% endmessage %}}' for role, body in turns)
)
PAIR = st.tuples(BODY, BODY).map(lambda two: f"{{% prompt %}}{two[0]}{{% endprompt %}}{{% target %}}{two[1]}{{% endtarget %}}")
CLOZE = st.tuples(BODY, BODY).map(lambda two: f"{{% cloze %}}{two[0]}{{{{ mask }}}}{{% endcloze %}}{{% target %}}{two[1]}{{% endtarget %}}")
COMPLETION = BODY.map(lambda body: f"{{% text %}}{body}{{% endtext %}}")
PREFERENCE = st.tuples(BODY, BODY).map(lambda two: f"{{% chosen %}}{two[0]}{{% endchosen %}}{{% rejected %}}{two[1]}{{% endrejected %}}")
FORM = CHAT | PAIR | CLOZE | COMPLETION | PREFERENCE
TAGS = FORM | st.tuples(EXPRESSION, FORM, FORM).map(lambda p: f"{{% if {p[0]} %}}{p[1]}{{% else %}}{p[2]}{{% endif %}}")
TAGS |= st.tuples(EXPRESSION, FORM).map(lambda p: f"{{% if {p[0]} %}}{p[1]}{{% endif %}}")
TAGS |= st.tuples(st.sampled_from(["v", "w"]), EXPRESSION, FORM).map(
    lambda p: f"{{% set {p[0]} = {p[1]} %}}{p[2]}{{% text %}}{{{{ {p[0]} }}}}{{% endtext %}}"
)
TEMPLATES = st.lists(TAGS, min_size=1, max_size=2).map("\n".join)
