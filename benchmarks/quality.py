"""What runs bring on real corpora, with the defaults as shipped: held-out rows, intervals, several seeds.

    python benchmarks/quality.py DATA WORK [--only reviews,legal,...] [--model embedded] [--epochs N]

DATA is a folder with the corpora, which are not part of the project:

    reviews/restaurant_reviews.tsv                      Sentiment Labelled Sentences (Kotzias et al., 2015)
    legal/all_v1.json                                   clauses and their plain-English summaries (Manor and Li, 2019)
    medical/mts_dialog_train.csv                        MTS-Dialog (Ben Abacha et al., 2023)
    preference/instruction-data-with-preference.json    instructions with a polite and a rude answer

- `reviews`: three seeds on 370 reviews, 500 held out, against the base and TF-IDF with logistic regression; differences are paired.
- `legal`, `notes`: a domain's text (completion), the loss on documents held out before and after.
- `style`: clauses in plain English (chat), the loss on held-out answers before and after.
- `dpo`, `reward`: how often the preferred of two held-out answers is ahead, and DPO's margin; 26 of the 712 pairs are nearly in the
  held-out ones, past what deduplication takes out.
- `stages`: `legal`, then `style`, with the matrix of losses.

What is there already in WORK is not made again.
"""

import argparse
import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
PROGRAMS = {"prep": "prep.cli.app", "train": "train.cli.app", "evals": "evals.cli"}
HELD_OUT = {"train": 0.8, "validation": 0.2, "test": 0}
SEEDS = 3


def call(*arguments: str | Path) -> str:
    """Runs one of the commands; returns its stdout.

    Raises:
        SystemExit: it could not run.
    """
    program = f"from {PROGRAMS[str(arguments[0])]} import main; main()"
    done = subprocess.run([sys.executable, "-c", program, *map(str, arguments[1:])], check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode not in {0, 1}:
        raise SystemExit(f"{' '.join(map(str, arguments))} ended with {done.returncode}")
    return done.stdout


class Bench:
    """The corpora, and the folder in which datasets and runs lie."""

    def __init__(self, data: Path, work: Path, options: dict[str, Any]) -> None:
        self.data, self.work, self.options = data, work, options

    def dataset(self, name: str, rows: list[dict[str, Any]], template: str, **config: Any) -> Path:
        """Builds a dataset of some rows by a template; returns its folder."""
        folder, source = self.work / name, self.work / f"{name}.jsonl"
        if not folder.exists():
            source.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
            # Near-duplicates leave: a run stops at train rows that are in an evaluation split as well.
            by_id = {"key": "id"} if "id" in rows[0] else {}
            made = {"name": name, "sources": [{"path": source.name, **by_id}], "templates": [{"name": template}]}
            made |= {"dedup": {"exact": True, "near": 0.7}, "split": HELD_OUT, **config}
            (self.work / f"{name}.yaml").write_text(json.dumps(made), encoding="utf-8")
            call("prep", "build", self.work / f"{name}.yaml", "--out", folder)
        return folder

    def run(self, name: str, dataset: Path, **options: Any) -> dict[str, Any]:
        """Trains; returns what run.json says."""
        out = self.work / f"{name}-run"
        if not (out / "run.json").is_file():
            config = self.work / f"{name}-train.yaml"
            config.write_text(json.dumps({"train": {**self.options, **options}}), encoding="utf-8")
            call("train", "run", dataset, "--config", config, "--out", out, "--resume", "--json")
        found: dict[str, Any] = json.loads((out / "run.json").read_text(encoding="utf-8"))
        return found

    def clauses(self) -> list[dict[str, Any]]:
        """Returns the legal corpus: a clause and its summary each."""
        found = json.loads((self.data / "legal" / "all_v1.json").read_text(encoding="utf-8")).values()
        return [{"id": one["uid"], "text": one["original_text"], "summary": one["reference_summary"]} for one in found]

    def pairs(self) -> list[dict[str, Any]]:
        """Returns the preference corpus, without pairs of equal answers."""
        path = self.data / "preference" / "instruction-data-with-preference.json"
        return [
            {"prompt": f"{one['instruction']}\n{one['input']}".strip(), "chosen": one["chosen"], "rejected": one["rejected"]}
            for one in json.loads(path.read_text(encoding="utf-8"))
            if one["chosen"] != one["rejected"]
        ]


def reviews(bench: Bench) -> dict[str, Any]:
    """Three seeds against the base and the linear baseline."""
    with (bench.data / "reviews" / "restaurant_reviews.tsv").open(encoding="utf-8") as file:
        rows = [{"text": one["Review"], "label": one["Liked"]} for one in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    split = {"train": 0.38, "validation": 0.1, "test": 0.52}  # more than 500 stay, once near-duplicates are gone
    labels = {"0": "negative", "1": "positive"}
    folder = bench.dataset("reviews", rows, "reviews/sentiment", labels=labels, split=split, outputs=["chat", "verbalizer"])
    record = bench.run("reviews", folder, seeds=SEEDS)
    seeds = [bench.work / "reviews-run" / f"seed-{seed}" for seed in record["seeds"]]
    out = bench.work / "reviews-evals"
    systems = ["base", "linear", *(f"adapter:{seed}" for seed in seeds)]
    if not (out / "report.json").is_file():
        call("evals", "run", folder, "--split", "test", "--systems", ",".join(systems), "--out", out)
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return {
        "train_rows": record["num_examples"],
        "accuracy": {name: one["metrics"]["accuracy"] for name, one in report["systems"].items()},
        "differences": [one for one in report["pairs"] if one["metric"] == "accuracy"],
    }


def losses(record: dict[str, Any]) -> dict[str, Any]:
    """Returns the held-out loss of a run before and after."""
    kept = ("num_examples", "num_validation_examples", "num_tokens", "seconds", "validation_loss_before", "validation_loss")
    failed = [name for name, proof in record["proofs"].items() if proof["passed"] is False]
    return {**{name: record[name] for name in kept}, "validation_ranked": record["validation_ranked"], "failed_proofs": failed}


def legal(bench: Bench) -> dict[str, Any]:
    """The text of a domain: contracts and terms of service."""
    folder = bench.dataset("legal", bench.clauses(), "general/text")
    return losses(bench.run("legal", folder, objective="completion"))


def notes(bench: Bench) -> dict[str, Any]:
    """The text of a domain: sections of clinical notes."""
    with (bench.data / "medical" / "mts_dialog_train.csv").open(encoding="utf-8", newline="") as file:
        rows = [{"id": one["ID"], "text": one["section_text"]} for one in csv.DictReader(file)]
    folder = bench.dataset("notes", rows, "general/text")
    # A handful of notes are most of another one's text, which deduplication by shared word pairs does not take out.
    return losses(bench.run("notes", folder, objective="completion", leaks="allow"))


def _plain_english(bench: Bench) -> Path:
    rows = [{"id": one["id"], "clause": one["text"], "plain": one["summary"]} for one in bench.clauses()]
    return bench.dataset("style", rows, "legal/plain_english")


def style(bench: Bench) -> dict[str, Any]:
    """A style: what a clause says in plain English."""
    return losses(bench.run("style", _plain_english(bench)))


def dpo(bench: Bench) -> dict[str, Any]:
    """DPO: the margin is that of the losses' argument, so that even is 0 and ln 2."""
    record = bench.run("dpo", bench.dataset("pairs", bench.pairs(), "preference/pair"), objective="preference", leaks="allow")
    return {**losses(record), "margin": _margin(bench.work / "dpo-run")}


def reward(bench: Bench) -> dict[str, Any]:
    """A reward model on the same pairs."""
    return losses(bench.run("reward", bench.dataset("pairs", bench.pairs(), "preference/pair"), objective="reward", leaks="allow"))


def _margin(run: Path) -> dict[str, float]:
    """Returns the mean margin of the train pairs in the first and in the last epoch of a run."""
    import polars as pl

    ledger = pl.read_parquet(run / "ledger.parquet")
    by_epoch = ledger.group_by("epoch").agg(pl.col("margin").mean()).sort("epoch")["margin"].to_list()
    return {"first_epoch": by_epoch[0], "last_epoch": by_epoch[-1]}


def stages(bench: Bench) -> dict[str, Any]:
    """Domain text, then the task on it, in one call."""
    domain, task = bench.dataset("legal", bench.clauses(), "general/text"), _plain_english(bench)
    config, out = bench.work / "stages.yaml", bench.work / "stages-runs"
    named = [{"name": "domain", "dataset": str(domain), "objective": "completion"}, {"name": "task", "dataset": str(task)}]
    config.write_text(json.dumps({"train": bench.options, "stages": named}), encoding="utf-8")
    found: dict[str, Any] = json.loads(call("train", "stages", "--config", config, "--out", out, "--json"))
    return found


PARTS: tuple[Callable[[Bench], dict[str, Any]], ...] = (reviews, legal, notes, style, dpo, reward, stages)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--only", default=",".join(part.__name__ for part in PARTS))
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--epochs", type=int)
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    options = {"model": arguments.model, **({} if arguments.epochs is None else {"epochs": arguments.epochs})}
    bench = Bench(arguments.data.resolve(), work, options)
    for part in PARTS:
        if part.__name__ in arguments.only.split(","):
            print(json.dumps({part.__name__: part(bench)}, indent=1), flush=True)


if __name__ == "__main__":
    main()
