"""The card of an exported folder: what it is, how it is loaded and served, and what was measured of it."""

from pathlib import Path

from loopwright.files import write_atomic
from train.runs.card import CARD_NAME, base_lines, canary_lines, proof_table
from train.runs.exported import BASE_NAME, Difference, ExportRecord
from train.runs.record import CAUSAL, RunRecord


def write_card(record: ExportRecord, run: RunRecord, folder: Path) -> None:
    """Writes the card, in the form of the model hub.

    Raises:
        UserError: it cannot be written.
    """
    write_atomic(folder / CARD_NAME, card(record, run))


def card(record: ExportRecord, run: RunRecord) -> str:
    """Returns the card as Markdown."""
    is_adapter = record.to == "adapter"
    return "\n".join(
        [
            "---",
            f"library_name: {'peft' if is_adapter else 'transformers'}",
            *([f"base_model: {record.base}"] if record.base else []),
            "tags: [loopwright]",
            "---",
            "",
            f"# {'Adapter' if is_adapter else 'Model'} from a {run.objective} run by {run.method}",
            "",
            *_origin(record, run),
            *canary_lines(run),
            *base_lines(run, named=not is_adapter or record.base is not None or record.with_base),
            "",
            "## Load it",
            "",
            *(_load_adapter(record) if is_adapter else _load_merged(record)),
            *_prompts(run),
            *_notes(record),
            "",
            "## Measured",
            "",
            *_measured(record),
            "",
            "## Proofs",
            "",
            *proof_table({"loaded": record.loaded, **run.proofs}),
            "",
        ]
    )


def _origin(record: ExportRecord, run: RunRecord) -> list[str]:
    base = f"`{record.base}` at `{record.base_revision}`, whose weights" if record.base else f"`{Path(run.model).name}`, whose weights"
    return [
        f"Trained on {base} have the sha256 `{run.model_sha256}`,",
        f"with {run.num_examples:,} examples in {run.num_steps:,} steps, by Loopwright {run.loopwright_version}; "
        f"exported by Loopwright {record.loopwright_version}.",
    ]


def _load_merged(record: ExportRecord) -> list[str]:
    serve = ["", "Served by vLLM: `vllm serve .`"] if record.auto_class == CAUSAL else []
    return [
        "In this folder, or with its path in the place of the dot:",
        "",
        "```python",
        f"from transformers import AutoTokenizer, {record.auto_class}",
        "",
        f'model = {record.auto_class}.from_pretrained(".", dtype="{record.dtype}")',
        'tokenizer = AutoTokenizer.from_pretrained(".")',
        "```",
        *serve,
    ]


def _load_adapter(record: ExportRecord) -> list[str]:
    base = BASE_NAME if record.with_base else record.base or "FOLDER OF THE BASE"
    revision = "" if record.with_base or not record.base else f', revision="{record.base_revision}"'
    labels = ", num_labels=1" if record.auto_class.endswith("SequenceClassification") else ""
    serve = f"`vllm serve {base} --enable-lora --lora-modules tuned=. --max-lora-rank RANK`"
    return [
        "In this folder, or with its path in the place of the dot" + (f" and before `{BASE_NAME}`:" if record.with_base else ":"),
        "",
        "```python",
        "from peft import PeftModel",
        f"from transformers import AutoTokenizer, {record.auto_class}",
        "",
        f'base = {record.auto_class}.from_pretrained("{base}"{revision}, dtype="{record.dtype}"{labels})',
        'model = PeftModel.from_pretrained(base, ".")',
        'tokenizer = AutoTokenizer.from_pretrained(".")',
        "```",
        *(["", f"Served by vLLM: {serve}, RANK being `r` of adapter_config.json."] if record.auto_class == CAUSAL else []),
    ]


def _prompts(run: RunRecord) -> list[str]:
    """Says how the model was asked in training, where that is not what its chat template does by itself."""
    template, said = run.chat_template, []
    if run.chat_template_kwargs:
        said.append(f"The chat template's variables: `{run.chat_template_kwargs}`; vLLM takes them as `chat_template_kwargs`.")
    if template.fold_system:
        said.append("A system message stands at the beginning of the user's turn that follows it.")
    if template.date is not None:
        said.append(f"The chat template was told the day {template.date}.")
    if run.system_prompt is not None:
        said.append("Every training example has the same system message (`system_prompt` of run.json): give the model that one, too.")
    return ["", "Ask it as it was trained:", "", *(f"- {line}" for line in said)] if said else []


def _notes(record: ExportRecord) -> list[str]:
    return ["", "## Notes", "", *(f"- {note}" for note in record.notes)] if record.notes else []


def _measured(record: ExportRecord) -> list[str]:
    if record.loss_before is None or record.loss_after is None or record.difference is None:
        return [f"The loss was not measured: {record.not_measured}."]
    return [
        f"Mean loss on {record.num_validation_examples} validation examples, of the run as trained and of this folder as it is loaded:",
        "",
        "| as trained | exported | difference | 95 % interval |",
        "|---|---|---|---|",
        f"| {record.loss_before:.6f} | {record.loss_after:.6f} | {record.difference.value:+.2g} | {interval(record.difference)} |",
    ]


def interval(difference: Difference) -> str:
    """Returns the interval of a difference, for people."""
    if difference.low is None or difference.high is None:
        return "none: there are too few examples"
    return f"{difference.low:+.2g} to {difference.high:+.2g}"
