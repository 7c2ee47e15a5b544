"""Personal identifiers: this project's spans beside Presidio's with its default recognisers, on the same sentences, in one run.

    python -m venv /tmp/peers --system-site-packages    # or any environment in which Loopwright is installed
    /tmp/peers/bin/pip install presidio-analyzer==2.2.366
    /tmp/peers/bin/python benchmarks/pii.py PATH/synth_dataset_v2.json [--spacy-model en_core_web_sm]

The file is presidio-research's: sentences with `full_text` and `spans` (`entity_type`, `start_position`, `end_position`). A span counts
only where kind, start and end are all right. Presidio needs a spaCy pipeline for its tokens; without `--spacy-model` it gets a blank
English one, without the lemmas that its context words are compared by. Prints precision, recall and F1 a kind, and the seconds that each
took; exits with 1 where the targets are missed (F1 0.95 over all kinds but phones; 10 points over Presidio there).
"""

import argparse
import importlib.util
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

KINDS = ("EMAIL_ADDRESS", "CREDIT_CARD", "IBAN_CODE", "US_SSN", "IP_ADDRESS", "URL", "PHONE_NUMBER")
# The file's name for a web address, and what this project reports one with a password as.
NAMES = {"DOMAIN_NAME": "URL", "URL_CREDENTIALS": "URL"}
Span = tuple[str, int, int]


@dataclass(slots=True)
class Score:
    """Hits, false finds and misses a kind, and the seconds they took."""

    hits: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def figures(self, *kinds: str) -> tuple[float, float, float]:
        """Returns precision, recall and F1 over some kinds together."""
        hits, false, missed = (sum(counts[kind] for kind in kinds) for counts in (self.hits, self.false, self.missed))
        precision = hits / (hits + false) if hits + false else 0.0
        recall = hits / (hits + missed) if hits + missed else 0.0
        return precision, recall, 2 * precision * recall / (precision + recall) if hits else 0.0


def measure(rows: list[tuple[str, set[Span]]], find: Callable[[str], set[Span]]) -> Score:
    """Runs a finder over all sentences and compares its spans with the given ones."""
    score = Score()
    started = time.perf_counter()
    found = [find(text) for text, _ in rows]
    score.seconds = time.perf_counter() - started
    for (_, given), spans in zip(rows, found, strict=True):
        score.hits.update(kind for kind, _, _ in spans & given)
        score.false.update(kind for kind, _, _ in spans - given)
        score.missed.update(kind for kind, _, _ in given - spans)
    return score


def read_rows(path: Path) -> list[tuple[str, set[Span]]]:
    """Reads the sentences and their spans of the kinds compared."""
    rows = []
    for row in json.loads(path.read_text(encoding="utf-8")):
        spans = {(NAMES.get(one["entity_type"], one["entity_type"]), one["start_position"], one["end_position"]) for one in row["spans"]}
        rows.append((row["full_text"], {span for span in spans if span[0] in KINDS}))
    return rows


def by_loopwright(text: str) -> set[Span]:
    """Finds with this project's patterns."""
    from prep.pii import find_pii

    spans = {(NAMES.get(span.kind, str(span.kind)), span.start, span.end) for span in find_pii(text)}
    return {span for span in spans if span[0] in KINDS}


def presidio(model: str | None) -> Callable[[str], set[Span]]:
    """Returns Presidio with its default recognisers; of finds that overlap, the surest and longest counts, as its anonymiser has it."""
    import spacy
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    folder = model
    if folder is None:
        folder = "/tmp/loopwright-blank-en"  # Presidio loads a pipeline by name or folder
        spacy.blank("en").to_disk(folder)
    settings = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": folder}]}
    engine = AnalyzerEngine(nlp_engine=NlpEngineProvider(nlp_configuration=settings).create_engine(), supported_languages=["en"])

    def find(text: str) -> set[Span]:
        kept: list[Span] = []
        for one in sorted(engine.analyze(text, language="en", entities=list(KINDS)), key=lambda one: (-one.score, one.start - one.end)):
            if all(one.end <= start or end <= one.start for _, start, end in kept):
                kept.append((one.entity_type, one.start, one.end))
        return set(kept)

    return find


def main() -> int:
    """Prints the table; returns 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--spacy-model")
    options = parser.parse_args()
    rows = read_rows(options.path)
    scores = {"loopwright": measure(rows, by_loopwright)}
    if importlib.util.find_spec("presidio_analyzer") is None:
        print("presidio is not installed: pip install presidio-analyzer", file=sys.stderr)
    else:
        scores[f"presidio ({options.spacy_model or 'blank pipeline'})"] = measure(rows, presidio(options.spacy_model))
    six = tuple(kind for kind in KINDS if kind != "PHONE_NUMBER")
    print(f"{len(rows)} sentences; strict spans: precision / recall / F1")
    print(f"{'':18}" + "".join(f"{name:>34}" for name in scores))
    for name, kinds in [*((kind, (kind,)) for kind in KINDS), ("all but phones", six)]:
        print(f"{name:18}" + "".join(f"{' / '.join(f'{one:.3f}' for one in score.figures(*kinds)):>34}" for score in scores.values()))
    print(f"{'seconds':18}" + "".join(f"{score.seconds:>34.2f}" for score in scores.values()))
    ours, *others = scores.values()
    reached = ours.figures(*six)[2] >= 0.95
    return 0 if reached and all(ours.figures("PHONE_NUMBER")[2] >= other.figures("PHONE_NUMBER")[2] + 0.1 for other in others) else 1


if __name__ == "__main__":
    sys.exit(main())
