"""The sample data, as several benchmarks read it."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).resolve().parents[1] / "sample_data"


def sample_calls() -> Iterator[dict[str, Any]]:
    """Yields the sample calls with a summary; a line that is broken, as one is on purpose, is passed over."""
    with (SAMPLES / "calls" / "calls.jsonl").open(encoding="utf-8") as file:
        for line in file:
            with suppress(ValueError):
                found = json.loads(line)
                if found["summary"]:
                    yield found
