"""`train plan` beside the runs that it plans: predicted minutes and gigabytes with their intervals, and what was measured.

    python benchmarks/plan.py --work FOLDER [--model embedded] [--steps 24] [--only dpo,reviews] [--dtype auto] [--json]

Six unlike runs on the sample data, each planned and then made, in processes of their own: short reviews and call summaries as chats, the
calls as plain texts, pairs of a right and a wrong summary (dpo), the reviews' labels (verbalizer), and all weights (full). Each is ended
after `--steps` steps. Beside a busy machine the figures say nothing: leave it alone.

Prints a row each for the whole time, the time in training steps and the memory: predicted, low, high, measured, measured over predicted,
and whether the measured lies within the interval; tokens are held to be equal. Exits with 1 where tokens differ.
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samples import SAMPLES, sample_calls

REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Case:
    """A run: the dataset that it trains on, and the options of the `train:` section that it differs in."""

    name: str
    dataset: str
    options: dict[str, Any] = field(default_factory=dict)


CASES = (
    Case("reviews", "reviews"),
    Case("summaries", "calls"),
    Case("texts", "texts", {"objective": "completion", "max_length": 512}),
    Case("dpo", "pairs", {"objective": "preference"}),
    Case("verbalizer", "reviews", {"objective": "verbalizer", "batch_size": 16}),
    Case("full", "reviews", {"method": "full"}),
)


def write_sources(work: Path) -> dict[str, Path]:
    """Writes the configs of all datasets; returns them by name."""
    calls = list(sample_calls())
    spoken = ["\n".join(f"{turn['speaker']}: {turn['text']}" for turn in call["turns"]) for call in calls]
    texts = [{"text": text} for text in spoken]
    pairs = [
        {"prompt": f"Summarise the call.\n\n{text}", "chosen": call["summary"], "rejected": other["summary"]}
        for text, call, other in zip(spoken, calls, [*calls[1:], calls[0]], strict=True)
    ]
    made = {name: SAMPLES / name / f"{name}.yaml" for name in ("reviews", "calls")}
    for name, rows, template in (("texts", texts, "general/text"), ("pairs", pairs, "preference/pair")):
        (work / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        config = {
            "name": name,
            "sources": [{"path": f"{name}.jsonl"}],
            "templates": [{"name": template}],
            "split": {"train": 0.8, "validation": 0.2, "test": 0},
        }
        made[name] = work / f"{name}.yaml"
        made[name].write_text(json.dumps(config), encoding="utf-8")
    return made


def call(*arguments: str | Path) -> tuple[str, float]:
    """Runs one of the commands; returns its stdout and its seconds.

    Raises:
        SystemExit: it could not run. A run that fails a proof after so few steps is a run all the same.
    """
    started = time.perf_counter()
    program = f"from {arguments[0]}.cli.app import main; main()"
    command = [sys.executable, "-c", program, *map(str, arguments[1:])]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=REPOSITORY)
    if done.returncode not in {0, 1}:
        raise SystemExit(f"{' '.join(map(str, arguments))}:\n{done.stderr}")
    return done.stdout, time.perf_counter() - started


def measure(case: Case, dataset: Path, work: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Plans a run and makes it; returns both."""
    options = {"model": arguments.model, "dtype": arguments.dtype, "leaks": "allow", "max_steps": arguments.steps, **case.options}
    config = work / f"{case.name}-train.yaml"
    config.write_text(json.dumps({"train": options}), encoding="utf-8")
    planned, planning = call("train", "plan", dataset, "--config", config, "--json")
    ran, seconds = call("train", "run", dataset, "--config", config, "--out", work / f"{case.name}-run", "--overwrite", "--json")
    return {"case": case.name, "plan": json.loads(planned), "run": json.loads(ran), "planning_seconds": planning, "wall_seconds": seconds}


def show(found: dict[str, Any]) -> bool:
    """Prints what was found of a run; says whether its tokens were those of the plan."""
    plan, run = found["plan"], found["run"]
    measured = {
        "minutes": (plan["minutes"], found["wall_seconds"] / 60),
        "seconds": (plan["seconds"], run["seconds"]),
        "gigabytes": (plan["gigabytes"], run["peak_memory_bytes"] / 1e9),
    }
    equal = all(plan[name] == run[name] for name in ("num_tokens", "num_trained_tokens", "num_steps"))
    print(f"\n{found['case']}: {run['num_tokens']:,} tokens, {run['tokens_per_second']:.0f} a second; planned in", end=" ")
    print(f"{found['planning_seconds']:.0f} s; tokens {'are' if equal else 'ARE NOT'} those of the plan")
    print(f"  {'':10} {'predicted':>10} {'low':>10} {'high':>10} {'measured':>10} {'ratio':>6}  within")
    for name, (estimate, value) in measured.items():
        numbers = " ".join(f"{number:10.3f}" for number in (*(estimate[one] for one in ("value", "low", "high")), value))
        within = estimate["low"] <= value <= estimate["high"]
        print(f"  {name:10} {numbers} {value / estimate['value']:6.2f}  {'yes' if within else 'NO'}")
    return equal


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--only", default=",".join(case.name for case in CASES))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    configs, built, equal = write_sources(work), set[str](), True
    for case in (one for one in CASES if one.name in arguments.only.split(",")):
        if case.dataset not in built:
            call("prep", "build", configs[case.dataset], "--out", work / case.dataset)
            built.add(case.dataset)
        found = measure(case, work / case.dataset, work, arguments)
        equal = show(found) and equal
        if arguments.json:
            print(json.dumps(found))
    sys.exit(0 if equal else 1)


if __name__ == "__main__":
    main()
