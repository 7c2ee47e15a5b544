"""The README's Python block and the notebook page, run from top to bottom on the sample data, with a tiny model for the real one."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_CELL = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["README.md", "docs/notebook.md"])
def test_the_page_runs(page: str, tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    monkeypatch.chdir(tmp_path)
    cells = _CELL.findall((ROOT / page).read_text(encoding="utf-8"))
    text = "\0".join(cells)
    for real, tiny in (
        ('model="embedded"', f"model={str(tiny_model_dir)!r}, dtype='float32', max_steps=2, truncation='drop'"),
        ("evals.evaluate(", "evals.evaluate(limit=6, num_resamples=100, dtype='float32', dataset="),
        ('"out/evals"', 'out="out/evals"'),
    ):
        assert text.count(real) == 1, f"{page} no longer holds {real}"
        text = text.replace(real, tiny)
    names: dict[str, object] = {}
    for cell in text.split("\0"):
        program = ast.parse(cell)
        last = program.body[-1]
        exec(compile(program, page, "exec"), names)
        if isinstance(last, ast.Expr) and not ast.unparse(last).startswith("print("):
            value = eval(compile(ast.Expression(last.value), page, "eval"), names)
            assert "<table" in value._repr_html_(), f"the last line of a cell shows itself: {ast.unparse(last)}"
    assert (tmp_path / "out/evals/report.html").is_file() and (tmp_path / "out/run/run.json").is_file()
