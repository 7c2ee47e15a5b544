"""The card of a run's folder: what it is, and what was proven of it, for whoever is handed the folder."""

from collections.abc import Mapping
from pathlib import Path

from loopwright.console import notice
from loopwright.files import write_atomic
from loopwright.models import KNOWN_MODELS
from train.runs.proof import Proof
from train.runs.record import RunRecord

CARD_NAME = "README.md"
_MARK = "<!-- Written by `train run`; the proofs are those of run.json. -->"


def write_card(record: RunRecord, run_dir: Path) -> None:
    """Writes the card, in the form of the model hub. A README that is somebody's own is left as it is.

    Raises:
        UserError: it cannot be written.
    """
    path = run_dir / CARD_NAME
    if path.exists() and not is_card(path):
        notice(f"{path} is not a card of ours and is left as it is; run.json has the proofs.")
        return
    write_atomic(path, card(record))


def is_card(path: Path) -> bool:
    """Says whether a file is a card that `write_card` wrote."""
    return path.is_file() and _MARK in path.read_text(encoding="utf-8", errors="replace")


def card(record: RunRecord) -> str:
    """Returns the card as Markdown."""
    return "\n".join(
        [
            "---",
            *(["library_name: peft"] if record.method == "lora" else ["library_name: transformers"]),
            "tags: [loopwright]",
            "---",
            "",
            _MARK,
            "",
            f"# {record.objective} run by {record.method}",
            "",
            f"Trained on the base model `{Path(record.model).name}` whose weights have the sha256 `{record.model_sha256}`,",
            f"with {record.num_examples:,} examples in {record.num_steps:,} steps, by Loopwright {record.loopwright_version}.",
            *_start(record),
            *canary_lines(record),
            *base_lines(record),
            "",
            "## Proofs",
            "",
            "Made at the end of the run; `train verify` repeats them.",
            "",
            *proof_table(record.proofs),
            "",
        ]
    )


def _start(record: RunRecord) -> list[str]:
    """Says with whose weights the run began, where not with the base's."""
    if record.start is None:
        return []
    return [f"It began with the weights that the run `{Path(record.start.run).name}` saved (hash `{record.start.sha256}`)."]


def canary_lines(record: RunRecord) -> list[str]:
    """Says that a run was trained on made-up secrets, where it was."""
    if not record.canaries:
        return []
    return [
        "",
        f"**Not for use**: {record.canaries:,} canaries were trained on, made-up secrets by which `evals run` measures what the model",
        "keeps word for word.",
    ]


def proof_table(proofs: Mapping[str, Proof]) -> list[str]:
    """Returns the lines of a table of proofs."""
    rows = [
        f"| {name} | {_verdict(proof.passed)} | {_number(proof.value)} | {_number(proof.tolerance)} | {_cell(proof.reason)} |"
        for name, proof in proofs.items()
    ]
    return ["| proof | passed | value | tolerance | what was compared |", "|---|---|---|---|---|", *rows]


def base_lines(record: RunRecord, *, named: bool = False) -> list[str]:
    """Says where the base of an adapter is, where its name would mislead.

    Args:
        record: of the run.
        named: the adapter's config names its base.
    """
    known = KNOWN_MODELS.get(record.model)
    if known is None or record.method != "lora" or named:
        return []
    return [
        "",
        f"The base is {known.description}, de-quantised: its weights are not those of the model hub, so that `adapter_config.json` names",
        f"none. `train models fetch {record.model}` makes it, `train models list` says where: load that folder, then this adapter on it.",
    ]


def _verdict(passed: bool | str) -> str:
    return passed if isinstance(passed, str) else "yes" if passed else "**no**"


def _number(number: float | None) -> str:
    return "" if number is None else f"{number:.3g}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
