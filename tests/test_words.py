"""The words that people read: none of the phrases that were replaced by plainer ones comes back."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REPLACED = {
    "what says nothing new": "drops duplicate, suppressed and baseline findings",
    "look alike on it": "differences under about N points are noise",
    r"stands in \S+ as well": "also appears in",
    "nearly one of an evaluation split": "near-duplicate of a test or validation row",
    "nats a trained token": "mean loss per trained token (nats)",
    "what is taken for what": "confusion matrix",
    r"\bcould see\b": "smallest detectable difference",
    "surest mistakes": "most confident mistakes",
    "ended in the state": "hit the length limit",
    r"\bstale fix at\b": "this fix no longer applies",
    r"\bno draft mends\b": "cannot be fixed row by row",
    "every rule of its target": "a target's format rules",
    "options stand above": "options override",
    "names a row for good": "unique id column",
    "turn them round": "swap 0 and 1",
    "whose input is nearly the same": "near-duplicate input",
    r"differ(?:s|ing)? in nothing but order|\bthe words are the same\b": "same words, different order or punctuation",
    r"\bfiles? from elsewhere\b": "a file that no build wrote",
    "nothing to say against it": "OK",
}
"""What people could not understand at first reading -> what is said instead."""
_PRODUCT = ("prep/", "train/", "evals/", "loop/", "templates/", "loopwright/", "docs/", "sample_data/", "README.md", "CONTRIBUTING.md")
_SUFFIXES = {".py", ".md", ".jinja", ".html", ".yaml", ".toml", ".txt"}


def _words(path: Path) -> str:
    """Returns a file's text on one line: a phrase may go on in the next line of a docstring, or of a string in two parts."""
    text = path.read_text(encoding="utf-8")
    return re.sub(r"\"?\s+f?\"|\s+", " ", text) if path.suffix == ".py" else re.sub(r"\s+", " ", text)


@pytest.fixture(scope="module")
def product() -> dict[str, str]:
    """All text of the product, by path."""
    names = subprocess.run(["git", "ls-files", *_PRODUCT], cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    texts = {name: _words(ROOT / name) for name in names if Path(name).suffix in _SUFFIXES and (ROOT / name).is_file()}
    assert len(texts) > 400
    return texts


@pytest.mark.parametrize("phrase", REPLACED)
def test_no_replaced_phrase_is_left(phrase: str, product: dict[str, str]) -> None:
    found = [name for name, text in product.items() if re.search(phrase, text, re.IGNORECASE)]
    assert found == [], f"say instead: {REPLACED[phrase]}"
