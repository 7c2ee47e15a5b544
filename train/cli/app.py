"""The `train` command."""

from loopwright.command_line import make_program, run_app
from train.cli import chat, curve, export, plan, report, rlhf, run, stages, sweep, verify
from train.cli.models import models_app

_ORDER = ("models", "plan", "run", "stages", "sweep", "curve", "rlhf", "verify", "report", "export", "chat")  # of use

app = make_program("Train a model on a built dataset, and talk to the result.", _ORDER)
app.add_typer(models_app, name="models")
for command in (plan, run, stages, sweep, curve, rlhf, verify, report, export, chat):
    command.register(app)


def main() -> None:
    """Runs the command line."""
    run_app(app)
