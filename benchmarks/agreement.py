"""Log-likelihoods of choices: this project's beside those of lm-evaluation-harness, on the same prompts in float32.

    python -m venv /tmp/peers --system-site-packages    # or any environment in which Loopwright is installed
    /tmp/peers/bin/pip install lm-eval==0.4.13 accelerate
    /tmp/peers/bin/python benchmarks/agreement.py [--dataset out/reviews] [--model embedded] [--limit 20]

The harness is installed apart, as it brings versions of its own. Prints the largest difference in nats, both accuracies and both
speeds; exits with 1 where the log-likelihoods differ by more than 1e-4 nats or the accuracies differ at all.
"""

import argparse
import importlib.util
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Result:
    """What one tool found: the log-likelihoods of each example's choices, the accuracy, and the seconds without loading."""

    loglikelihoods: list[list[float]]
    accuracy: float
    seconds: float


def build_reviews(folder: Path) -> Path:
    """Builds the sample reviews."""
    from prep.build.run import build

    build(REPOSITORY / "sample_data" / "reviews" / "reviews.yaml", folder)
    return folder


def by_loopwright(model_name: str, dataset: Path, limit: int) -> Result:
    """Scores as `evals run --form verbalizer --dtype float32` does."""
    from evals.config import EvalsConfig
    from evals.data.rows import load_rows
    from evals.predict.requests import encode_choices
    from prep.dataset.manifest import Dataset
    from train.inference.language_model import LanguageModel
    from train.inference.loglikelihood import score_choices

    model = LanguageModel(model_name, "float32", {})
    rows = load_rows(Dataset.open(dataset), "validation")[0][:limit]
    started = time.perf_counter()
    requests = [encode_choices(model.tokenizer, row, "verbalizer") for row in rows]
    batch = EvalsConfig().max_batch_tokens
    scored = score_choices(model.model, requests, max_length=model.max_length, max_batch_tokens=batch, advance=lambda _done: None)
    seconds = time.perf_counter() - started
    values = [list(result.loglikelihoods) for result in scored]
    right = [max(range(len(one)), key=one.__getitem__) == row.label for one, row in zip(values, rows, strict=True)]
    return Result(values, sum(right) / len(right), seconds)


def by_harness(model_folder: str, lines: list[dict[str, Any]], batch_size: int) -> Result:
    """Scores the same lines as a multiple-choice task of lm-evaluation-harness."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    model = HFLM(pretrained=model_folder, dtype="float32", device="cpu", batch_size=batch_size)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "validation.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        task = {
            "task": "agreement",
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"validation": str(path)}, "cache_dir": name},
            "validation_split": "validation",
            "output_type": "multiple_choice",
            "doc_to_text": "prompt",
            "doc_to_choice": "choices",
            "doc_to_target": "label",
            "target_delimiter": " ",
            "num_fewshot": 0,
            "metric_list": [{"metric": "acc"}],
        }
        started = time.perf_counter()
        found = simple_evaluate(
            model, tasks=[task], task_manager=TaskManager(include_defaults=False), bootstrap_iters=0, log_samples=True, verbosity="ERROR"
        )
        seconds = time.perf_counter() - started
    samples = sorted(found["samples"]["agreement"], key=lambda sample: sample["doc_id"])
    values = [[float(answer[0]) for answer in sample["filtered_resps"]] for sample in samples]
    return Result(values, found["results"]["agreement"]["acc,none"], seconds)


def main() -> None:
    """Runs both and prints the comparison."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dataset", type=Path, help="a dataset with verbalizer output; default: the sample reviews, built anew")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=8, help="the harness's")
    arguments = parser.parse_args()
    if importlib.util.find_spec("lm_eval") is None:
        sys.exit("lm-evaluation-harness is not installed here. Install it: pip install lm-eval==0.4.13 accelerate")
    os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
    from loopwright.models import resolve_model

    with tempfile.TemporaryDirectory() as name:
        dataset = arguments.dataset or build_reviews(Path(name) / "reviews")
        text = (dataset / "verbalizer" / "validation.jsonl").read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text.splitlines()][: arguments.limit]
        ours = by_loopwright(arguments.model, dataset, arguments.limit)
    theirs = by_harness(resolve_model(arguments.model), lines, arguments.batch_size)
    pairs = zip(ours.loglikelihoods, theirs.loglikelihoods, strict=True)
    largest = max(abs(a - b) for one, other in pairs for a, b in zip(one, other, strict=True))
    for tool, result in (("loopwright", ours), ("lm-evaluation-harness", theirs)):
        print(f"{tool:<22} accuracy {result.accuracy:.4f}  {len(lines) / result.seconds:8.2f} examples/s")
    print(f"largest difference of a log-likelihood: {largest:.2e} nats, over {len(lines)} examples")
    sys.exit(largest > TOLERANCE or ours.accuracy != theirs.accuracy)


if __name__ == "__main__":
    main()
