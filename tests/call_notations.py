"""Chat templates that write calls of tools in the notations that are in use, and one in a notation of its own."""

from typing import TYPE_CHECKING

from tests.conftest import make_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_CHAT = (
    "{{% if tools %}}<|im_start|>system\n{{{{ tools | tojson }}}}<|im_end|>\n{{% endif %}}"
    "{{% for m in messages %}}<|im_start|>{{{{ m['role'] }}}}\n"
    "{{{{ m['content'] or '' }}}}{{% if m.tool_calls %}}{calls}{{% endif %}}<|im_end|>\n"
    "{{% endfor %}}{{% if add_generation_prompt %}}<|im_start|>assistant\n{{% endif %}}"
)
_EACH = "{% for c in m.tool_calls %}{% set f = c.function %}{% set a = f.arguments %}"
_END = "{% endfor %}"
_NEXT = "{{ ', ' if not loop.last }}"
_LINE = "{{ '\n' if not loop.first or m['content'] }}"
_ONE = "{% if m.tool_calls | length > 1 %}{{ raise_exception('one call at a time') }}{% endif %}"
_PYTHON = (
    "[" + _EACH + "{{ f.name }}({% for k, v in a.items() %}{{ k }}={{ v | tojson }}" + _NEXT + "{% endfor %})" + _NEXT + "{% endfor %}]"
)
_BARE_VALUE = "{{ v if v is string else v | tojson }}"

CALLS = {
    # As Qwen and Hermes write them.
    "hermes": _EACH + _LINE + '<tool_call>\n{"name": "{{ f.name }}", "arguments": {{ a | tojson }}}\n</tool_call>{% endfor %}',
    # As Llama 3 does: no marks, and one call alone.
    "llama": _ONE + _EACH + '{"name": "{{ f.name }}", "parameters": {{ a | tojson }}}{% endfor %}',
    # As Mistral does: a list, and later a name before its arguments.
    "mistral": "[TOOL_CALLS] ["
    + _EACH
    + '{"name": "{{ f.name }}", "arguments": {{ a | tojson }}, "id": "{{ c.id }}"}'
    + _NEXT
    + "{% endfor %}]",
    "mistral_named": _EACH + "[TOOL_CALLS]{{ f.name }}[CALL_ID]{{ c.id }}[ARGS]{{ a | tojson }}{% endfor %}",
    # As DeepSeek does: a section of calls, each in marks, its arguments in a fence.
    "sections": "<|calls|>"
    + _EACH
    + "{{ '\n' if not loop.first }}<|call|>function<|sep|>{{ f.name }}\n```json\n{{ a | tojson }}\n```<|/call|>{% endfor %}<|/calls|>",
    "python": _PYTHON,
    "python_marked": "<|tool_call_start|>" + _PYTHON + "<|tool_call_end|>",
    # As Qwen's coders do.
    "tagged": _EACH
    + _LINE
    + "<tool_call>\n<function={{ f.name }}>\n{% for k, v in a.items() %}<parameter={{ k }}>\n"
    + _BARE_VALUE
    + "\n</parameter>\n{% endfor %}</function>\n</tool_call>{% endfor %}",
    # As GLM does.
    "key_and_value": _EACH
    + "\n<tool_call>{{ f.name }}\n{% for k, v in a.items() %}<arg_key>{{ k }}</arg_key>\n<arg_value>"
    + _BARE_VALUE
    + "</arg_value>\n{% endfor %}</tool_call>{% endfor %}",
    "nested": _EACH
    + _LINE
    + '<tool_call>{"type": "function", "function": {"name": "{{ f.name }}", "arguments": {{ a | tojson }}}}</tool_call>{% endfor %}',
    "quoted": _EACH + '<tool_call>{"name": "{{ f.name }}", "arguments": {{ a | tojson | tojson }}}</tool_call>{% endfor %}',
    "named": _EACH + "<call>{{ f.name }} {{ a | tojson }}</call>{% endfor %}",
    # Texts in marks of their own and numbers without: known to nobody here.
    "own": _EACH
    + "<call>{{ f.name }}{% for k, v in a.items() %}"
    + " {{ k }}:{{ '~' ~ v ~ '~' if v is string else v | tojson }}{% endfor %}</call>{% endfor %}",
}
KNOWN = tuple(name for name in CALLS if name != "own")
ONE_AT_A_TIME = ("llama",)
UNTYPED = ("tagged", "key_and_value")
"""Their values are typed by the schemas of the tools."""


def calling_tokenizer(notation: str, *, with_marks: bool = True) -> "PreTrainedTokenizerFast":
    """Returns a tokenizer whose chat template writes calls in a notation.

    Args:
        notation: a key of `CALLS`.
        with_marks: the marks of some notations are special tokens, as they are in models; the tiny model has no room for those.
    """
    tokenizer = make_tokenizer(_CHAT.format(calls=CALLS[notation]))
    if not with_marks:
        return tokenizer
    tokenizer.add_special_tokens(
        {"additional_special_tokens": ["[TOOL_CALLS]", "<|tool_call_start|>", "<|tool_call_end|>", "<|call|>", "<|/call|>"]}
    )
    return tokenizer
