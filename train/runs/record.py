"""`run.json`: what a run was, and what came of it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from loopwright.errors import UserError
from loopwright.files import write_atomic
from loopwright.models import KNOWN_MODELS
from templates.chat import ChatTemplateConfig, Encoded
from templates.form import Form
from train.models.load import model_sha256
from train.runs.evidence import Evidence
from train.runs.influence import InfluenceRecord
from train.runs.proof import Proof, proofs_summary

FILE_NAME = "run.json"
REPORT_NAME = "report.html"
"""The run's page."""
CAUSAL, SEQUENCE_CLASSIFIER = "AutoModelForCausalLM", "AutoModelForSequenceClassification"
_WHERE_ANY = {
    *("plugins", "evidence", "mixture", "start", "validation_by_task", "rlhf", "canaries"),
    *("num_processes", "product_rate", "share_of_peak"),
}
"""What `run.json` says only of a run that has it."""
_MEAN_LOSS = {Form.PREFERENCE: "Mean loss per pair", Form.UNPAIRED: "Mean loss per answer"}


class SampleSpan(BaseModel):
    """A stretch of a rendered example that is trained, or is not."""

    text: str
    trained: bool
    sequence: str = ""
    """Which of the example's sequences it belongs to; empty where the example is one."""


class Sample(BaseModel):
    """The mask proof: a training example as the model saw it."""

    id: str
    spans: list[SampleSpan]


class BranchRecord(BaseModel):
    """Where a run went on from another one's checkpoint."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: str
    """The folder of that run."""
    step: int
    """Of its checkpoint."""
    seed: int
    """Its seed."""
    num_dropped: int
    """Rows of its train split that were left out from there on; so the other three, of rows that are changed or new."""
    num_relabelled: int
    num_weighted: int
    num_added: int
    changes_sha256: str
    """A hash of all changes."""

    @property
    def is_changed(self) -> bool:
        """The rows are not those of the dataset."""
        return bool(self.num_dropped or self.num_relabelled or self.num_weighted or self.num_added)

    def identity(self) -> dict[str, Any]:
        """Returns what a run that goes on from there is known by: not the folder, which may move."""
        return self.model_dump(mode="json", exclude={"run"})


class MixedDatasetRecord(BaseModel):
    """One dataset of a mixture."""

    model_config = ConfigDict(extra="forbid")

    path: str
    """Its folder."""
    key: str
    """Its manifest's key."""
    share: float
    """Its share of an epoch's examples."""
    per_epoch: int
    """How many examples an epoch takes of it."""
    num_examples: int
    """Its examples of the train split that were trained on."""
    num_validation_examples: int
    drawn: int
    """How many examples the run took of it, each counted as often as it came."""
    replayed: bool = False
    """It is of an earlier stage: its train split alone was used."""


class MixtureRecord(BaseModel):
    """Several datasets that a run was trained on together."""

    model_config = ConfigDict(extra="forbid")

    epoch_size: int
    """Examples of an epoch."""
    datasets: dict[str, MixedDatasetRecord]
    """By the names that stand before the ids of their examples."""

    def identity(self) -> dict[str, Any]:
        """Returns what tells this mixture from another: whose rows, and how many an epoch."""
        return {name: {"key": one.key, "per_epoch": one.per_epoch} for name, one in self.datasets.items()}


class StartRecord(BaseModel):
    """The weights of another run, with which a run began."""

    model_config = ConfigDict(extra="forbid")

    run: str
    """The folder of the run that saved them."""
    sha256: str
    """A hash of the weights."""


class RewardChange(BaseModel):
    """The mean reward of answers to the same validation prompts before a policy step and after it, paired by prompt."""

    model_config = ConfigDict(extra="forbid")

    num_prompts: int
    before: float
    after: float
    low: float | None
    """Where the 95 % interval of the rise begins; null where so few prompts have none."""
    high: float | None
    """Where it ends."""


class RlhfRecord(BaseModel):
    """What a policy step was and what came of it."""

    model_config = ConfigDict(extra="forbid")

    reward_run: str
    """The folder of the run whose reward model judged."""
    reward_sha256: str
    """A hash of its weights."""
    options: dict[str, Any]
    """All options of the step."""
    validation: RewardChange | None
    """The reward on validation prompts; null where there were none."""
    last_reward: float
    """The mean reward of the answers drawn in the last tenth of the steps."""
    last_kl: float | None
    """Their distance from the start, in nats a token, as the policy's own answers show it; null where nothing held it (`beta: 0`)."""
    num_without_reward: int
    """Answers that the reward model's chat template could not be proven to hold; nothing was learned of them."""


class RunRecord(BaseModel):
    """`run.json`. Written last: a folder that has it holds a finished run."""

    model_config = ConfigDict(extra="forbid")

    loopwright_version: str
    objective: str
    method: str = "lora"
    """What of the model was trained; runs from before there was a choice do not say, and are all `lora`."""
    auto_class: str = CAUSAL
    """The class of transformers that loads the base model for what was trained."""
    form: Form
    """The form that was trained, and in which evals scores every system."""
    model: str
    """The base model, as it was named."""
    model_path: str
    model_sha256: str
    """The hash of the base model's weights (`train.models.load.model_sha256`)."""
    start: StartRecord | None = None
    """The run with whose weights this one began; not written where it began with the base's."""
    dataset: str
    """The dataset's folder; of a mixture, the folders of all."""
    dataset_key: str
    """The dataset manifest's key; of a mixture, a hash of those of all its datasets."""
    mixture: MixtureRecord | None = None
    """The datasets of a run on several; not written where there is one."""
    plugins: str | None = None
    """The hash of the plug-ins that objective and method may have come from; not written where there were none."""
    final_train_loss: float
    """The objective's mean loss (of `chat` and `completion` per trained token, in nats) over the last epoch's worth of steps, each measured
    before its step's update."""
    validation_loss: float | None
    """Mean loss per trained token (nats) over the validation split, of the weights that were saved; null where it was not measured."""
    validation_losses: list[tuple[int, float]]
    """`[step, loss]` at the end of each epoch."""
    validation_by_task: list[tuple[int, dict[str, float]]] = []
    """`[step, {dataset: loss}]` of the same validations, of each dataset of a mixture; not written where there is one dataset."""
    validation_loss_before: float | None = None
    """The same before the first step: what the gain is measured from; null where it was not measured, and in runs of earlier versions."""
    validation_ranked: float | None = None
    """The share of validation pairs in which the preferred answer is ahead; null of objectives that rank no pairs."""
    num_examples: int
    """Examples of the train split that were trained on."""
    num_validation_examples: int
    num_steps: int
    """Steps that were done; fewer than planned where `early_stopping` ended the run."""
    best_step: int | None = None
    """The step whose weights were saved; null in runs of earlier versions, which saved those of the last."""
    num_tokens: int
    """Tokens that went through the model in training, all epochs together; no padding is counted."""
    num_trained_tokens: int
    """Those of them that were trained."""
    seconds: float
    """Time in training steps, all processes of a resumed run together; loading and validation are left out."""
    tokens_per_second: float
    num_processes: int | None = None
    """The processes that shared the run; not written where there was one."""
    peak_memory_bytes: int | None = None
    """The most memory that a process took in training: of the GPU where there is one, else of the machine; null in earlier runs."""
    flops_per_token: float | None = None
    """Floating-point operations for each token that was trained on, forward and backward (`train.engine.flops`); null in earlier runs."""
    product_rate: float | None = None
    """Floating-point operations a second that matrix products of the model's own shapes reach on the machine, all processes together."""
    share_of_peak: float | None = None
    """What of that rate training came to: the operations that its steps need (no padding, what examples begin with alike once) a second."""
    micro_batch_tokens: int | None = None
    """The most tokens in one forward pass, where memory ran out and they became fewer than the config lets; else null."""
    dtype: str
    """Precision of the base weights and of the computation."""
    packed: bool
    """Whether the model took packed examples (fast), or padded ones."""
    seed: int
    """The run's seed; of several, that of the median validation loss, whose run stands for them all."""
    seeds: list[int] | None = None
    """All seeds, where there are several: each has a whole run in a folder `seed-N`; else null."""
    branch: BranchRecord | None = None
    """The run whose checkpoint this one went on from; not written where there was none."""
    dropped_too_long: list[str]
    """Ids left out for their length."""
    dropped_other_form: list[str]
    """Ids left out because they do not have the form that was trained."""
    canaries: int | None = None
    """Canaries that were trained on, here or in the run that this one began with; not written where there were none."""
    leaks: list[str] = Field(default_factory=list)
    """Ids of train examples that are also in validation or test, or nearly so, and were trained on all the same (`leaks: allow`)."""
    system_prompt: str | None
    """The system message, where all training examples have the same one."""
    chat_template: ChatTemplateConfig = ChatTemplateConfig()
    """How the chat template was used, and the day that it was told; whatever asks this run's model asks it so."""
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    """The chat template's variables, for a server that serves this run's model."""
    config: dict[str, Any]
    """All options of the run."""
    rlhf: RlhfRecord | None = None
    """What a policy step (`train rlhf`) was; not written of other runs. Its losses are minus the mean reward, less what distance costs."""
    influence: InfluenceRecord | None = None
    """What the sketches in influence.parquet are; not written where there are none."""
    sample: Sample
    proofs: dict[str, Proof] = {}
    """What was proven at the end of the run; runs from before there were proofs have none."""
    evidence: Evidence | None = None
    """What the run recorded for them, with which `train verify` compares."""

    @model_serializer(mode="wrap")
    def _without_what_is_absent(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = serialize(self)
        return {key: value for key, value in written.items() if key not in _WHERE_ANY or value not in (None, [])}

    @classmethod
    def load(cls, run_dir: Path) -> "RunRecord":
        """Reads a finished run's record.

        Raises:
            UserError: the folder holds no finished run, or its record is damaged.
        """
        path = run_dir / FILE_NAME
        if not path.is_file():
            cause = "the run is not finished: there is no run.json in it" if run_dir.is_dir() else "there is no such run folder"
            raise UserError(cause, str(run_dir), "Make one with: train run DATASET --out RUN (or finish it with --resume)")
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValueError as error:
            raise UserError("run.json is damaged or of another version", str(path), "Train again with --overwrite.") from error

    def save(self, run_dir: Path) -> None:
        """Writes the record, readable by its owner alone: the sample holds corpus text.

        Raises:
            UserError: it cannot be written.
        """
        write_atomic(run_dir / FILE_NAME, self.model_dump_json(indent=2) + "\n", private=True)

    def summary(self, run_dir: Path) -> str:
        """Returns what came of the run, for people."""
        is_earlier = self.best_step is not None and self.best_step < self.num_steps
        kept = f"Step {self.best_step} is the best by {self.config.get('best')}, and what was saved. " if is_earlier else ""
        saved = "Adapter" if self.method == "lora" else "Weights"
        validation = "none" if self.validation_loss is None else f"{self.validation_loss:.4f}"
        validation += "" if self.validation_loss_before is None else f" (before the first step {self.validation_loss_before:.4f})"
        if self.validation_ranked is not None:
            validation += f", preferred answer ahead in {self.validation_ranked:.1%} of {self.num_validation_examples} pairs"
        proofs = f"{proofs_summary(self.proofs)}\n" if self.proofs else ""
        mean = "Mean loss per trained token (nats)" if self.form in {Form.CHAT, Form.COMPLETION} else "Mean loss (nats)"
        use = f"Try it: train chat --adapter {run_dir}"
        if self.objective == "cloze":
            use = f"Evaluate it: evals run {self.dataset} --adapter {run_dir}"
        elif self.auto_class == SEQUENCE_CLASSIFIER:
            use = f"Load it: AutoModelForSequenceClassification.from_pretrained('{run_dir}', num_labels=1)"
        share = "" if self.share_of_peak is None else f" ({self.share_of_peak:.0%} of what its matrix products reach here)"
        if self.seeds is not None:
            kept = f"Seed {self.seed} of {', '.join(map(str, self.seeds))} has the median loss, and stands for them. {kept}"
        return (
            f"{self.num_examples} examples, {self.num_steps} steps, {self.seconds:.0f} s at {self.tokens_per_second:,.0f} tokens/s{share}. "
            f"{_MEAN_LOSS.get(self.form, mean)}: train {self.final_train_loss:.4f}, validation {validation}.\n"
            f"{self._tasks()}{proofs}{kept}{saved} in {run_dir}. {use}\nCurves, rows and proofs: {run_dir / REPORT_NAME}"
        )

    def _tasks(self) -> str:
        """Returns a line for each dataset of a mixture."""
        losses = dict(self.validation_by_task).get(self.best_step or self.num_steps, {})
        return "".join(
            f"  {name}: {one.drawn:,} drawn from {one.num_examples:,} examples ({one.share:.1%} of an epoch), validation "
            f"{f'{losses[name]:.4f}' if name in losses else 'none'}\n"
            for name, one in (self.mixture.datasets.items() if self.mixture else ())
        )

    def was_trained_on(self, dataset_key: str) -> bool:
        """Says whether a dataset, by its manifest's key, is the one that was trained on, or one of them."""
        mixed = () if self.mixture is None else (one.key for one in self.mixture.datasets.values())
        return dataset_key in {self.dataset_key, *mixed}

    @property
    def has_changed_rows(self) -> bool:
        """The rows that were trained are not all the dataset's."""
        return self.branch is not None and self.branch.is_changed

    @property
    def base_model(self) -> str:
        """What the base model is found by: its name as given or, where that was a path seen from another folder, the folder itself."""
        found_by_name = self.model in KNOWN_MODELS or Path(self.model).is_dir()
        return self.model_path if not found_by_name and Path(self.model_path).is_dir() else self.model

    def require_answers(self, run_dir: Path) -> None:
        """Makes sure that what was trained writes answers.

        Raises:
            UserError: it is a reward model.
        """
        if self.auto_class == SEQUENCE_CLASSIFIER:
            raise UserError(
                "the run trained a reward model, which scores answers and writes none",
                str(run_dir),
                f"Name another run. This one ranks pairs: evals run PAIRS --adapter {run_dir} says how often rightly.",
            )

    def require_base(self, model: str, folder: Path) -> None:
        """Makes sure that a model is the one that the adapter was trained on.

        Args:
            model: its name, for the message.
            folder: where its weights are.

        Raises:
            UserError: its weights are others.
        """
        if model_sha256(folder) != self.model_sha256:
            raise UserError(
                f"the adapter was trained on '{self.model}' with other weights than those of '{model}'",
                str(folder),
                f"Give the model that it was trained on: --model {self.model}",
            )


def mask_proof(example_id: str, sequences: Iterable[tuple[str, Encoded]]) -> Sample:
    """Returns an example's text cut where training begins and ends, one named sequence after the other."""
    spans = [SampleSpan(text=piece.text, trained=piece.trained, sequence=name) for name, encoded in sequences for piece in encoded.pieces()]
    return Sample(id=example_id, spans=spans)
