"""The trainer beside TRL: seconds of the training loop, of the whole process, memory, and the loss on held-out rows.

    python benchmarks/trainer.py --work FOLDER [--shapes reviews,summaries,notes] [--steps 60] [--rounds 1]
                                 [--systems ours,exact,two-processes,trl,trl-tuned] [--tuned-batch N] [--model embedded]

The same rows, effective batch (8), learning rate, schedule and adapter (rank 16 on all linear layers) for all. `trl` is `SFTTrainer` as it
comes; `trl-tuned` has a bfloat16 base, no checkpointing, rows grouped by length and the micro-batch that is fastest over four steps
(`--tuned-batch` names it; `--tried compiled` tries torch_compile with it, too). `exact` is ours without its fast path, `two-processes` ours
by torchrun. Each measurement is a process of its own, in turns; the first step is out of the loop's time. The held-out loss is measured by
one and the same code for all. Needs TRL 1.16 (the extra `rlhf`), and an idle machine.

Shapes, of the sample data: `reviews`, short rows of one instruction; `summaries`, calls of some 280 tokens; `notes`, four calls at once,
some 1,000 tokens.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from samples import SAMPLES, sample_calls

from loopwright.process import prepare_process
from train.world import World

REPOSITORY = Path(__file__).resolve().parents[1]
BATCH, RATE, WARMUP, LENGTH = 8, 5e-4, 0.05, 2048
TUNED_BATCHES = (1, 2, 4, 8)
TRIED_STEPS = 4


def write_datasets(work: Path, shapes: list[str]) -> dict[str, Path]:
    """Builds the datasets of some shapes; returns their folders."""
    calls = list(sample_calls())
    spoken = ["\n".join(f"{turn['speaker']}: {turn['text']}" for turn in call["turns"]) for call in calls]
    joined = [
        {"text": "\n\n".join(spoken[place : place + 4]), "summary": " ".join(call["summary"] for call in calls[place : place + 4])}
        for place in range(len(calls) - 3)
    ]
    (work / "notes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in joined), encoding="utf-8")
    split = {"train": 0.8, "validation": 0.2, "test": 0}
    notes = {"name": "notes", "sources": [{"path": "notes.jsonl"}], "templates": [{"name": "general/summary"}], "split": split}
    (work / "notes.yaml").write_text(json.dumps(notes), encoding="utf-8")
    configs = {"reviews": SAMPLES / "reviews" / "reviews.yaml", "summaries": SAMPLES / "calls" / "calls.yaml", "notes": work / "notes.yaml"}
    made = {}
    for shape in shapes:
        made[shape] = work / shape
        if not made[shape].exists():
            program = "from prep.cli.app import main; main()"
            command = [sys.executable, "-c", program, "build", str(configs[shape]), "--out", str(made[shape])]
            subprocess.run(command, check=True, capture_output=True, cwd=REPOSITORY)
    return made


def ours(dataset: Path, out: Path, model: str, steps: int, *, exact: bool) -> dict[str, Any]:
    """Trains with this project."""
    from train.config import TrainConfig
    from train.run import train

    config = TrainConfig.model_validate(
        {"model": model, "max_steps": steps, "epochs": 1000, "batch_size": BATCH, "learning_rate": RATE, "warmup": WARMUP}
        | {"max_length": LENGTH, "leaks": "allow", "validation": False, "best": "last", "keep_checkpoints": [], "exact": exact}
    )
    record = train(dataset, out, config, overwrite=True)
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    tokens = record.num_tokens / record.num_steps
    seconds = record.seconds - tokens / lines[0]["tokens_per_second"]
    return {"seconds": seconds, "steps": record.num_steps - 1, "bytes": record.peak_memory_bytes}


def trl(dataset: Path, out: Path, model: str, steps: int, micro_batch: int | None, *, compiled: bool = False) -> dict[str, Any]:
    """Trains with TRL's SFTTrainer: as it comes, or tuned where a micro-batch is given."""
    import resource

    import polars as pl
    import torch
    from datasets import Dataset as Table
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from prep.dataset.manifest import Dataset
    from train.models.load import model_folder, use_physical_cores

    use_physical_cores()
    rows = Dataset.open(dataset).examples("train").select(pl.col("messages")).collect()["messages"].to_list()
    chats = [[{"role": one["role"], "content": one["content"]} for one in row] for row in rows]
    table = Table.from_list([{"prompt": chat[:-1], "completion": chat[-1:]} for chat in chats])
    ends: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            ends.append(time.perf_counter())

    tuned = micro_batch is not None
    folder = model_folder(model)
    loaded = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16 if tuned else torch.float32)
    size = micro_batch or BATCH
    more: dict[str, Any] = {"train_sampling_strategy": "group_by_length", "bf16": True, "gradient_checkpointing": False} if tuned else {}
    arguments = SFTConfig(
        output_dir=str(out),
        per_device_train_batch_size=size,
        gradient_accumulation_steps=BATCH // size,
        max_steps=steps,
        learning_rate=RATE,
        lr_scheduler_type="cosine",
        warmup_steps=round(WARMUP * steps),
        max_length=LENGTH,
        use_cpu=not torch.cuda.is_available(),
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=17,
        torch_compile=compiled,
        **more,
    )
    adapter = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    trainer = SFTTrainer(
        model=loaded, args=arguments, train_dataset=table, processing_class=tokenizer, peft_config=adapter, callbacks=[Clock()]
    )
    trainer.train()
    trainer.save_model(str(out))
    return {"seconds": ends[-1] - ends[0], "steps": len(ends) - 1, "bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def held_out(dataset: Path, adapter: Path, model: str) -> float:
    """Returns the mean loss per trained token on the validation split, by the model's own modules, in nats."""
    from prep.dataset.manifest import Dataset
    from templates.chat import load_tokenizer
    from train.config import TrainConfig
    from train.data.examples import load_validation
    from train.engine.passes import Passes
    from train.engine.values import scorer_for
    from train.methods.lora import Lora
    from train.models.load import load_model
    from train.objectives.base import OBJECTIVES

    config = TrainConfig(model=model)
    objective = OBJECTIVES.get("chat")(config)
    examples = load_validation(Dataset.open(dataset), objective, load_tokenizer(model), config, LENGTH)
    loaded = Lora.load(load_model(model), adapter)
    return Passes(loaded, scorer_for(objective, loaded, exact=True), objective, config).mean_loss(examples)


def measure(
    name: str, dataset: Path, out: Path, model: str, *, steps: int = 0, micro_batch: int | None = None, compiled: bool = False
) -> dict[str, Any]:
    """Runs one system in a process of its own, or in two."""
    asked = {"name": name, "dataset": str(dataset), "out": str(out), "model": model, "steps": steps, "micro_batch": micro_batch}
    started = time.perf_counter()
    several = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"] if name == "two-processes" else []
    command = [sys.executable, *several, __file__, "--one", json.dumps({**asked, "compiled": compiled})]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    whole = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(f"{name} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return {**json.loads(done.stdout.splitlines()[-1]), "whole": whole}


def one(asked: dict[str, Any]) -> dict[str, Any]:
    """Does what a process of `measure` is for."""
    sys.path.insert(0, str(REPOSITORY))
    dataset, out = Path(asked["dataset"]), Path(asked["out"])
    if asked["name"] in {"ours", "exact", "two-processes"}:
        prepare_process()  # as the command does
        return ours(dataset, out, asked["model"], asked["steps"], exact=asked["name"] == "exact")
    if asked["name"] == "held-out":
        return {"loss": held_out(dataset, out, asked["model"])}
    return trl(dataset, out, asked["model"], asked["steps"], asked["micro_batch"], compiled=asked["compiled"])


def compare(shape: str, dataset: Path, arguments: argparse.Namespace) -> None:
    """Measures all systems on a shape, in turns, and prints a line each."""
    systems, work = arguments.systems.split(","), arguments.work / "runs"
    best = arguments.tuned_batch
    if "trl-tuned" in systems and best is None:
        tried = {
            size: measure("trl-tuned", dataset, work / "tried", arguments.model, steps=TRIED_STEPS, micro_batch=size)["seconds"]
            for size in TUNED_BATCHES
        }
        best = min(tried, key=lambda size: tried[size])
        print(f"{shape}: TRL's micro-batches, seconds of {TRIED_STEPS - 1} steps: {tried}; taken: {best}", flush=True)
    if "compiled" in arguments.tried.split(","):
        runs = [
            measure("trl-tuned", dataset, work / "tried", arguments.model, steps=TRIED_STEPS, micro_batch=best, compiled=compiled)
            for compiled in (False, True)
        ]
        print(f"{shape}: TRL without and with torch_compile: {[(run['seconds'], run['whole']) for run in runs]}", flush=True)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in systems}
    for number in range(arguments.rounds):
        for name in systems:
            out = work / f"{shape}-{name}-{number}"
            size = best if name == "trl-tuned" else None
            one_run = measure(name, dataset, out, arguments.model, steps=arguments.steps, micro_batch=size)
            one_run["loss"] = measure("held-out", dataset, out, arguments.model)["loss"]
            found[name].append(one_run)
            print(f"{shape}: round {number + 1} of {name}: {one_run}", flush=True)
    first = median(run["seconds"] / run["steps"] for run in found[systems[0]])
    first_whole = median(run["whole"] for run in found[systems[0]])
    for name, runs in found.items():
        step, whole = median(run["seconds"] / run["steps"] for run in runs), median(run["whole"] for run in runs)
        gigabytes, loss = max(run["bytes"] for run in runs) / 1e9, median(run["loss"] for run in runs)
        print(
            f"{shape:10} {name:10} {step:7.3f} s a step ({step / first:5.2f}x)  whole {whole:7.1f} s ({whole / first_whole:5.2f}x)  "
            f"{gigabytes:5.2f} GB  held-out loss {loss:.4f}",
            flush=True,
        )


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--shapes", default="reviews,summaries,notes")
    parser.add_argument("--systems", default="ours,exact,trl,trl-tuned")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--tuned-batch", type=int)
    parser.add_argument("--tried", default="")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        found = one(json.loads(arguments.one))
        if World.of_environment().is_first:
            print(json.dumps(found))
        return
    if arguments.work is None:
        parser.error("name a folder: --work FOLDER")
    arguments.work = arguments.work.resolve()
    arguments.work.mkdir(parents=True, exist_ok=True)
    shapes = arguments.shapes.split(",")
    for shape, dataset in write_datasets(arguments.work, shapes).items():
        compare(shape, dataset, arguments)


if __name__ == "__main__":
    main()
