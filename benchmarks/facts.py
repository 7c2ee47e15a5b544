"""Missing and unsupported facts: numbers and names of summaries and clinical notes changed or deleted by a script, and what lint finds.

    python benchmarks/facts.py FOLDER [--share 0.1] [--seed 7] [--show 5]

FOLDER holds `calls/tweetsumm_train.csv` (TweetSumm, `inputs` and `summaries`) and `medical/mts_dialog_train.csv` (MTS-Dialog, `dialogue`
and `section_text`). A share of the answers whose numbers their inputs all have, in any spelling, is damaged, in turn: a number is changed,
a word with a number deleted, a sentence with a number added, a word with a number deleted and the one after it, a name exchanged, the
characters of a number cut out, a number in words exchanged. No config is given.

Prints for each corpus and rule: damaged rows found of those planted for the rule (recall), damaged rows among all that the rule reports
(precision), findings on undamaged rows, and with `--show` some of those: whether they are true is for a reader to say, since people
wrote the summaries, and the corpora have errors of their own.
"""

import argparse
import csv
import json
import random
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from prep.lint.run import LintOptions, lint
from prep.text.numerals import NumeralIndex, numerals

RULES = ("GRM952", "GRM954")


@dataclass(frozen=True, slots=True)
class Corpus:
    """Where a corpus stands and how it is asked for."""

    name: str
    path: str
    source: str
    answer: str
    instruction: str


CORPORA = (
    Corpus("summaries of calls", "calls/tweetsumm_train.csv", "inputs", "summaries", "Summarise the conversation."),
    Corpus("clinical notes", "medical/mts_dialog_train.csv", "dialogue", "section_text", "Write the section of the clinical note."),
)


def change(source: str, answer: str, chooser: random.Random) -> str | None:
    """Changes a number of the answer into one that neither text has."""
    index = NumeralIndex(f"{source}\n{answer}")
    digits = [match for match in re.finditer(r"\d+", answer) if len(match[0]) <= 6]
    if not digits:
        return None
    match = chooser.choice(digits)
    changed = str(int(match[0]) + chooser.choice([1, 3, 10, 27]))
    known = all(index.holds(one) for one in numerals(changed))
    return None if known else answer[: match.start()] + changed + answer[match.end() :]


def add(source: str, answer: str, chooser: random.Random) -> str | None:
    """Adds a sentence with a number that the input has not."""
    index = NumeralIndex(f"{source}\n{answer}")
    number = next(value for value in iter(lambda: chooser.randint(11, 97), None) if not index.holds(numerals(str(value))[0]))
    return f"{answer.rstrip()} {chooser.choice(['It takes {} days.', 'A credit of ${} follows.', 'This is {} minutes later.'])}".format(
        number
    )


def delete(_source: str, answer: str, chooser: random.Random, *, with_next: bool = False) -> str | None:
    """Deletes a word that holds a number, alone or with the word after it; a final stop stays."""
    words = answer.split(" ")
    places = [place for place, word in enumerate(words) if re.search(r"\d", word)]
    if not places or len(words) < 5:
        return None
    place = chooser.choice(places)
    lost = words[place : place + 1 + with_next]
    end = "." if place + len(lost) == len(words) else ""
    return " ".join([*words[:place], *words[place + len(lost) :]]).rstrip(",") + end


def cut_out(_source: str, answer: str, chooser: random.Random) -> str | None:
    """Deletes the characters of a number and nothing else, as a pattern does."""
    found = numerals(answer)
    if not found:
        return None
    number = chooser.choice(found)
    return answer[: number.start] + answer[number.end :]


def rename(source: str, answer: str, chooser: random.Random) -> str | None:
    """Puts another name in the place of one inside a sentence that the input has too."""
    names = [match for match in re.finditer(r"(?<=[a-z,] )[A-Z][a-z]{3,}", answer) if match[0].lower() in source.lower()]
    others = [name for name in _NAMES if name.lower() not in source.lower()]
    if not names:
        return None
    match = chooser.choice(names)
    return answer[: match.start()] + chooser.choice(others) + answer[match.end() :]


def recount(source: str, answer: str, chooser: random.Random) -> str | None:
    """Puts another number in the place of one in words."""
    words = list(re.finditer(r"\b(?:two|three|four|five|six|seven|eight)\b", answer))
    index = NumeralIndex(f"{source}\n{answer}")
    others = [word for number, word in _COUNTS.items() if not index.holds(numerals(number)[0])]
    if not words or not others:
        return None
    match = chooser.choice(words)
    return answer[: match.start()] + chooser.choice(others) + answer[match.end() :]


_NAMES = ("Vodafone", "Lisbon", "Harrison", "Kindle", "Metoprolol", "Toyota", "Ibiza", "Samantha")
_COUNTS = {"3": "three", "6": "six", "7": "seven", "9": "nine", "11": "eleven"}


@dataclass(frozen=True, slots=True)
class Damage:
    """What is done to an answer, and the rule that is to find it."""

    name: str
    rule: str
    make: Callable[[str, str, random.Random], str | None]


DAMAGES = (
    Damage("number changed", "GRM952", change),
    Damage("word with a number deleted", "GRM954", delete),
    Damage("sentence with a number added", "GRM952", add),
    Damage("word with a number and the next deleted", "GRM954", partial(delete, with_next=True)),
    Damage("name exchanged", "GRM952", rename),
    Damage("characters of a number cut out", "GRM954", cut_out),
    Damage("number in words exchanged", "GRM952", recount),
)


def plant(rows: list[tuple[str, str]], share: float, chooser: random.Random) -> tuple[list[tuple[str, str]], dict[int, Damage]]:
    """Returns the rows with some damaged, and row number -> what was done.

    As many are damaged as the share says of those with numbers that their input all has; each damage in turn takes the next row, in a
    drawn order, that it can be done to.
    """
    fit = [place for place, (source, answer) in enumerate(rows) if _supported(source, answer)]
    num_damaged = round(share * sum(bool(numerals(rows[place][1])) for place in fit))
    chooser.shuffle(fit)
    damaged, key = list(rows), {}
    for count in range(num_damaged):
        damage = DAMAGES[count % len(DAMAGES)]
        for place in fit:
            answer = damage.make(*rows[place], chooser) if place + 1 not in key else None
            if answer is not None:
                damaged[place] = (rows[place][0], answer)
                key[place + 1] = damage
                break
    return damaged, key


def _supported(source: str, answer: str) -> bool:
    index = NumeralIndex(source)
    return all(index.holds(one) for one in numerals(answer))


def measure(corpus: Corpus, folder: Path, arguments: argparse.Namespace) -> None:
    """Prints what is found in one corpus."""
    with (folder / corpus.path).open(encoding="utf-8", newline="") as file:
        rows = [(row[corpus.source].replace("<BR>", "\n").strip(), row[corpus.answer].strip()) for row in csv.DictReader(file)]
    damaged, key = plant(rows, arguments.share, random.Random(arguments.seed))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "train.jsonl"
        path.write_text("".join(_line(corpus, source, answer) for source, answer in damaged), encoding="utf-8")
        everything = lint(path, options=LintOptions(select=RULES)).diagnostics
    found = [one for one in everything if one.severity.value != "info"]
    print(f"\n{corpus.name}: {len(rows):,} rows, {len(key)} damaged (seed {arguments.seed})")
    for rule in RULES:
        reported = {one.line for one in found if one.code == rule}
        planted = {line for line, damage in key.items() if damage.rule == rule}
        hits, clean = reported & planted, reported - key.keys()
        precision = len(reported & key.keys()) / len(reported) if reported else float("nan")
        print(f"  {rule}  recall {len(hits)}/{len(planted)} = {len(hits) / max(len(planted), 1):.2f}  precision {precision:.2f}", end="")
        print(f"  on undamaged rows {len(clean)} ({1_000 * len(clean) / len(rows):.1f} a thousand)")
        shown = random.Random(arguments.seed).sample(sorted(line for line in clean if line), min(arguments.show, len(clean)))
        for one in found:
            if one.code == rule and one.line in shown:
                print(f"      row {one.line}: {one.message}")
    for damage in DAMAGES:
        rows_of = {line for line, one in key.items() if one is damage}
        hits, at_all = ({one.line for one in some if one.code == damage.rule} & rows_of for some in (found, everything))
        print(f"    {damage.name}: {len(hits)} of {len(rows_of)}, {len(at_all - hits)} more as information")


def _line(corpus: Corpus, source: str, answer: str) -> str:
    turns = [("system", corpus.instruction), ("user", source), ("assistant", answer)]
    return json.dumps({"messages": [{"role": role, "content": text} for role, text in turns]}, ensure_ascii=False) + "\n"


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--show", type=int, default=0)
    arguments = parser.parse_args()
    for corpus in CORPORA:
        measure(corpus, arguments.folder, arguments)


if __name__ == "__main__":
    main()
