"""What is run of `train`, `evals` and `loop`: seeded runs of a tiny random model on sample datasets, on the CPU."""

import time

from checkouts.inputs import Inputs
from checkouts.side import TIMEOUT, Shell, Task

_REVIEWS, _CALLS = "build/sample-reviews/ds", "build/sample-calls/ds"
_TRAIN = """
name: none
train:
  model: MODEL
  dtype: float32
  batch_size: 6
  micro_batch_size: 4
  max_steps: 20
  learning_rate: 0.01
  checkpoint_every: 5
  lora: {rank: 4, alpha: 8, dropout: 0.1}
  seed: 17
"""
_LOOP = """
train: {model: MODEL, dtype: float32, batch_size: 6, max_steps: 12, learning_rate: 0.01, lora: {rank: 4}}
evals: {dtype: float32, num_resamples: 1000, limit: 40}
loop: {out: ROUNDS}
"""


def model_tasks(inputs: Inputs) -> list[Task]:
    """Returns all tasks that run a model, each after those that it needs, which include builds of samples."""
    model, reviews, calls = (inputs.model,), ("build/sample-reviews",), ("build/sample-calls",)
    return [
        Task("train", "reviews", _train_reviews, model, reviews),
        Task("train", "reviews-killed", _train_killed, model, reviews),
        Task("train", "calls", _train_calls, model, calls),
        Task("evals", "reviews", _evals_reviews, model, (*reviews, "train/reviews")),
        Task("evals", "calls", _evals_calls, model, (*calls, "train/calls")),
        Task("evals", "score", _score, (*model, inputs.samples / "foreign"), (*reviews, "train/reviews")),
        Task("loop", "reviews", _loop, (*model, inputs.samples / "reviews")),
    ]


def _config(shell: Shell, text: str, name: str = "train.yaml") -> str:
    shell.path(name).write_text(text.replace("MODEL", f"{shell.at}/input/model"))
    return f"@{name}"


def _train_reviews(shell: Shell) -> None:
    config = _config(shell, _TRAIN)
    shell("run", "train", "run", _REVIEWS, "--config", config, "--out", "@run", "--json", stdout="json")
    shell("again", "train", "run", _REVIEWS, "--config", config, "--out", "@run", "--resume", "--json", stdout="json")
    question = ("--ask", "The soup was cold.", "--max-new-tokens", 12, "--json")
    shell("chat", "train", "chat", "--adapter", "@run", *question, stdout="json")


def _train_killed(shell: Shell) -> None:
    """Kills a run after its first checkpoint, and lets it go on: nothing of the result tells."""
    config = _config(shell, _TRAIN)
    arguments = ("train", "run", _REVIEWS, "--config", config, "--out", "@run")
    process = shell.start("killed", *arguments)
    until = time.monotonic() + TIMEOUT
    while process.poll() is None and not shell.path("run/checkpoint").exists() and time.monotonic() < until:
        time.sleep(0.002)
    process.kill()
    process.wait()
    shell("resumed", *arguments, "--resume", "--json", stdout="json")


def _train_calls(shell: Shell) -> None:
    config = _config(shell, _TRAIN.replace("micro_batch_size: 4", "micro_batch_tokens: 3000").replace("max_steps: 20", "max_steps: 6"))
    arguments = ("--config", config, "--out", "@run", "--truncation", "drop", "--max-length", 1024)
    shell("run", "train", "run", _CALLS, *arguments, "--json", stdout="json")


def _evals_reviews(shell: Shell) -> None:
    arguments = ("--adapter", "train/reviews/run", "--dtype", "float32")
    shell("chat", "evals", "run", _REVIEWS, *arguments, "--out", "@chat", "--json", stdout="report.json")
    test = ("--split", "test", "--form", "verbalizer", "--systems", "base,adapter:train/reviews/run,constant,linear")
    shell("test", "evals", "run", _REVIEWS, *arguments, *test, "--out", "@test", "--json", stdout="report.json")
    shell("wrong", "evals", "run", _REVIEWS, *arguments, "--systems", "base,unheard-of", "--out", "@wrong")


def _evals_calls(shell: Shell) -> None:
    arguments = (
        "--adapter",
        "train/calls/run",
        "--dtype",
        "float32",
        "--limit",
        12,
        "--max-new-tokens",
        16,
        "--systems",
        "base,adapter,constant",
    )
    shell("run", "evals", "run", _CALLS, *arguments, "--out", "@run", "--json", stdout="report.json")


def _score(shell: Shell) -> None:
    shell(
        "base",
        "evals",
        "score",
        _REVIEWS,
        "--model",
        "@input/model",
        "--dtype",
        "float32",
        "--out",
        "@base.parquet",
        "--json",
        stdout="json",
    )
    adapter = ("--adapter", "train/reviews/run", "--dtype", "float32", "--out", "@adapter.parquet")
    shell("adapter", "evals", "score", "@input/foreign/test.jsonl", *adapter, "--json", stdout="json")
    given = ("--model-scores", "@base.parquet", "--training-ledger", "train/reviews/run", "--format", "json")
    shell("lint", "prep", "lint", _REVIEWS, *given, stdout="lint.json")


def _loop(shell: Shell) -> None:
    """Two rounds; the second compares itself with the first."""
    sample = shell.path("input/reviews/reviews.yaml")
    text = _LOOP.replace("MODEL", f"{shell.at}/input/model").replace("ROUNDS", "../../rounds")
    sample.write_text(sample.read_text() + text)
    shell("first", "loop", "run", "@input/reviews/reviews.yaml", "--json", stdout="json")
    shell("second", "loop", "run", "@input/reviews/reviews.yaml", "--force", "--json", stdout="json")
    shell("status", "loop", "status", "@input/reviews/reviews.yaml", "--json", stdout="json")
