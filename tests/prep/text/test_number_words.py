"""One table of number words and months, which all read."""

import re
from pathlib import Path

from prep.text.number_words import CARDINALS, MONTH_NUMBERS, MONTH_PATTERN, MONTHS, ORDINALS, SPELLED

ROOT = Path(__file__).parents[3]


def test_each_word_has_its_value() -> None:
    assert [CARDINALS[word] for word in ("zero", "twelve", "thirteen", "nineteen", "twenty", "fifty", "ninety")] == [
        0,
        12,
        13,
        19,
        20,
        50,
        90,
    ]
    assert (len(CARDINALS), ORDINALS[0], ORDINALS[11], ORDINALS[19]) == (28, "first", "twelfth", "twentieth")
    assert (MONTH_NUMBERS["january"], MONTH_NUMBERS["sep"], MONTH_NUMBERS["sept"], MONTH_NUMBERS["december"]) == (1, 9, 9, 12)


def test_patterns_take_whole_words() -> None:
    assert [re.match(MONTH_PATTERN, text)[0] for text in ("sept. 3", "september", "sep 3", "may", "juno")] == [  # type: ignore[index]
        "sept",
        "september",
        "sep",
        "may",
        "jun",
    ]
    assert re.findall(SPELLED, "one TWO sixteen sixty-five a dozen billions canteen") == ["TWO", "sixteen", "sixty", "five", "dozen"]


def test_no_module_writes_the_table_again() -> None:
    listed = re.compile(r"(?i)\b(?:september|seventeen|eigh\|nine|fourteenth)\b|\bsep\b.{1,4}\boct\b")
    packages = ("loopwright", "templates", "prep", "train", "evals", "loop")
    found = {
        path.name for package in packages for path in (ROOT / package).rglob("*.py") if listed.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"number_words.py"}
    assert len(MONTHS) == 12
