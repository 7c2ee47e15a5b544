"""The `evals` command."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from loopwright.command_line import make_program, run_app
from loopwright.console import console, notice, print_error, print_json, print_result
from loopwright.errors import ExitCode, UserError
from templates.form import Form

app = make_program("Evaluate a model, its adapter and two plain baselines on the same examples.")


@app.command()
def run(
    dataset: Annotated[Path, typer.Argument(help="A folder that `prep build` wrote.")],
    out: Annotated[Path, typer.Option(help="The folder to write; an earlier evaluation there is replaced.")],
    model: Annotated[str | None, typer.Option(help="The base model; default: the one that the adapter was trained on.")] = None,
    adapter: Annotated[str | None, typer.Option(help="A run folder of `train run`.")] = None,
    split: Annotated[Literal["train", "validation", "test"] | None, typer.Option(help="Default: validation.")] = None,
    dtype: Annotated[Literal["auto", "bfloat16", "float32"] | None, typer.Option(help="Precision; default: auto.")] = None,
    systems: Annotated[
        str | None, typer.Option(help="Comma-separated: base, base:MODEL, adapter:RUN, fewshot:K, rag:K, nearest, constant, linear.")
    ] = None,
    corpus: Annotated[str | None, typer.Option(help="Where rag:K takes its passages: a file or a folder.")] = None,
    probes: Annotated[
        str | None, typer.Option(help="A folder of probe sets (*.txt, *.jsonl), to measure what training made the model forget.")
    ] = None,
    memorised: Annotated[
        int | None, typer.Option(min=0, help="Ask for the second half of so many train rows, to measure what is kept word for word.")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(help="Comma-separated metric ids, or FILE.py:NAME; default: those of each template.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Evaluate this many examples only, drawn by a stable hash.")] = None,
    form: Annotated[Literal["chat", "verbalizer"] | None, typer.Option(help="Default: the adapter's; else verbalizer if any.")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="Longest generated answer.")] = None,
    report: Annotated[str | None, typer.Option(help="Comma-separated: html, md, junit; default: html.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="A config file; its `evals:` section is read, options go over it, its plug-ins are used.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print report.json.")] = False,
) -> None:
    """Score systems on one split of a dataset, compare them in pairs, and list what fails and why."""
    from evals.api import evaluate
    from evals.compare.gates import told_failures
    from evals.reports.results import written_reports
    from evals.reports.table import pairs_table, systems_table, verdict_markup
    from evals.systems.spec import split_names

    given = {
        "model": model,
        "adapter": adapter,
        "split": split,
        "dtype": dtype,
        "systems": None if systems is None else split_names(systems),
        "corpus": corpus,
        "probes": probes,
        "memorised": memorised,
        "metrics": _names(metrics),
        "limit": limit,
        "form": form and Form(form),
        "max_new_tokens": max_new_tokens,
        "report": _names(report),
    }
    found = evaluate(dataset, out, config, progress=True, **given).report
    console().print(systems_table(found))
    if found.pairs:
        console().print(pairs_table(found))
    for text in found.notes:
        notice(f"note: {text}")
    for text in found.warnings:
        console().print("[bold yellow]warning:[/]", end=" ")
        notice(text)
    if found.headline is not None:
        notice(found.headline.sentence)
    console().print(verdict_markup(found), soft_wrap=True)
    for path in written_reports(out):
        notice(f"report: {path}")
    if as_json:
        print_result((out / "report.json").read_text(encoding="utf-8"))
    if failed := told_failures(found.gates):
        print_error(UserError(f"{len(failed)} of {len(found.gates)} gates failed: {'; '.join(failed)}", "evals: gates"))
        raise typer.Exit(ExitCode.FINDINGS)


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(help="The folder of an evaluation; the verdict is about its system.")],
    b: Annotated[Path, typer.Argument(help="The folder of another one.")],
    systems: Annotated[str | None, typer.Option(help="Two names, comma-separated; default: the system that each report is about.")] = None,
    dataset: Annotated[Path | None, typer.Option(help="The built dataset; default: the one that the first report names.")] = None,
    config: Annotated[Path | None, typer.Option(help="A config file, whose `evals:` section says metrics and what would matter.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Compare two evaluations, joined by row id: values and paired differences on the examples that both have."""
    from evals.api import compare_evaluations
    from evals.reports.table import differences_table, in_colour
    from evals.systems.spec import split_names

    found = compare_evaluations(a, b, systems=None if systems is None else split_names(systems), dataset=dataset, config=config)
    console().print(differences_table(found.pairs, {name: name for name in (found.a, found.b)}))
    notice(f"{found.num_common:,} common examples, {found.num_only_a:,} of the first alone, {found.num_only_b:,} of the second alone")
    if found.num_changed:
        notice(f"{found.num_changed:,} of them had another reference when one was evaluated: all are scored against the dataset as it is")
    notice(f"{len(found.fixed):,} fixed, {len(found.broken):,} broken")
    console().print(in_colour(found.verdict, found.verdict_detail.outcome), soft_wrap=True)
    if as_json:
        print_json(found.model_dump(mode="json"))


@app.command()
def score(
    dataset: Annotated[Path, typer.Argument(help="A folder that `prep build` wrote, or any training file that `prep lint` takes.")],
    model: Annotated[str | None, typer.Option(help="The base model; default: the one that the adapter was trained on.")] = None,
    adapter: Annotated[str | None, typer.Option(help="A run folder of `train run`.")] = None,
    out: Annotated[Path | None, typer.Option(help="The parquet to write; default: DATASET.scores.parquet beside the dataset.")] = None,
    form: Annotated[Literal["chat", "verbalizer"] | None, typer.Option(help="Default: the adapter's; else verbalizer if any.")] = None,
    dtype: Annotated[Literal["auto", "bfloat16", "float32"], typer.Option(help="Precision.")] = "auto",
    max_batch_tokens: Annotated[int, typer.Option(min=1, help="Tokens of a batch, padding included.")] = 4096,
    max_choices: Annotated[int | None, typer.Option(min=1, help="No label probabilities for rows with more choices; saves time.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="The config whose plug-ins are used; default: the one beside the dataset.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Write what a model says of every row, for `prep lint --model-scores`: label probabilities, loss of the answer, a hidden state."""
    from evals.api import score_dataset

    out = out or dataset.resolve().with_name(f"{dataset.resolve().name}.scores.parquet")
    report = score_dataset(
        dataset,
        out,
        model=model,
        adapter=adapter,
        form=form,
        dtype=dtype,
        max_batch_tokens=max_batch_tokens,
        max_choices=max_choices,
        progress=True,
        config=config,
    )
    notice(f"{report.num_rows} rows, {report.num_with_probabilities} with label probabilities: {report.out}")
    if report.num_unscored:
        notice(f"{report.num_unscored} rows were not scored: no answer in words, longer than the model's context, or not encodable")
    if as_json:
        counts = {"rows": report.num_rows, "with_probabilities": report.num_with_probabilities, "unscored": report.num_unscored}
        print_json({"out": str(report.out), **counts})


@app.command()
def judge(
    evaluation: Annotated[Path, typer.Argument(help="A folder that `evals run` wrote.")],
    endpoint: Annotated[str, typer.Option(help="The judge, as URL#MODEL: any server that speaks OpenAI's protocol.")],
    labels: Annotated[Path, typer.Option(help="People's verdicts: a table with id, a, b, winner or with id, pass.")],
    systems: Annotated[
        str | None,
        typer.Option(help="Comma-separated: what is judged. Default: the tuned system and its base; with id, pass: the tuned one."),
    ] = None,
    rubric: Annotated[Path | None, typer.Option(help="A prompt of your own, as Jinja; default: the package's.")] = None,
    dataset: Annotated[Path | None, typer.Option(help="Where the evaluated dataset is now; default: where report.json says.")] = None,
    repeats: Annotated[int, typer.Option(min=0, help="Examples that are asked once more.")] = 50,
    config: Annotated[Path | None, typer.Option(help="A config file, of which `evals: endpoint:` says how the server is asked.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print judge.json.")] = False,
) -> None:
    """Let a model judge the answers of a finished evaluation, and say how far it agrees with people and with itself."""
    from evals.api import judge_evaluation
    from evals.judge.table import effort_text, judge_table
    from evals.systems.spec import split_names

    named = () if systems is None else split_names(systems)
    judged = judge_evaluation(
        evaluation, endpoint, labels, config, systems=named, rubric=rubric, dataset=dataset, repeats=repeats, progress=True
    )
    console().print(judge_table(judged.report))
    for text in (effort_text(judged.report), *judged.report.notes):
        notice(f"note: {text}")
    for text in judged.report.warnings:
        console().print("[bold yellow]warning:[/]", end=" ")
        notice(text)
    notice(judged.report.verdict)
    if as_json:
        print_result(judged.report.model_dump_json(indent=2))


def main() -> None:
    """Runs the command line."""
    run_app(app)


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]
