"""Templates that try to hurt the machine, run one after the other in a process of their own: `python -m tests.templates.attacks`.

Prints one JSON object an attack: name, error (null where it rendered, or did not end), and the process's peak memory so far in bytes.
"""

import json
import signal
from pathlib import Path

from loopwright.errors import UserError
from tests.templates.helpers import make_template

DOUBLE = "{% set ns = namespace(s='0123456789', l=[]) %}{% for i in range(40) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}"
# Within the limits: text of 2.6 million characters.
LONG = "{% set s = 'ab\n' * 900000 %}"
# A list of few items whose text has no end.
NESTED = "{% set ns = namespace(l=[0] * 10000) %}{% for i in range(500) %}{% set ns.l = [ns.l] %}{% endfor %}"
LACED = "{% set ns = namespace(l=['xxxxxxxxxx']) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}"
FOR = "{% for i in range(100000) %}"
END = "{% endfor %}"
_MAX_SECONDS = 30  # of processor time; what is stopped takes less than three

ATTACKS = {
    "nested loops": FOR + FOR + "{{ i }}" + END + END,
    "nested loops over a field": "{% for a in text %}{% for b in text %}{% for c in text %}{% for d in text %}x{% endfor %}" + END * 3,
    "huge range": "{% for i in range(10 ** 12) %}x{% endfor %}",
    "range with a step": "{{ range(0, 10 ** 12, 2) | list | length }}",
    "repetition": "{{ 'x' * 10 ** 9 }}",
    "repetition from the right": "{{ 10 ** 9 * 'x' }}",
    "list repetition": "{{ ([1] * 10 ** 9) | length }}",
    "power": "{{ 9 ** 9 ** 9 }}",
    "power in steps": "{% set ns = namespace(n=9) %}{% for i in range(99) %}{% set ns.n = ns.n * ns.n %}{% endfor %}{{ ns.n }}",
    "format width": "{{ '%999999999d' % 1 }}",
    "format width from an argument": "{{ '%*d' % (999999999, 1) }}",
    "format of many places": "{{ ('%(a)9999d' * 400000) % {'a': 1} }}",
    "format of many long arguments": LONG + "{{ ('%(a)s' * 400000) % {'a': s} }}",
    "format filter": "{{ '%999999999d' | format(1) }}",
    "doubling": DOUBLE + "{{ ns.s }}",
    "doubling by set blocks": "{% set ns = namespace(s='0123456789') %}{% for i in range(40) %}{% set t %}{{ ns.s }}{{ ns.s }}{% endset %}"
    "{% set ns.s = t %}{% endfor %}{{ ns.s }}",
    "doubling a list": "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = ns.l + ns.l %}{% endfor %}{{ ns.l | length }}",
    "keeping many long texts": LONG + "{% set ns = namespace(l=[]) %}" + FOR + "{% set ns.l = ns.l + [s ~ i] %}" + END,
    "slices kept": LONG + "{% set ns = namespace(l=[]) %}" + FOR + "{% set ns.l = ns.l + [s[i:]] %}" + END,
    "slices dropped": LONG + FOR + "{% set t = s[i:] %}" + END,
    "searching again and again": LONG + FOR + "{% if 'zz' in s %}x{% endif %}" + END,
    "searching a range": FOR + "{% if 'a' in range(100000) %}x{% endif %}" + END,
    "counting again and again": LONG + FOR + "{% set n = s.count('zz') %}" + END,
    "upper case again and again": LONG + FOR + "{% set n = s | upper | length %}" + END,
    "tests again and again": LONG + FOR + "{% if s is upper %}x{% endif %}" + END,
    "lists of long texts sorted": LONG + "{{ ([s ~ 'a', s ~ 'b'] * 100000) | sort | length }}",
    "constant text in a loop": FOR + "y" * 100_000 + END,
    "constant text in a macro": "{% macro m() %}" + "y" * 100_000 + "{% endmacro %}" + FOR.replace("100000", "50000") + "{{ m() }}" + END,
    "a list as text": "{{ ['xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'] * 1000000 }}",
    "a laced list as text": LACED + "{{ ns.l }}",
    "a laced list by string": LACED + "{{ ns.l | string | length }}",
    "a laced list by tilde": LACED + "{{ (ns.l ~ '') | length }}",
    "a laced list by format": LACED + "{{ '%s' % [ns.l] }}",
    "a laced list by join": LACED + "{{ ns.l | join }}",
    "a laced list by tojson": LACED + "{{ ns.l | tojson }}",
    "a laced list compared": LACED + "{{ ns.l == [ns.l, 1] }}",
    "a laced list counted": LACED + "{{ ns.l.count(1) }}",
    "join of long texts": LONG + "{{ ([s] * 1000000) | join }}",
    "join through a generator": LONG + "{{ ([s] * 1000000) | select | join }}",
    "join with a long separator": LONG + "{{ ([1] * 1000000) | join(s) }}",
    "join by a method": LONG + "{{ s.join(['a'] * 1000000) }}",
    "replace": LONG + "{{ s | replace('a', s) }}",
    "replace in a list": LONG + "{{ ([1] * 1000000) | replace(1, s) }}",
    "replace by a method": LONG + "{{ s.replace('', s) }}",
    "center": "{{ 'x' | center(10 ** 9) }}",
    "indent": "{{ ('\n' * 1000000) | indent(10000, blank=true) }}",
    "indent by a text": LONG + "{{ s | indent(s) }}",
    "indented JSON": NESTED + "{{ ns.l | tojson(indent=1000) }}",
    "sum of lists": "{{ ([[1] * 1000] * 20000) | sum(start=[]) | length }}",
    "batch": "{{ range(10) | batch(10 ** 9, 'x') | list }}",
    "slice filter": FOR + "{{ 'ab' | slice(10000, 'x') | list | length }}" + END,
    "wordwrap": LONG + "{{ s | wordwrap(1) }}",
    "int of a long hexadecimal": "{% set n = ('f' * 2000000) | int(base=16) %}{{ n * n }}",
    "bytes of a number": "{{ (1).to_bytes(2000000000, 'big') | length }}",
    "string method with a width": "{{ 'x'.ljust(10 ** 9) }}",
    "string method format": "{{ '{:>999999999}'.format(1) }}",
    "string method zfill": "{{ 'x'.zfill(10 ** 9) }}",
    "string method expandtabs": "{{ '\t'.expandtabs(10 ** 9) }}",
    "macro calling itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "macro bomb": "".join(f"{{% macro m{i} () %}}{{{{ m{i + 1}() }}}}{{{{ m{i + 1}() }}}}{{% endmacro %}}" for i in range(30))
    + "{% macro m30() %}x{% endmacro %}{{ m0() }}",
    "block calling itself": "{% block a %}{{ self.a() }}{% endblock %}",
    "recursive loop": "{% for x in [1] * 1000 recursive %}{{ loop([1] * 1000) }}{% endfor %}",
    "recursive loop of empty turns": "{% set l = [1] * 2000000 %}{% for x in [1] recursive %}{{ loop(l) if loop.depth == 1 }}{% endfor %}",
    "lipsum": "{{ lipsum(100000) }}",
    "class of a string": "{{ ''.__class__.__mro__ }}",
    "class by the attr filter": "{{ '' | attr('__class__') }}",
    "class by subscript": "{{ ''['__class__'] }}",
    "class by map": "{{ [''] | map(attribute='__class__') | list }}",
    "globals of a macro": "{% macro m() %}{% endmacro %}{{ m._func.__globals__ }}",
    "the context": "{{ self._TemplateReference__context }}",
    "format to a dunder": "{{ '{0.__class__}'.format('') }}",
    "changing a list": "{{ [1].append(2) }}",
    "including a file": "{% include '/etc/passwd' %}",
    "extending a file": "{% extends '/etc/passwd' %}",
    "importing a file": "{% import '/etc/passwd' as p %}",
}


class NotEndingError(BaseException):
    """Raised in an attack that goes on and on; no Exception, which rendering would make a UserError of."""


def _give_up(*_: object) -> None:
    raise NotEndingError


def main() -> None:
    status = Path("/proc/self/status")
    signal.signal(signal.SIGVTALRM, _give_up)
    for name, body in ATTACKS.items():
        error = None
        signal.setitimer(signal.ITIMER_VIRTUAL, _MAX_SECONDS)  # an attack that is let through would go on for ever
        try:
            make_template(f'{{% message "user" %}}{body}{{% endmessage %}}').render({"text": "abcdefghij" * 10})
        except UserError as raised:
            error = str(raised)
        except NotEndingError:
            error = None
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        # Not ru_maxrss, which a process inherits from the one that started it.
        peak = next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        print(json.dumps({"name": name, "error": error, "peak": peak}), flush=True)


if __name__ == "__main__":
    main()
