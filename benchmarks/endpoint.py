"""Answers of a run, as they come here and through a server: `transformers serve` on the merged model, over OpenAI's protocol.

    python benchmarks/endpoint.py --work FOLDER [--sample voice] [--steps 40] [--limit 24] [--new-tokens 96] [--dtype float32]

Builds a sample (the voice, the calls or the clauses), trains on it for some steps, merges the run (`train export --to merged`), serves
the merged model with `transformers serve`, and asks three systems the same validation rows greedily: the run's adapter, the merged
model loaded here, and the server. The first two differ by what merging rounds, the last two by nothing but who generates; so what
differs says where it is from. Prints the rows of equal text for each pair, and where the others part; exits with 1 where the server's
answers are not those of the merged model.

Needs the extras `train` and `endpoint`, and what `transformers serve` needs beside them, fastapi and uvicorn:
pip install 'transformers[serving]'. Without them it says so and stops. What is there already in FOLDER is not made again.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl

REPOSITORY = Path(__file__).resolve().parents[1]
_PATIENCE = 180.0  # seconds until the server has loaded its model
_SERVE = "from transformers.cli.transformers import main; main()"


def require_server() -> None:
    """Makes sure that `transformers serve` can run.

    Raises:
        SystemExit: packages are missing.
    """
    from transformers.utils.import_utils import is_serve_available

    if not is_serve_available():
        sys.exit(
            "transformers serve cannot run here: it needs fastapi, uvicorn and openai. Install them: pip install 'transformers[serving]'"
        )


def merged_model(work: Path, sample: str, steps: int, dtype: str) -> tuple[Path, Path, Path]:
    """Returns the dataset, the run and the merged model, made where they are not there yet."""
    import prep
    import train

    dataset, run, merged = work / sample, work / f"{sample}-run-{dtype}", work / f"{sample}-merged-{dtype}"
    if not dataset.exists():
        prep.build_dataset(REPOSITORY / "sample_data" / sample / f"{sample}.yaml", dataset)
    if not (run / "run.json").is_file():
        train.train(dataset, run, model="embedded", dtype=dtype, max_steps=steps, leaks="allow", overwrite=True)
    if not (merged / "export.json").is_file():
        train.export_run(run, merged, dataset=dataset)
    return dataset, run, merged


@contextmanager
def served(model: Path, dtype: str, log: Path) -> Iterator[str]:
    """Serves a model for the time of the block; gives the address.

    Raises:
        SystemExit: the server ends, or does not answer in time.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["serve", str(model), "--host", "127.0.0.1", "--port", str(port), "--dtype", dtype, "--device", "cpu"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-c", _SERVE, *arguments], stdout=file, stderr=subprocess.STDOUT, env=environment)
    try:
        started = time.monotonic()
        while not is_up(f"http://127.0.0.1:{port}/health"):
            if process.poll() is not None or time.monotonic() - started > _PATIENCE:
                sys.exit(f"the server did not start; it says in {log}:\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
            time.sleep(1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(timeout=30)


def is_up(address: str) -> bool:
    """Says whether a server answers."""
    try:
        with urllib.request.urlopen(address, timeout=5) as response:  # an address of this machine
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def compare(predictions: pl.DataFrame, systems: list[str], names: list[str]) -> dict[str, Any]:
    """Returns, for each two systems, how many rows have equal text and state, and where the others part."""
    by_system = {
        name: {row["id"]: row for row in predictions.filter(system=system).to_dicts()} for system, name in zip(systems, names, strict=True)
    }
    found: dict[str, Any] = {}
    for one, other in combinations(names, 2):
        pairs = [(by_system[one][id_], by_system[other][id_]) for id_ in by_system[one]]
        found[f"{one} and {other}"] = {
            "rows": len(pairs),
            "equal texts": sum(a["prediction"] == b["prediction"] for a, b in pairs),
            "equal but for white space at the ends": sum(
                (a["prediction"] or "").strip() == (b["prediction"] or "").strip() for a, b in pairs
            ),
            "equal states": sum(a["state"] == b["state"] for a, b in pairs),
            "parted": [parting(a, b) for a, b in pairs if a["prediction"] != b["prediction"]],
        }
    return found


def parting(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Returns where two answers part, with what stands there; the sample data are invented, and may be shown."""
    texts = [row["prediction"] or "" for row in (one, other)]
    place = next((index for index, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts)))
    shown = [text[max(0, place - 20) : place + 20] for text in texts]
    return {"id": one["id"], "character": place, "of": list(map(len, texts)), "states": [one["state"], other["state"]], "there": shown}


def main() -> None:
    """Runs all of it and prints what came of it as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sample", choices=("voice", "calls", "legal"), default="voice")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--limit", type=int, default=24)
    parser.add_argument("--new-tokens", type=int, default=96)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    arguments = parser.parse_args()
    require_server()
    import evals

    dataset, run, merged = merged_model(arguments.work, arguments.sample, arguments.steps, arguments.dtype)
    with served(merged.resolve(), arguments.dtype, arguments.work / "server.log") as url:
        systems = [f"adapter:{run}", f"base:{merged}", f"endpoint:{url}#{merged.resolve()}"]
        options = {"systems": systems, "limit": arguments.limit, "max_new_tokens": arguments.new_tokens, "dtype": arguments.dtype}
        # The server generates for one request at a time: more would wait, and be counted as late.
        endpoint = {"concurrency": 1, "timeout": 600.0, "reuse": False}
        result = evals.evaluate(dataset, arguments.work / f"{arguments.sample}-evals-{arguments.dtype}", {"endpoint": endpoint}, **options)
    found = compare(result.predictions(), systems, ["adapter", "merged", "server"])
    seconds = {
        name: round(result.report.systems[system].seconds, 1) for name, system in zip(("adapter", "merged", "server"), systems, strict=True)
    }
    notes = [note for note in result.report.notes if note.startswith("endpoint:")]
    print(
        json.dumps(
            {"sample": arguments.sample, "dtype": arguments.dtype, "compared": found, "seconds": seconds, "notes": notes},
            indent=2,
            ensure_ascii=False,
        )
    )
    served_rows = found["merged and server"]
    sys.exit(served_rows["equal texts"] < served_rows["rows"])


if __name__ == "__main__":
    main()
