"""The commands `prep export`, `prep validate` and `prep push`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from loopwright.console import console, notice, print_json, print_result
from loopwright.errors import ExitCode

Target = Annotated[str, typer.Option(help="Whose format, openai, azure, together, fireworks, trl, llamafactory, axolotl or hf.")]
Config = Annotated[Path | None, typer.Option("--config", help="The config whose plug-ins are used; default: the one beside the dataset.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result to stdout as JSON.")]


class Format(StrEnum):
    """Output format."""

    TEXT = "text"
    JSON = "json"


def register(app: typer.Typer) -> None:
    """Adds the commands to an application."""
    app.command("export")(export_command)
    app.command("validate")(validate_command)
    app.command("push")(push_command)


def export_command(
    dataset: Annotated[Path, typer.Argument(help="A dataset's folder.")],
    target: Target,
    out: Annotated[Path, typer.Option("--out", help="The folder to write; an older export there is replaced.")],
    form: Annotated[
        str | None, typer.Option(help="chat, verbalizer, completion or preference; default: the target's first that is there.")
    ] = None,
    split: Annotated[list[str] | None, typer.Option(help="Only this split; may be given several times. Default: all.")] = None,
    drop_invalid: Annotated[
        bool, typer.Option("--drop-invalid", help="Leave out rows that the target would refuse, and list them in OUT.dropped.jsonl.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Write a dataset in the format of a provider or a training library, and check it."""
    from prep.api import export_dataset
    from prep.targets.report import export_lines

    with console().status("Exporting"):
        result = export_dataset(dataset, target, out, form=form, splits=split or (), drop_invalid=drop_invalid, config=config)
    for line in export_lines(result):
        notice(line)
    if as_json:
        print_json(result.to_json())


def validate_command(
    file: Annotated[Path, typer.Argument(help="A training file: JSON Lines, for some targets a JSON array or parquet.")],
    target: Target,
    validation: Annotated[Path | None, typer.Option("--validation", help="The validation file; it must not repeat training rows.")] = None,
    model: Annotated[str | None, typer.Option(help="The model to be trained, for its limit of tokens an example.")] = None,
    output: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.TEXT,
    config: Annotated[Path | None, typer.Option("--config", help="A config whose plug-ins are used.")] = None,
) -> None:
    """Check a file against a target's format rules. Exit code 0: valid, 1: errors, 2: could not read."""
    from prep.targets.report import validation_text
    from prep.targets.validation import validate

    with console().status("Validating"):
        result = validate(file, target, validation=validation, model=model, config_path=config)
    if output is Format.JSON:
        print_json(result.to_json())
    else:
        print_result(validation_text(result, file, validation))
    if not result.is_valid:
        raise typer.Exit(ExitCode.FINDINGS)


def push_command(
    dataset: Annotated[Path, typer.Argument(help="A dataset's folder.")],
    to: Annotated[str, typer.Option("--to", help="A hub name (organisation/name, hf://organisation/name) or a folder (./name).")],
    private: Annotated[bool, typer.Option("--private", help="Make the hub repository private.")] = False,
    with_dropped: Annotated[bool, typer.Option("--with-dropped", help="Publish the dropped rows too.")] = False,
    as_json: Json = False,
) -> None:
    """Publish a dataset on the Hugging Face hub or to a folder, without its log and its dropped rows."""
    from prep.targets.push import push

    result = push(dataset, to, private=private, with_dropped=with_dropped)
    notice(f"{len(result.files)} files -> {result.to}")
    if result.kept_back:
        notice(f"kept back: {', '.join(result.kept_back)}")
    if as_json:
        print_json(result.to_json())
