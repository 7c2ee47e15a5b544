"""What a training run may be told: the `train:` section of a config file, and the options of `train run`."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from train.models.load import Dtype

Schedule = Literal["cosine", "linear", "constant", "wsd"]
Truncation = Literal["raise", "drop"]
Loss = Literal["dpo", "orpo", "simpo", "kto"]
VerbalizerLoss = Literal["choices", "target"]
OptimizerName = Literal["adamw", "adafactor"]
Normalize = Literal["token", "example"]
Quantize = Literal["nf4"]
Kept = Literal["half", "best"] | Annotated[int, Field(ge=1)]

LOSS, LAST = "validation_loss", "last"
"""What `best` may say beside the metrics of evals."""

ELSEWHERE = {"model", "leaks", "start", "influence", "track"}
"""Options that do not tell one run from another: model and start are known by the hash of their weights, wherever they lie; what leaks are
allowed, what is said of the rows afterwards, and who is told of it, trains the same."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")

# The default learning rate from before it depended on method and objective, which keys of older runs hold.
_FIRST_LEARNING_RATE = 5e-4


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LoraOptions(_Model):
    """The shape of the low-rank adapter (Hu et al., 2021)."""

    rank: int = Field(16, ge=1)
    """Rank of each update."""
    alpha: float = Field(32.0, gt=0)
    """The update is scaled by alpha / rank."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout on the adapter's input while training."""
    targets: Literal["all-linear"] | tuple[str, ...] = "all-linear"
    """Names of the linear layers that get an adapter, such as `[q_proj, v_proj]`; `all-linear` is all but the output head."""
    rslora: bool = False
    """Scale the update by alpha / sqrt(rank), which keeps its size where the rank is high (rsLoRA; Kalajdzievski, 2023)."""
    dora: bool = False
    """Train each weight's magnitude beside its direction (DoRA; Liu et al., 2024): often better at low ranks, and slower."""
    plus_ratio: float = Field(1.0, ge=1)
    """Learning rate of the B matrices over that of the A matrices (LoRA+; Hayou et al., 2024, who advise 16); 1 is plain LoRA."""


class FreezeOptions(_Model):
    """Which layers are trained where the rest is frozen."""

    layers: int = Field(2, ge=1)
    """How many of the topmost layers are trained."""


class DpoOptions(_Model):
    """Direct preference optimisation (Rafailov et al., 2023)."""

    beta: float = Field(0.1, gt=0)
    """How closely the model is held to the one that the run began with: the larger, the closer."""
    length_normalized: bool = False
    """Divide each answer's log-probabilities by its number of tokens, so that length wins nothing; `beta` is then larger, such as 5."""


class OrpoOptions(_Model):
    """Odds ratio preference optimisation (Hong et al., 2024)."""

    weight: float = Field(0.1, gt=0)
    """What the odds ratio counts for beside the likelihood of the preferred answer: lambda in the paper, beta in other trainers."""


class SimpoOptions(_Model):
    """Simple preference optimisation (Meng et al., 2024)."""

    beta: float = Field(2.0, gt=0)
    """Scales the difference of the two answers' mean log-probabilities."""
    gamma: float = Field(1.0, ge=0)
    """By how much, in these units, the preferred answer is to be ahead."""


class KtoOptions(_Model):
    """Kahneman-Tversky optimisation (Ethayarajh et al., 2024)."""

    beta: float = Field(0.1, gt=0)
    """How closely the model is held to the one that the run began with: the larger, the closer."""
    wanted_weight: float = Field(1.0, gt=0)
    """What a wanted answer counts for. Times the number of such answers it should be 1 to 4/3 of the same for the others (by the paper)."""
    unwanted_weight: float = Field(1.0, gt=0)
    """What an unwanted answer counts for."""


class InfluenceOptions(_Model):
    """Sketches of the training rows' gradients, which say later which of them push another row."""

    size: int = Field(512, ge=16, le=65536)
    """Numbers of a sketch: an inner product is off by about 1 / sqrt(size) of the two lengths' product."""


class TrainConfig(_Model):
    """One training run. The defaults suit a small model and a few hundred short examples on a CPU."""

    model: str = "embedded"
    """The base model: `embedded`, a folder or a hub name."""
    objective: str = "chat"
    """What is learned from an example: `chat` trains the assistant's turns, `completion` whole texts, `verbalizer` the choice among the
    words for the labels, `cloze` the same at a mask, with a masked language model, `preference` the better of two answers, `unpaired`
    answers of which each is wanted or not, `reward` a model that scores answers. A plug-in may add others."""
    verbalizer_loss: VerbalizerLoss = "choices"
    """Of `verbalizer` and `cloze`: `choices` trains the right one's share of all choices' probability, `target` its likelihood alone."""
    method: str = "lora"
    """What of the model is trained: `lora` an adapter beside the base, `full` all weights, `freeze` the topmost layers."""
    loss: Loss | None = None
    """What an objective that has several losses minimises; default: `dpo` of `preference`, `kto` of `unpaired`."""
    dpo: DpoOptions = DpoOptions()
    """Options of `loss: dpo`."""
    orpo: OrpoOptions = OrpoOptions()
    """Options of `loss: orpo`."""
    simpo: SimpoOptions = SimpoOptions()
    """Options of `loss: simpo`."""
    kto: KtoOptions = KtoOptions()
    """Options of `loss: kto`."""
    start: str | None = None
    """Begin with the weights that a finished run saved, rather than with the base's: its folder. Base, method and the adapter's shape must
    be the same; what a preference is measured against is then the model as that run left it."""
    epochs: int = Field(2, ge=1)
    """Passes over the train split."""
    max_steps: int | None = Field(None, ge=1)
    """Stop after this many steps, however many epochs that is."""
    learning_rate: float | None = Field(None, gt=0)
    """The highest learning rate, reached at the end of the warm-up. Default: by method, objective and optimiser; run.json has the value."""
    batch_size: int = Field(8, ge=1)
    """Examples a step."""
    micro_batch_size: int | None = Field(None, ge=1)
    """At most this many examples in one forward pass; gradients accumulate over the step. Default: as many as `micro_batch_tokens` lets."""
    micro_batch_tokens: int = Field(2048, ge=1)
    """At most this many tokens in one forward pass (one longer example still goes alone). Lower it where memory runs out."""
    warmup: float = Field(0.05, ge=0, le=1)
    """Share of the steps over which the learning rate rises from zero."""
    schedule: Schedule = "cosine"
    """How the learning rate falls after the warm-up: to zero along a `cosine` or a line (`linear`), not at all (`constant`), or in the
    last fifth of the steps alone (`wsd`)."""
    optimizer: OptimizerName = "adamw"
    """How gradients become updates. `adafactor` keeps a few numbers a row and column where `adamw` keeps two a weight: for `full`."""
    weight_decay: float = Field(0.0, ge=0)
    """Decoupled weight decay (Loshchilov and Hutter, 2019) on what is trained, gains of norms and biases left out."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients are scaled down to this norm where theirs is higher."""
    normalize: Normalize = "token"
    """What counts the same in a step: each trained `token`, or each `example`, however long its answer."""
    lora: LoraOptions = LoraOptions()
    """The adapter's shape."""
    freeze: FreezeOptions = FreezeOptions()
    """What `method: freeze` trains."""
    quantize: Quantize | None = None
    """Load the base in 4 bits, `nf4` (QLoRA; Dettmers et al., 2023): on a GPU, with `method: lora` and the `qlora` extra."""
    max_length: int = Field(2048, ge=2)
    """Longest example in tokens; the model's own limit where that is lower. `completion` cuts longer texts into windows of this length."""
    stride: int | None = Field(None, ge=1)
    """Held-out loss of `completion`: a window begins this many tokens behind the one before, at most (and by default) half its length."""
    truncation: Truncation = "raise"
    """What longer examples do: `raise` stops before training and lists them, `drop` leaves them out and lists them in run.json."""
    leaks: Literal["refuse", "allow"] = Field("refuse", exclude_if=lambda value: value == "refuse")
    """What happens where rows of the train split are also in validation or test, or nearly so (LEK401, LEK402): `refuse` stops before
    training and names them, `allow` trains all the same; run.json lists them, and an evaluation says it."""
    dtype: Dtype = "auto"
    """Precision of the base weights and of the computation; what is trained is always float32."""
    exact: bool = Field(False, exclude_if=lambda value: not value)
    """Let the model's own modules compute all. Otherwise, where there is a fast path for the model, every token is computed once, also
    those that several sequences begin with, and layers that read the same input are one: equal but for rounding, and faster."""
    compile: bool | None = Field(None, exclude_if=lambda value: value is None)
    """Compile what the fast path computes a number at a time (`torch.compile`, which needs a C++ compiler): some 10 to 40 seconds at the
    start, and about a twentieth less time a step. Default: where the run is long enough to win them back."""
    activation_checkpointing: bool | None = Field(None, exclude_if=lambda value: value is None)
    """Keep of each layer its input alone, and compute the rest of it again in the backward pass: less memory, a third more time, and the
    same result. Default: where a forward pass would not fit into memory otherwise."""
    shard: bool = Field(False, exclude_if=lambda value: not value)
    """Divide the frozen base among the processes that `torchrun` starts (FSDP2), where it does not fit into one: each has a layer's weights
    whole while it computes that layer. With `method: lora`."""
    seed: int = Field(17, ge=0)
    """Decides the adapter's start, the order of the examples and dropout."""
    seeds: int = Field(1, ge=1)
    """Train the same thing from so many seeds, `seed` and those after it: how much a result owes to chance. Each is a run in `seed-N/`."""
    track: tuple[str, ...] = Field((), exclude_if=lambda value: not value)
    """Where the run's numbers are shown beside its own files: `tensorboard`, `trackio`, `wandb`, `mlflow` or an own tracker, each with the
    extra of its name. They change nothing of the run, and send nothing anywhere unless your settings of theirs say so."""
    validation: bool = True
    """Measure the loss on the validation split at the end of each epoch."""
    best: str = LOSS
    """Which checkpoint the run keeps: the latest that is not worse, beyond the noise, than the best by `validation_loss` or by a metric of
    evals on the validation split, such as `accuracy`; `last` is the last one, whatever it scores."""
    early_stopping: int | None = Field(None, ge=1)
    """Stop after so many validations in a row that are worse than the best, beyond the noise."""
    keep_checkpoints: tuple[Kept, ...] = ("half", "best")
    """Checkpoints that stay in `checkpoints/step-N/` of the run: at `half` the steps, the `best`, and those of steps by number."""
    influence: InfluenceOptions | None = None
    """Write a sketch of each training row's gradient at the checkpoints that stay (`influence.parquet`), which says later which rows push
    another one; `true` takes the default size. It takes about as long as an epoch for each checkpoint."""
    checkpoint_every: int = Field(50, ge=1)
    """Steps between checkpoints; one is also written at the end of each epoch."""

    def identity(self) -> str:
        """Returns the options as JSON, for the key of what was made with them.

        An option that came later counts only where it differs from its default, which is what there was before: what an earlier version
        made stays valid.
        """
        later: dict[str, Any] = {name: True for name in _LATER if getattr(self, name) == type(self).model_fields[name].default}
        of_lora = {name for name in _LATER_OF_LORA if getattr(self.lora, name) == LoraOptions.model_fields[name].default}
        same = self
        if self.learning_rate is None and (self.method, self.objective, self.optimizer) == ("lora", "chat", "adamw"):
            same = self.model_copy(update={"learning_rate": _FIRST_LEARNING_RATE})
        return same.model_dump_json(exclude={**later, "lora": of_lora, "track": True})

    @field_validator("influence", mode="before")
    @classmethod
    def _is_on_or_off(cls, value: Any) -> Any:
        return {True: {}, False: None}[value] if isinstance(value, bool) else value

    @model_validator(mode="after")
    def _stride_is_at_most_half(self) -> Self:
        if self.stride is not None and self.stride > self.max_length // 2:
            raise ValueError(f"stride is {self.stride}: give at most half of max_length, {self.max_length // 2}")
        return self


class MixedDatasetConfig(_Model):
    """One of the datasets of a mixture."""

    path: str
    """The folder that `prep build` wrote, relative to the config."""
    weight: float | None = Field(None, gt=0, allow_inf_nan=False)
    """What its examples' share of an epoch is proportional to; give one to each dataset, or to none."""


class MixtureConfig(_Model):
    """Several datasets for one run: `mixture:` of a config file, read by `train run` where no dataset is named."""

    datasets: dict[str, MixedDatasetConfig] = Field(min_length=1)
    """The datasets by names of your choice, which stand before the ids of their examples; `NAME: FOLDER` is short for its `path` alone."""
    temperature: float | None = Field(None, ge=1, allow_inf_nan=False)
    """In the place of weights: shares are proportional to size^(1/temperature) (Arivazhagan et al., 2019, "Massively Multilingual Neural
    Machine Translation in the Wild"). At 1, the default, each example counts the same; the higher, the more alike the shares are."""
    epoch_size: int | None = Field(None, ge=1)
    """Examples of an epoch; default: as many as the train splits have together. A dataset whose share is more than it has is gone through
    again, and of one whose share is less the next epoch goes on where this one stopped."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        """Reads a dataset's folder alone as its `path`."""
        if not isinstance(data, dict) or not isinstance(data.get("datasets"), dict):
            return data
        datasets = {name: {"path": one} if isinstance(one, str) else one for name, one in data["datasets"].items()}
        return {**data, "datasets": datasets}

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        for name in self.datasets:
            require_plain_name(name)
        weights = [one.weight for one in self.datasets.values()]
        if any(weight is not None for weight in weights):
            if None in weights:
                raise ValueError("give a weight to each dataset of the mixture, or to none")
            if self.temperature is not None:
                raise ValueError("weights and temperature exclude each other: give one of the two")
        return self


class StageConfig(BaseModel):
    """One stage: a run that begins with the weights of the one before. Besides these, it has the keys of `train:` that differ."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    """What the stage is called, and its folder."""
    dataset: str | None = None
    """The folder that `prep build` wrote, relative to the config; or give a `mixture`."""
    mixture: MixtureConfig | None = None
    """Several datasets in the place of one, as in the section `mixture:`."""
    replay: float = Field(0.0, ge=0, lt=1)
    """Share of an epoch's examples that is drawn from the train splits of the stages before, so that less of them is forgotten. The stage's
    own examples are as many as without it."""

    @model_validator(mode="after")
    def _is_fit(self) -> Self:
        require_plain_name(self.name)
        if (self.dataset is None) == (self.mixture is None):
            raise ValueError("give a stage either a dataset or a mixture")
        return self


class StagesConfig(_Model):
    """All stages of a config file."""

    stages: tuple[StageConfig, ...] = Field(min_length=1)
    """The runs, in their order."""


def require_plain_name(name: str) -> None:
    """Makes sure that a name is fit for a folder and for the beginning of an id, on every system.

    Raises:
        ValueError: it is not.
    """
    if not _PLAIN_NAME.fullmatch(name):
        raise ValueError(f"the name '{name}' is not fit: take letters, digits, '-' and '_', and begin with a letter or a digit")


class Range(_Model):
    """Values between two, for `search: random`."""

    low: float
    """The least."""
    high: float
    """The greatest."""
    log: bool = True
    """Draw orders of magnitude evenly, as learning rates want; false: the values themselves."""

    @model_validator(mode="after")
    def _is_a_range(self) -> "Range":
        if self.low >= self.high or (self.log and self.low <= 0):
            raise ValueError("write a range whose low is below its high, and above zero unless log is false")
        return self


class SweepConfig(_Model):
    """Runs that differ in some options, compared in pairs on the validation split: `sweep:` of a config file, read by `train sweep`."""

    options: dict[str, tuple[Any, ...] | Range] = Field(min_length=1)
    """What runs differ in: keys of `train:`, those of its sections with a dot (`lora.rank`), and their values; or a range."""
    search: Literal["grid", "random"] = "grid"
    """All combinations of the values, or some that are drawn."""
    num_runs: int = Field(8, ge=2)
    """How many runs `random` draws."""
    seed: int = 17
    """Seed of the draws; that of the runs is an option of `train:`."""


_LATER = (
    *("seeds", "start"),
    *("loss", "dpo", "orpo", "simpo", "kto"),
    *("method", "verbalizer_loss", "stride", "optimizer", "normalize", "freeze", "quantize", "best", "early_stopping"),
    *("keep_checkpoints", "influence"),
)
_LATER_OF_LORA = ("rslora", "dora", "plus_ratio")


def completed(options: dict[str, Any]) -> dict[str, Any]:
    """Returns the options that an earlier version wrote, with those that it did not know at what it did.

    Args:
        options: what a run's config says, but for its model.

    Raises:
        ValueError: they are of a later version, or no options at all.
    """
    before = {"method": "lora", "learning_rate": _FIRST_LEARNING_RATE, **options}
    return TrainConfig.model_validate(before).model_dump(mode="json", exclude=ELSEWHERE)


def flat_options(config: TrainConfig) -> dict[str, Any]:
    """Returns all options as JSON holds them; those of a section are `section.option`."""
    return flat(config.model_dump(mode="json"))


def flat(options: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns options of nested sections with names of their own: `section.option`."""
    found: dict[str, Any] = {}
    for name, value in options.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return found
