import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from loopwright.errors import UserError
from templates import fallback
from templates.fallback import DETAIL, REASON, RENDERED_SCHEMA, ROW_ID, JinjaPool, render_frame
from templates.template import RenderError, Template
from tests.templates.helpers import make_template, message

NUM_ROWS = 4_500
REVERSED = message("{{ text | reverse }}{{ number }}") + '{% message "assistant" %}{{ label | verbalize }}{% endmessage %}'
REVERSED += "{% prompt %}p {{ text }}{% endprompt %}{% target %} {{ label | verbalize }}{% endtarget %}"
CALL = "{% for turn in turns %}{% message turn.role %}{{ turn.text }}{% endmessage %}{% endfor %}"


@pytest.fixture(scope="module")
def template() -> Template:
    return make_template(REVERSED, inputs="{text: str, number: int, label: str}", header="verbalizer: {a: yes, b: no}\n")


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    """Every seventh row has no number that is one, every fifth no label that is known."""
    index = range(NUM_ROWS)
    texts = [f"Füß {number} 🍲" for number in index]
    numbers = ["x" if number % 7 == 0 else str(number) for number in index]
    return pl.DataFrame({"text": texts, "number": numbers, "label": ["c" if number % 5 == 0 else "a" for number in index]})


def expected(template: Template, rows: pl.DataFrame) -> list[dict[str, Any]]:
    found = []
    for fields in rows.iter_rows(named=True):
        try:
            rendered = template.render(fields)
            found.append({name: getattr(rendered, name, None) for name in RENDERED_SCHEMA})
        except RenderError as error:
            problem = {REASON: error.reason, DETAIL: f"template '{template.name}': {error.cause}"}
            found.append(dict.fromkeys(RENDERED_SCHEMA) | problem)
    return found


def children(process_id: int | None = None) -> set[int]:
    """Returns the ids of a process's children; default: of this one."""
    process_id = process_id or os.getpid()
    return {int(child) for path in Path(f"/proc/{process_id}/task").glob("*/children") for child in path.read_text().split()}


def test_a_frame_is_what_its_rows_render_to(template: Template, rows: pl.DataFrame) -> None:
    some = pl.concat([rows.head(20), rows.head(1).with_columns(text=pl.lit(None, pl.String))])
    rendered = render_frame(template, some)
    assert rendered.schema == RENDERED_SCHEMA
    assert rendered.to_dicts() == expected(template, some)
    assert set(rendered[REASON].to_list()) == {None, "bad_value", "template_error"}


def test_a_column_that_is_not_there_is_missing_in_each_row(template: Template, rows: pl.DataFrame) -> None:
    rendered = render_frame(template, rows.head(2).drop("text"))
    assert rendered[DETAIL].to_list() == ["template 'mine/test': field 'text' is missing"] * 2


def test_lists_of_messages_of_all_lengths_keep_their_rows() -> None:
    template = make_template(CALL + "{% if turns | length == 2 %}{% text %}two{% endtext %}{% endif %}", inputs="{turns: turns}")
    turns = [{"speaker": "customer", "text": "a"}, {"speaker": "agent", "text": "b"}]
    rows = pl.DataFrame({"turns": [json.dumps((turns * 3)[:length]) for length in (1, 0, 2, 5, 0, 1)]})
    rendered = render_frame(template, rows)
    assert rendered.to_dicts() == expected(template, rows)
    assert rendered["messages"].list.len().to_list() == [1, None, 2, 5, None, 1]


def test_the_calls_of_a_turn_come_back_as_extras() -> None:
    turns = [{"role": "user", "content": "u"}, {"role": "assistant", "tool_calls": [{"name": "f", "arguments": "{}"}]}]
    template = make_template(CALL, inputs="{turns: turns}")
    rows = pl.DataFrame({"turns": [json.dumps(turns)]})
    assert render_frame(template, rows).to_dicts() == expected(template, rows)
    assert render_frame(template, rows)["messages"].item()[1]["content"] is None


def test_half_of_a_surrogate_pair_fails_its_row_alone() -> None:
    template = make_template(CALL, inputs="{turns: turns}")
    texts = ["fine", "\\ud83d", "\\ud83c\\udf72"]
    rendered = render_frame(template, pl.DataFrame({"turns": [f'[{{"role": "user", "content": "{text}"}}]' for text in texts]}))
    assert rendered[REASON].to_list() == [None, "template_error", None]
    assert "half of a surrogate pair, \\ud83d" in rendered[DETAIL][1]
    assert rendered["messages"].to_list()[2] == [{"role": "user", "content": "🍲"}]


def test_choices_are_seeded_by_the_row_and_demonstrations_come_as_a_list() -> None:
    body = "{% for shot in shots %}" + message("{{ shot.text }}") + "{% endfor %}" + message("{{ choice(['a', 'b', 'c']) }}{{ text }}")
    template = make_template(body, header="shots: 1\n")
    rows = pl.DataFrame({"text": ["x"] * 4, ROW_ID: ["1", "2", "3", "4"], "shots": [[{"text": "s"}]] * 4})
    rendered = render_frame(template, rows)
    assert rendered["messages"].to_list() == [
        template.render({"text": "x", "shots": [{"text": "s"}]}, row_id).messages for row_id in rows[ROW_ID]
    ]
    as_json = rows.with_columns(shots=pl.lit('[{"text": "s"}]'))
    assert render_frame(template, as_json).equals(rendered)
    with JinjaPool([template], 1) as pool:
        assert pool.render(0, pl.concat([rows] * 600)).equals(pl.concat([rendered] * 600))


@pytest.mark.parametrize("num_workers", [1, 3])
def test_a_pool_gives_the_same_whatever_the_number_of_processes(template: Template, rows: pl.DataFrame, num_workers: int) -> None:
    other = make_template(message("{{ text | reverse }}"))
    before = children()
    with JinjaPool([other, template], num_workers) as pool:
        assert pool.render(1, rows).equals(render_frame(template, rows))
        assert len(children() - before) == num_workers
        assert pool.render(1, rows.clear()).is_empty()
        batches = list(pool.map(0, rows.iter_slices(100)))
    assert [batch.height for batch in batches] == [100] * (NUM_ROWS // 100)
    assert pl.concat(batches).equals(render_frame(other, rows))


def test_a_small_input_starts_no_process(template: Template, rows: pl.DataFrame) -> None:
    before = children()
    with JinjaPool([template]) as pool:
        assert pool.render(0, rows.head(100)).equals(render_frame(template, rows.head(100)))
        assert pool.render(0, rows.clear()).is_empty()
        assert children() == before


def test_a_pool_speaks_the_chosen_language() -> None:
    header = "language: en\nverbalizer: {good: {en: good, zh: 好}}\n"
    template = make_template("{% text %}{{ label | verbalize }}{% endtext %}", inputs="{label: str}", header=header).in_language("zh")
    with JinjaPool([template], 1) as pool:
        assert pool.render(0, pl.DataFrame({"label": ["good"] * 2_001}))["text"].unique().to_list() == ["好"]


def test_a_worker_that_is_killed_is_an_error_and_no_hang(template: Template, rows: pl.DataFrame) -> None:
    before = children()
    with JinjaPool([template], 2) as pool:
        pool.render(0, rows)
        for worker in children() - before:
            os.kill(worker, signal.SIGKILL)
        with pytest.raises(UserError, match=r"a process that renders 'mine/test' ended \(killed by signal 9\)") as raised:
            pool.render(0, rows)
        assert raised.value.location == "mine.jinja" and raised.value.remedy
        with pytest.raises(UserError, match="killed by signal 9"):  # and it stays one
            pool.submit(0, rows).result()


def test_a_batch_has_a_time_limit(template: Template, rows: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    before = children()
    with JinjaPool([template], 1) as pool:
        pool.render(0, rows)
        [worker] = children() - before
        os.kill(worker, signal.SIGSTOP)  # hangs, as far as anyone can see
        monkeypatch.setattr(fallback, "_SECONDS_A_BATCH", 0.5)
        monkeypatch.setattr(fallback, "_SECONDS_A_ROW", 0.0)
        with pytest.raises(UserError, match="took longer than"):
            pool.render(0, rows)


def test_an_error_in_the_block_ends_the_processes(template: Template, rows: pl.DataFrame) -> None:
    before = children()
    with pytest.raises(ZeroDivisionError), JinjaPool([template], 2) as pool:
        submitted = [pool.submit(0, pl.concat([rows] * 4)) for _ in range(20)]
        raise ZeroDivisionError
    assert children() == before
    # What had not begun is not waited for.
    assert submitted[-1].cancelled() and all(future.done() for future in submitted)


SCRIPT = """
import sys
import polars as pl
from templates.fallback import JinjaPool
from tests.templates.helpers import make_template, message
template = make_template(message("{{ text | reverse }}"))
rows = pl.DataFrame({"text": ["abc"] * 2001})
with JinjaPool([template], 2) as pool:
    pool.render(0, rows)
    print("rendered", flush=True)
    while len(sys.argv) > 1:
        pool.render(0, rows)
"""


def test_a_script_without_a_main_guard_may_use_a_pool(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False, env=_environment())
    assert (done.returncode, done.stdout) == (0, "rendered\n"), done.stderr


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_one_that_started_it(tmp_path: Path, sent: signal.Signals) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    running = subprocess.Popen(
        [sys.executable, script, "forever"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment()
    )
    assert running.stdout is not None
    running.stdout.readline()
    workers = children(running.pid)
    assert len(workers) == 2
    running.send_signal(sent)
    _, said = running.communicate(timeout=20)
    assert ("KeyboardInterrupt" in said) == (sent == signal.SIGINT)
    assert "<string>" not in said  # no traceback of theirs, which begins in a program given as a string
    deadline = time.monotonic() + 10
    while any(_is_running(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_is_running(worker) for worker in workers)


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)])}


def _is_running(process_id: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_a_worker_does_not_load_polars() -> None:
    code = "import sys, templates.worker; sys.exit(bool({'polars', 'transformers', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False, env=_environment()).returncode == 0
