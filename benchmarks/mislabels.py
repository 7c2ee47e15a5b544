"""Likely mislabels: LBL801 beside cleanlab's usual recipe, on labels flipped by a seed and on real errors that people found.

    pip install cleanlab==2.9.0
    python benchmarks/mislabels.py DATA [--scores FOLDER] [--model embedded] [--sets restaurant,spam,...] [--rates 0.05,0.1,0.2]

DATA holds reviews/restaurant_reviews.tsv, spam/SMSSpamCollection, intents/banking77_train.csv and reviews/imdb_label_errors_dev.jsonl.
The peer is TF-IDF, logistic regression, cross_val_predict and get_label_quality_scores, each as it comes. With --scores the rule is run
once more with what `evals score` says of the rows (kept in FOLDER, as it takes minutes); the labels are flipped after scoring, and no
score but the loss, which the rule does not read, depends on them. The film reviews are ranked together with the restaurant reviews, by
both tools, and counted are those that five people called wrong against those that they called right.

Prints average precision of each, and the difference to the peer with a 95% interval from a paired bootstrap over rows.
"""

import argparse
import csv
import json
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Marks = NDArray[np.bool_]

_RESAMPLES = 1000
_SAMPLE = {"spam": 2000, "banking77": 2500}
_SEED = 17


@dataclass(frozen=True, slots=True)
class Task:
    """Rows to look for wrong labels in.

    Attributes:
        name: of the set.
        system: the system message.
        texts: the inputs.
        labels: as given, before any is flipped.
        wrong: which are wrong, where that is known: None asks for flips.
        counted: the rows that count; None: all.
    """

    name: str
    system: str
    texts: list[str]
    labels: list[str]
    wrong: Marks | None = None
    counted: Marks | None = None


@dataclass(frozen=True, slots=True)
class Ranking:
    """What two tools made of the same rows: which of them are wrong, and each tool's scores."""

    name: str
    wrong: Marks
    scores: dict[str, Scores]


def load_tasks(data: Path) -> list[Task]:
    """Reads the four sets."""
    lines = _lines(data / "reviews/restaurant_reviews.tsv")[1:]
    reviews = [line.rsplit("\t", 1) for line in lines]
    texts, labels = [text for text, _ in reviews], [("negative", "positive")[int(liked)] for _, liked in reviews]
    sentiment = "You sort reviews. Answer positive or negative."
    messages = [line.split("\t", 1) for line in _lines(data / "spam/SMSSpamCollection")]
    messages = random.Random(_SEED).sample([one for one in messages if one[0] in {"ham", "spam"}], _SAMPLE["spam"])
    with (data / "intents/banking77_train.csv").open(encoding="utf-8", newline="") as file:
        questions = random.Random(_SEED).sample(list(csv.DictReader(file)), _SAMPLE["banking77"])
    films = [json.loads(line) for line in _lines(data / "reviews/imdb_label_errors_dev.jsonl")]
    judged = [film["verdict"] for film in films] + [""] * len(texts)
    return [
        Task("restaurant", sentiment, texts, labels),
        Task("spam", "Is this text message spam or ham? Answer spam or ham.", [one[1] for one in messages], [one[0] for one in messages]),
        Task(
            "banking77",
            "Name the intent of this banking question.",
            [one["text"] for one in questions],
            [one["category"] for one in questions],
        ),
        Task(
            "imdb",
            sentiment,
            [film["text"] for film in films] + texts,
            [film["given"].lower() for film in films] + labels,
            wrong=np.array([verdict == "label-error(flip)" for verdict in judged]),
            counted=np.array([verdict in {"label-error(flip)", "label-correct"} for verdict in judged]),
        ),
    ]


def _lines(path: Path) -> list[str]:
    """Returns the lines of a file; not `splitlines`, for which a text breaks at characters that are part of it."""
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def flip(labels: list[str], rate: float) -> tuple[list[str], Marks]:
    """Gives a share of the rows another label, drawn by a seed."""
    chooser = random.Random(f"{_SEED}/{rate}")
    names = sorted(set(labels))
    wrong = np.zeros(len(labels), dtype=bool)
    wrong[chooser.sample(range(len(labels)), round(rate * len(labels)))] = True
    return [
        chooser.choice([name for name in names if name != label]) if bad else label for label, bad in zip(labels, wrong, strict=True)
    ], wrong


def write_rows(task: Task, labels: list[str], path: Path) -> Path:
    """Writes the rows as chats."""
    with path.open("w", encoding="utf-8") as file:
        for text, label in zip(task.texts, labels, strict=True):
            turns = (("system", task.system), ("user", text), ("assistant", label))
            messages = [{"role": role, "content": content} for role, content in turns]
            file.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")
    return path


def model_scores(task: Task, folder: Path, model: str) -> pl.DataFrame:
    """Returns what `evals score` says of a set, in the order of its rows; computed where the folder does not have it yet."""
    from evals.score.score import ScoreOptions, score_dataset

    path = folder / f"{task.name}.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as name:
            rows = write_rows(task, task.labels, Path(name) / "rows.jsonl")
            score_dataset(rows, path, ScoreOptions(model=model, max_choices=20))
    return pl.read_parquet(path)


def rule_scores(task: Task, labels: list[str], model: pl.DataFrame | None) -> Scores:
    """Returns the rule's score of each row, 0 where it did not look."""
    from prep.lint.frame.examples import load_files
    from prep.lint.run import LintOptions, lint

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write_rows(task, labels, folder / "rows.jsonl")
        (folder / "read").mkdir()
        ids = load_files([(path, "train")], folder / "read").frame.sort("position").select("id").collect()
        given = None
        if model is not None:
            given = folder / "model.parquet"
            model.with_columns(id=ids["id"]).write_parquet(given)
        lint(path, options=LintOptions(select=("LBL801",), scores=folder / "scores.parquet", model_scores=given))
        found = ids.join(pl.read_parquet(folder / "scores.parquet"), on="id", how="left", maintain_order="left")
    return found["score"].fill_null(0.0).to_numpy()


def peer_scores(task: Task, labels: list[str]) -> Scores:
    """Returns one minus cleanlab's label quality of each row."""
    from cleanlab.rank import get_label_quality_scores
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline

    names = sorted(set(labels))
    given = np.array([names.index(label) for label in labels])
    recipe = make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000))
    probabilities = cross_val_predict(recipe, task.texts, given, cv=5, method="predict_proba")
    quality: Scores = get_label_quality_scores(given, probabilities)
    return 1 - quality


def rank(task: Task, labels: list[str], wrong: Marks, name: str, model: pl.DataFrame | None) -> Ranking:
    """Ranks a set's rows by both tools, the rule with and without the model's scores."""
    counted = np.ones(len(labels), dtype=bool) if task.counted is None else task.counted
    scores = {"cleanlab": peer_scores(task, labels)[counted], "LBL801": rule_scores(task, labels, None)[counted]}
    if model is not None:
        scores["LBL801 + model"] = rule_scores(task, labels, model)[counted]
    return Ranking(name, wrong[counted], scores)


def average_precision(wrong: Marks, scores: Scores) -> float:
    """Returns the average precision."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(wrong, scores))


def differences(ranking: Ranking, tool: str) -> Scores:
    """Returns bootstrap differences of average precision, the tool's less the peer's, over the same drawn rows."""
    drawn = np.random.default_rng(_SEED)
    found = []
    while len(found) < _RESAMPLES:
        rows = drawn.integers(0, len(ranking.wrong), len(ranking.wrong))
        if ranking.wrong[rows].any():
            ours, theirs = (average_precision(ranking.wrong[rows], ranking.scores[name][rows]) for name in (tool, "cleanlab"))
            found.append(ours - theirs)
    return np.array(found)


def report(rankings: list[Ranking]) -> None:
    """Prints one line a set, and the mean over the sets: that of each drawing is the mean of the sets' drawings."""
    tools = [tool for tool in rankings[0].scores if tool != "cleanlab"]
    drawn: dict[str, list[Scores]] = {tool: [] for tool in tools}
    for ranking in rankings:
        values = {tool: average_precision(ranking.wrong, scores) for tool, scores in ranking.scores.items()}
        line = [f"{ranking.name:16} {len(ranking.wrong):5} rows {int(ranking.wrong.sum()):4} wrong  cleanlab {values['cleanlab']:.3f}"]
        for tool in tools:
            drawn[tool].append(differences(ranking, tool))
            low, high = np.quantile(drawn[tool][-1], [0.025, 0.975])
            line.append(f"{tool} {values[tool]:.3f} ({values[tool] - values['cleanlab']:+.3f} [{low:+.3f}, {high:+.3f}])")
        print("  ".join(line), flush=True)
    for tool in tools:
        mean = np.mean(drawn[tool], axis=0)
        gain = np.mean(
            [average_precision(one.wrong, one.scores[tool]) - average_precision(one.wrong, one.scores["cleanlab"]) for one in rankings]
        )
        print(f"mean over {len(rankings)} sets  {tool}: {gain:+.3f} [{np.quantile(mean, 0.025):+.3f}, {np.quantile(mean, 0.975):+.3f}]")


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--scores", type=Path)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--sets", default="restaurant,spam,banking77,imdb")
    parser.add_argument("--rates", default="0.05,0.1,0.2")
    arguments = parser.parse_args()
    rankings = []
    for task in load_tasks(arguments.data):
        if task.name not in arguments.sets.split(","):
            continue
        model = model_scores(task, arguments.scores, arguments.model) if arguments.scores else None
        if task.wrong is not None:
            rankings.append(rank(task, task.labels, task.wrong, task.name, model))
            continue
        for rate in map(float, arguments.rates.split(",")):
            labels, wrong = flip(task.labels, rate)
            rankings.append(rank(task, labels, wrong, f"{task.name} {rate:.0%}", model))
    report(rankings)


if __name__ == "__main__":
    main()
