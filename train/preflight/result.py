"""What `train plan` says."""

from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from loopwright.notebook import html_table


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number that is predicted.

    Attributes:
        value: the likeliest.
        low: what it is hardly below.
        high: what it is hardly above.
    """

    value: float
    low: float
    high: float

    def __add__(self, other: "Estimate") -> "Estimate":
        """Adds the values, and the ends of the intervals: errors of one machine do not cancel each other."""
        return Estimate(self.value + other.value, self.low + other.low, self.high + other.high)

    def times(self, factor: float) -> "Estimate":
        """Returns it in another unit, or so many times."""
        return Estimate(self.value * factor, self.low * factor, self.high * factor)

    def rounded(self) -> "Estimate":
        """Returns it with four significant digits."""
        return Estimate(*(float(f"{number:.4g}") for number in (self.value, self.low, self.high)))


@dataclass(frozen=True, slots=True)
class TimedBatch:
    """A micro-batch that was timed.

    Attributes:
        num_tokens: tokens of its examples.
        num_positions: what the model reads, padding included.
        longest: tokens of its longest sequence.
        flops: floating-point operations, forward and backward.
        seconds: what it took.
        predicted_seconds: what the fit says of it.
    """

    num_tokens: int
    num_positions: int
    longest: int
    flops: float
    seconds: float
    predicted_seconds: float


@dataclass(frozen=True, slots=True)
class PlanResult:
    """What a run will take, by `train plan`.

    Attributes:
        minutes: what one waits for, from the command to `run.json`.
        gigabytes: the most memory that the run's process takes, of the GPU where there is one (10^9 bytes).
        num_tokens: tokens through the model in all steps, as `run.json` will say; of all seeds together.
        num_trained_tokens: supervised tokens among them, as `run.json` will say.
        padding_share: share of the positions of all micro-batches that are padding; 0 where examples are packed.
        truncated_rows: rows over the length limit, which `truncation: drop` leaves out and `truncation: raise` stops at.
        adapter_parameters: number of trained parameters.
        warnings: what to think about before the run, a sentence each.
        seconds: time in training steps, as `run.json` will say; of all seeds together.
        parts: minutes of each part of the whole.
        num_steps: steps of the run; of all seeds together.
        timed: the micro-batches that were timed.
    """

    minutes: Estimate
    gigabytes: Estimate
    num_tokens: int
    num_trained_tokens: int
    padding_share: float
    truncated_rows: int
    adapter_parameters: int
    warnings: list[str]
    seconds: Estimate
    parts: dict[str, Estimate]
    num_steps: int
    timed: tuple[TimedBatch, ...] = field(default=(), repr=False)

    def to_json(self) -> dict[str, Any]:
        """Returns what `train plan --json` prints."""
        return {
            "minutes": asdict(self.minutes),
            "gigabytes": asdict(self.gigabytes),
            "num_tokens": self.num_tokens,
            "num_trained_tokens": self.num_trained_tokens,
            "padding_share": self.padding_share,
            "truncated_rows": self.truncated_rows,
            "adapter_parameters": self.adapter_parameters,
            "warnings": list(self.warnings),
            "seconds": asdict(self.seconds),
            "num_steps": self.num_steps,
            "parts": {name: asdict(part) for name, part in self.parts.items()},
        }

    def to_polars(self) -> pl.DataFrame:
        """Returns the micro-batches that were timed: a row each, with what the fit says of it."""
        return pl.DataFrame([asdict(one) for one in self.timed], schema=list(TimedBatch.__dataclass_fields__), orient="row")

    def lines(self) -> list[tuple[str, str]]:
        """Returns what people are shown: names and texts."""
        trained = f", {self.num_trained_tokens:,} of them trained" if self.num_trained_tokens else ""
        longest = sorted(self.parts.items(), key=lambda part: -part[1].value)
        return [
            ("time", f"{_duration(self.minutes.value)} ({_duration(self.minutes.low)} to {_duration(self.minutes.high)})"),
            ("of it", ", ".join(f"{name} {_duration(part.value)}" for name, part in longest if part.value * 60 >= 1)),
            ("memory", f"{self.gigabytes.value:.1f} GB ({self.gigabytes.low:.1f} to {self.gigabytes.high:.1f})"),
            ("steps", f"{self.num_steps:,}"),
            ("tokens", f"{self.num_tokens:,}{trained}"),
            ("padding", f"{self.padding_share:.0%} of the positions" if self.padding_share else "none: examples are packed"),
            ("over the length limit", f"{self.truncated_rows:,} rows"),
            ("trained parameters", f"{self.adapter_parameters:,}"),
        ]

    def _repr_html_(self) -> str:
        return html_table("plan of a run", ("", "value"), self.lines(), self.warnings)


def _duration(minutes: float) -> str:
    """Returns a time for people: `40 s`, `12 min`, `3 h 20 min`."""
    seconds = minutes * 60
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    if minutes < 90:
        return f"{minutes:.0f} min" if minutes >= 10 else f"{minutes:.1f} min"
    return f"{int(minutes // 60)} h {int(minutes % 60)} min"
