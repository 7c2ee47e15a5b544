"""`report.html` of a run: one page that needs nothing but itself. Corpus text in it is escaped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl

from loopwright.files import write_atomic
from loopwright.page import make_page
from loopwright.plots import Histogram, histogram
from train.config import TrainConfig, flat, flat_options
from train.reports.cartography import MOST_LISTED, RowFacts, RowMap, read_dynamics, row_map
from train.reports.curves import MOST_POINTS, Metrics, loss_plot, seeds_plots, small_plots
from train.runs.folder import seed_dir
from train.runs.proof import Proof, failed_proofs
from train.runs.record import REPORT_NAME, RunRecord, SampleSpan

_TEMPLATE = Path(__file__).parent / "report.html.jinja"
_SEEDS_TEMPLATE = Path(__file__).parent / "seeds.html.jinja"
_BINS_PER_OCTAVE = 4
_MAX_SPAN = 4000
_CONFIDENCE = {
    "chat": "the geometric mean of the probabilities of its trained tokens",
    "completion": "the geometric mean of the probabilities of its tokens",
    "verbalizer": "by default the probability of the right choice among the choices",
    "cloze": "by default the probability of the right choice among the choices",
    "reward": "the probability that the loss gives to the preferred answer",
}


@dataclass(frozen=True, slots=True)
class LongRow:
    """One of the longest rows."""

    id: str
    location: str
    num_tokens: int
    num_trained_tokens: int | None
    share: float


@dataclass(frozen=True, slots=True)
class Option:
    """One option of the run; `default` is what it is where nothing is said, in words."""

    name: str
    value: str
    default: str

    @property
    def is_changed(self) -> bool:
        """Whether it was given another value than its default."""
        return self.value != self.default


def write_report(record: RunRecord, run_dir: Path, rows: Mapping[str, RowFacts]) -> None:
    """Writes a run's page, readable by its owner alone: the sample and the rows' places are of the corpus.

    Args:
        record: what `run.json` says, or is about to.
        run_dir: its folder, which has all that the page is made of beside the record.
        rows: each row that was trained on, by its id; empty where they are not known.

    Raises:
        UserError: it cannot be written.
    """
    write_atomic(run_dir / REPORT_NAME, render_report(record, run_dir, rows), private=True)


def write_seeds_report(record: RunRecord, records: Sequence[RunRecord], run_dir: Path) -> None:
    """Writes the page of a run from several seeds, which leads to those of the seeds.

    Args:
        record: the whole run's.
        records: one a seed.
        run_dir: the whole run's folder.

    Raises:
        UserError: it cannot be written.
    """
    write_atomic(run_dir / REPORT_NAME, render_seeds_report(record, records, run_dir), private=True)


def render_report(record: RunRecord, run_dir: Path, rows: Mapping[str, RowFacts]) -> str:
    """Returns the HTML of a run's page; equal run folders give equal pages. The arguments are those of `write_report`."""
    metrics, dynamics = Metrics.read(run_dir), read_dynamics(run_dir)
    return make_page(
        _TEMPLATE,
        record=record,
        **_names(record),
        metrics=metrics,
        losses=loss_plot(metrics, record),
        small_plots=small_plots(metrics),
        rows=_row_map(dynamics, rows),
        confidence=_CONFIDENCE.get(record.objective, "a number between 0 and 1 that falls as the loss rises"),
        longest=_longest(dynamics, rows),
        lengths=_lengths(rows),
        sample=_sequences(record.sample.spans),
        failed=failed_proofs(record.proofs),
        options=_options(record.config),
        num_of=num_of,
        size=_size,
        verdict=_verdict,
        most_points=MOST_POINTS,
    )


def render_seeds_report(record: RunRecord, records: Sequence[RunRecord], run_dir: Path) -> str:
    """Returns the HTML of the page of a run from several seeds. The arguments are those of `write_seeds_report`."""
    losses = [one.validation_loss for one in records if one.validation_loss is not None]
    return make_page(
        _SEEDS_TEMPLATE,
        record=record,
        **_names(record),
        records=records,
        plots=seeds_plots([(one, Metrics.read(seed_dir(run_dir, one.seed))) for one in records]),
        spread=(min(losses), max(losses)) if len(losses) > 1 else None,
        failed={one.seed: sorted(failed_proofs(one.proofs)) for one in records},
        link=lambda one: f"{seed_dir(Path(), one.seed).as_posix()}/{REPORT_NAME}",
    )


def num_of(count: int, one: str, many: str | None = None) -> str:
    """Returns a number with the right form of a noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _names(record: RunRecord) -> dict[str, str]:
    """Returns what the heading calls the model and the dataset: the ends of their paths."""
    return {"model": Path(record.model).name or record.model, "dataset": Path(record.dataset).name or record.dataset}


def _row_map(dynamics: pl.DataFrame | None, rows: Mapping[str, RowFacts]) -> RowMap | None:
    return row_map(dynamics, rows) if dynamics is not None and len(dynamics) else None


def _longest(dynamics: pl.DataFrame | None, rows: Mapping[str, RowFacts]) -> list[LongRow]:
    trained = {} if dynamics is None else dict(dynamics.select("id", "num_trained_tokens").iter_rows())
    total = sum(one.num_tokens for one in rows.values())
    longest = sorted(rows.items(), key=lambda item: (-item[1].num_tokens, item[0]))[:MOST_LISTED]
    return [LongRow(name, one.location, one.num_tokens, trained.get(name), one.num_tokens / total) for name, one in longest]


def _lengths(rows: Mapping[str, RowFacts]) -> Histogram | None:
    """Returns how long rows are, in tokens."""
    if not rows:
        return None
    tokens = pl.Series([one.num_tokens for one in rows.values()], dtype=pl.Int64)
    bins = (tokens.log(2) * _BINS_PER_OCTAVE).floor().cast(pl.Int64).value_counts().iter_rows()
    return histogram("Tokens a row", {"rows": dict(bins)}, bins_per_octave=_BINS_PER_OCTAVE)


def _sequences(spans: Sequence[SampleSpan]) -> list[tuple[str, list[tuple[str, bool]]]]:
    """Returns each sequence of the sample with its stretches; line breaks that are trained are made to be seen."""
    return [(name, [(_span_text(span), span.trained) for span in those]) for name, those in groupby(spans, key=lambda span: span.sequence)]


def _span_text(span: SampleSpan) -> str:
    text, half = span.text, _MAX_SPAN // 2
    if len(text) > _MAX_SPAN:
        text = f"{text[:half]} [… {len(text) - _MAX_SPAN:,} characters …] {text[-half:]}"
    return text.replace("\n", "↵\n") if span.trained else text


def _options(config: Mapping[str, Any]) -> list[Option]:
    given, default = flat(config), flat_options(TrainConfig())
    return [Option(name, _said(value), _said(default.get(name))) for name, value in given.items()]


def _said(value: object) -> str:
    """Returns a value as a config file would hold it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(map(_said, value))}]" if isinstance(value, list | tuple) else str(value)


def _size(num_bytes: int) -> str:
    """Returns a number of bytes in the unit that suits it."""
    return f"{num_bytes / 2**30:.1f} GiB" if num_bytes >= 2**30 else f"{num_bytes / 2**20:.0f} MiB"


def _verdict(proof: Proof) -> str:
    return proof.passed if isinstance(proof.passed, str) else "passed" if proof.passed else "failed"
