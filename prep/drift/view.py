"""A drift report, for machines and for people. What it quotes of texts is masked, as reports are."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from loopwright.console import printable
from prep.drift.report import DriftReport, MovedWord
from prep.drift.sample import Sample
from prep.drift.verdict import advice, findings, verdict
from prep.pii import mask

if TYPE_CHECKING:
    from rich.console import RenderableType

_MAX_TEXT = 120
_MAX_CATEGORIES = 12


def drift_json(report: DriftReport) -> dict[str, Any]:
    """Returns the report as `prep drift --json` prints it."""
    return {
        "verdict": verdict(report),
        "drifted": report.drifted,
        "size": report.size,
        "advice": list(advice(report)),
        "fields": report.fields,
        "known": _sample_json(report.known),
        "new": _sample_json(report.new),
        "tests": [asdict(test) for test in report.tests],
        "auc_interval": list(report.auc_interval),
        "novel_share": report.novel_share,
        "rows_to_add": report.rows_to_add,
        "length": dict(zip(("known", "new", "unit"), report.lengths, strict=True)),
        "unknown_words": dict(zip(("share", "by_chance"), report.unknown_words, strict=True)),
        "rising": [_word_json(word) for word in report.rising],
        "fading": [_word_json(word) for word in report.fading],
        "labels": [asdict(share) for share in report.labels],
        "languages": [asdict(share) for share in report.languages],
        "overlap": asdict(report.overlap),
        "unlike": [{"place": one.place, "score": one.score, "text": _short(one.text)} for one in report.unlike],
        "smallest": report.smallest,
    }


def _sample_json(sample: Sample) -> dict[str, int]:
    return {"rows": sample.num_rows, "looked_at": sample.num_looked_at, "texts": len(sample.texts)}


def _word_json(word: MovedWord) -> dict[str, Any]:
    return {**asdict(word), "text": _around(word)}


def _short(text: str) -> str:
    text = " ".join(mask(text).split())
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"


def _around(word: MovedWord) -> str:
    """Returns the part of a text in which a word stands."""
    text = " ".join(mask(word.text).split())
    found = re.search(rf"\b{re.escape(word.word)}\b|{re.escape(word.word)}", text, re.IGNORECASE)
    start = max(0, found.start() - _MAX_TEXT // 2) if found else 0
    return f"{'…' if start else ''}{text[start : start + _MAX_TEXT]}{'…' if len(text) > start + _MAX_TEXT else ''}"


def render_drift(report: DriftReport) -> "RenderableType":
    """Returns the report for people: the verdict, why, what to do, and the words and rows behind it."""
    from rich.console import Group
    from rich.text import Text

    blocks: list[RenderableType] = [Text(verdict(report), style="bold red" if report.drifted else "bold green")]
    blocks.append(Text(_samples(report), style="dim"))
    blocks += [Text(printable(f"- {line}")) for line in findings(report)]
    if told := list(advice(report)):
        blocks += [Text("What to do", style="bold"), *(Text(printable(f"- {line}")) for line in told)]
    if report.drifted:
        blocks += [_word_table(title, words) for title, words in (("rising", report.rising), ("fading", report.fading)) if words]
    for title, shares in (("label", report.labels), ("language", report.languages)):
        shifted = sorted(shares, key=lambda share: -abs(share.share_new - share.share_known))[:_MAX_CATEGORIES]
        if len(shares) > 1:
            blocks.append(
                _table((title, "dataset", "new"), [(one.name, f"{one.share_known:.1%}", f"{one.share_new:.1%}") for one in shifted])
            )
    if report.drifted:
        blocks.append(_table(("least like the dataset", "text"), [(one.place, _short(one.text)) for one in report.unlike]))
    return Group(*blocks)


def _samples(report: DriftReport) -> str:
    sides = (("dataset", report.known), ("new", report.new))
    counts = (f"{name}: {len(one.texts):,} distinct texts of {one.num_looked_at:,} rows, of {one.num_rows:,}" for name, one in sides)
    overlap = f"{report.overlap.exact:.1%} of the new texts appear in it, {report.overlap.near:.1%} nearly"
    return printable(f"{'; '.join(counts)}; {overlap}; compared on {', '.join(report.fields)}")


def _word_table(title: str, words: list[MovedWord]) -> "RenderableType":
    rows = [(one.word, f"{one.share_known:.1%}", f"{one.share_new:.1%}", _around(one)) for one in words]
    return _table((f"{title} words", "dataset", "new", "for example"), rows)


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> "RenderableType":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in header:
        table.add_column(name, justify="right" if name in {"dataset", "new"} else "left")
    for row in rows:
        table.add_row(*(Text(printable(value)) for value in row))
    return table
