"""The `evals` command."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from loopwright.command_line import make_program, run_app
from loopwright.console import console, notice, print_json, print_result
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
    metrics: Annotated[str | None, typer.Option(help="Comma-separated metric ids; default: those of each template.")] = None,
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
    console().print(verdict_markup(found), soft_wrap=True)
    for path in written_reports(out):
        notice(f"report: {path}")
    if as_json:
        print_result((out / "report.json").read_text(encoding="utf-8"))


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


def main() -> None:
    """Runs the command line."""
    run_app(app)


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]
