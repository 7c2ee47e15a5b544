"""The `train rlhf` command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loopwright.console import notice, print_json
from train.cli.options import BuiltDataset, Json

if TYPE_CHECKING:
    from train.runs.record import RlhfRecord


def register(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command("rlhf")(rlhf)


def rlhf(
    dataset: BuiltDataset,
    out: Annotated[Path, typer.Option("--out", help="The run folder to write.")],
    start: Annotated[str | None, typer.Option(help="The run that the policy begins as, and is held close to.")] = None,
    reward: Annotated[str | None, typer.Option(help="The run of --objective reward that judges the answers.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="A config file whose rlhf: section is read.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the order and of the draws.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Steps.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Prompts a step.")] = None,
    num_generations: Annotated[int | None, typer.Option(help="Answers drawn for each prompt.")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(help="An answer is cut after so many tokens.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Of the draw.")] = None,
    beta: Annotated[float | None, typer.Option(help="What distance from the start costs, a nat; 0: nothing.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Remove the run that is in the folder.")] = False,
    as_json: Json = False,
) -> None:
    """Go on from a run by what a reward model says of its answers (RLOO, through TRL)."""
    from train.api import rlhf as run_rlhf

    record = run_rlhf(
        dataset,
        out,
        config,
        overwrite=overwrite,
        progress=True,
        start=start,
        reward=reward,
        seed=seed,
        max_steps=max_steps,
        batch_size=batch_size,
        num_generations=num_generations,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        beta=beta,
        learning_rate=learning_rate,
    ).record
    if as_json:
        print_json(record.model_dump(mode="json"))
        return
    assert record.rlhf is not None, "it is such a run"
    notice(_summary(record.rlhf))
    notice(f"{record.num_steps} steps, {record.seconds:.0f} s. Adapter in {out}. Try it: train chat --adapter {out}")


def _summary(rlhf: "RlhfRecord") -> str:
    distance = "" if rlhf.last_kl is None else f", {rlhf.last_kl:.3f} nats a token from the start"
    at_end = f"Mean reward of the last steps' answers {rlhf.last_reward:.3f}{distance}."
    change = rlhf.validation
    if change is None:
        return f"{at_end} There are no validation prompts to measure the rise on."
    interval = "" if change.low is None or change.high is None else f" (95 % interval {change.low:+.3f} to {change.high:+.3f})"
    rise = f"{change.before:.3f} -> {change.after:.3f}, {change.after - change.before:+.3f}{interval}"
    return f"Mean reward on {change.num_prompts} validation prompts: {rise}.\n{at_end}"
