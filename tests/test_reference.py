"""The generated reference: a page of what is gone is found, and removed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A copy of the generated pages and their script."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("*.png"))
    return tmp_path / "docs"


def test_a_page_that_is_stale_or_of_a_rule_that_is_gone_is_out_of_date(docs: Path) -> None:
    gone, stale = docs / "reference" / "rules" / "XYZ999.md", docs / "reference" / "rules" / "CON201.md"
    before = stale.read_bytes()
    gone.write_text("# XYZ999 Gone\n", encoding="utf-8")
    stale.write_text("# CON201 Other\n", encoding="utf-8")
    command = [sys.executable, str(docs / "generate.py")]
    checked = subprocess.run([*command, "--check"], check=False, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert checked.returncode == 1
    assert checked.stderr.startswith("out of date: docs/reference/rules/CON201.md, docs/reference/rules/XYZ999.md.")
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
    assert not gone.exists() and stale.read_bytes() == before
    subprocess.run([*command, "--check"], check=True, cwd=ROOT, timeout=120)
