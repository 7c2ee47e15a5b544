"""One judging from end to end: the work behind `evals.judge_evaluation`."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import loopwright
from evals.config import EvalsConfig
from evals.judge.agreement import LEAST_KAPPA
from evals.judge.ask import Judged, ask_all
from evals.judge.constraint import find_constraint
from evals.judge.contract import JudgeReport
from evals.judge.items import Finished
from evals.judge.labels import match_labels, read_labels
from evals.judge.report import Judging, effort_of, find
from evals.judge.rubric import Rubric
from evals.predict.server import Server, require_prices
from evals.reports.results import JUDGE_NAME, JUDGEMENTS_NAME, PREDICTIONS_NAME
from evals.reports.table import short_names
from evals.systems.spec import FORMS
from loopwright.errors import UserError
from loopwright.files import require_writable, write_atomic
from loopwright.hashing import hash_bytes, hash_file
from loopwright.progress import CallbackProgress, Progress

DEFAULT_REPEATS = 50
"""Examples that are asked once more: enough to tell a judge that is unsure of itself, for few requests."""

_OWN_ANSWERS = "the judge is one of the systems that it judges: models prefer their own answers (Panickssery et al. 2024)"
_AT_RANDOM = "the corrected rate takes the labelled examples for a random draw of all"


@dataclass(frozen=True, slots=True)
class JudgeOptions:
    """What is judged, by whom and by what.

    Attributes:
        endpoint: the judge, as URL#MODEL.
        labels: the table of people's verdicts.
        systems: what is judged; empty for the tuned system and its base, or the tuned one alone.
        rubric: the user's own prompt; None for the package's.
        dataset: where the evaluated dataset is now; None for where report.json says.
        num_repeats: how many examples are asked once more.
    """

    endpoint: str
    labels: Path
    systems: tuple[str, ...] = ()
    rubric: Path | None = None
    dataset: Path | None = None
    num_repeats: int = DEFAULT_REPEATS


def judge(folder: Path, options: JudgeOptions, config: EvalsConfig, progress: Progress | None = None) -> JudgeReport:
    """Lets a model judge the answers of a finished evaluation, and writes judge.json and judgements.jsonl into its folder.

    All that can be checked is checked before the server is asked for the first time.

    Args:
        folder: what `evals run` wrote.
        options: what is judged, by whom and by what.
        config: how a server is asked; confidence, resamples and seed of the intervals.
        progress: told how many requests are answered.

    Raises:
        UserError: the evaluation, its dataset, the labels or the rubric cannot be used, or the judge cannot be asked. Nothing is written
            then; answers that came are kept for the next time.
    """
    started = time.perf_counter()
    url, model = _address(options.endpoint)
    require_prices(config.endpoint)
    finished = Finished.open(folder, options.dataset)
    table = read_labels(options.labels)
    systems = finished.choose(options.systems, table.kind)
    items = finished.items(systems)
    labels = match_labels(table, items, systems, short_names(finished.report))
    rubric = Rubric.load(table.kind, options.rubric)
    require_writable(folder)
    with Server(url, model, config.endpoint) as server:
        constraint, probe = find_constraint(server, rubric)
        judged = ask_all(
            server,
            constraint,
            rubric,
            items,
            first=frozenset(label.id for label in labels.labels),
            num_repeats=options.num_repeats,
            concurrency=config.endpoint.concurrency,
            start=(progress or CallbackProgress(None)).start,
        )
        effort = effort_of(server)
    found = find(Judging(judged, labels, table.kind, systems, probe, config))
    lines = _lines(judged)
    report = JudgeReport(
        verdict=found.verdict,
        is_reliable=found.is_reliable,
        least_kappa=LEAST_KAPPA,
        kind=table.kind,
        systems=systems,
        endpoint=options.endpoint,
        rubric=rubric.location,
        rubric_sha256=rubric.sha256,
        probe=probe,
        num_examples=len(items),
        states=found.states,
        rate=found.rate,
        agreement_with_people=found.people,
        agreement_between_orders=found.orders,
        agreement_when_repeated=found.repeated,
        agreement_between_people=found.between,
        bias=found.bias,
        labels=labels.counts,
        effort=effort,
        confidence=config.confidence,
        dataset=str(options.dataset or finished.report.dataset),
        dataset_key=finished.report.dataset_key,
        split=finished.report.split,
        split_key=finished.report.split_key,
        predictions_sha256=hash_file(folder / PREDICTIONS_NAME),
        judgements_sha256=hash_bytes(lines),
        warnings=[*found.warnings, *([_OWN_ANSWERS] if f"endpoint:{options.endpoint}" in systems else [])],
        notes=[*labels.notes, _AT_RANDOM],
        seconds=round(time.perf_counter() - started, 3),
        loopwright_version=loopwright.__version__,
    )
    write_atomic(folder / JUDGEMENTS_NAME, lines, private=True)
    write_atomic(folder / JUDGE_NAME, report.model_dump_json(indent=2) + "\n")
    return report


def _lines(judged: Sequence[Judged]) -> bytes:
    """Returns judgements.jsonl: a line for each time that the judge was asked. What it said instead of a letter may quote the corpus."""
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for one in judged for line in one.to_json()).encode("utf-8", "replace")


def _address(endpoint: str) -> tuple[str, str]:
    if not FORMS["endpoint:URL#MODEL"].takes(endpoint):
        remedy = "Write the server's address, '#' and the model's name, such as http://localhost:8000/v1#my-model."
        raise UserError(f"'{endpoint}' is no address of a model", "--endpoint", remedy)
    url, _, model = endpoint.partition("#")
    return url, model
