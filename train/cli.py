"""The `train` command."""

from typing import Annotated, Any

import typer

from loopwright.console import console, make_app, notice, print_json, run_app

app = make_app("Train LoRA adapters on a built dataset, and talk to them.")
models_app = make_app("The models that have a short name: list them, fetch them.")
models_app.info.no_args_is_help = False
app.add_typer(models_app, name="models", invoke_without_command=True)


def main() -> None:
    """Runs the command line."""
    run_app(app)
