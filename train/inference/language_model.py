"""One loaded model that serves the base and every adapter: an adapter switched off gives the base exactly."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from templates.chat import ChatTemplateConfig, load_tokenizer
from train.methods.base import Method, method_of
from train.models.config_checks import MASKED_CLASS, model_config, position_limit, says_masked
from train.models.heads import is_masked
from train.models.load import Dtype, model_folder, unwrapped
from train.models.quantize import load_base
from train.objectives.base import OBJECTIVES, Objective
from train.runs.folder import weights_dir
from train.runs.record import RunRecord

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# What lm-evaluation-harness assumes of a model that does not say how long its context is.
_DEFAULT_CONTEXT = 2048
# A tokenizer without a limit says so with 10^30.
_NO_LIMIT = 1 << 30


class LanguageModel:
    """A language model, causal or masked, and its tokenizer, with adapters that can be switched.

    Args:
        name: the base model: known name, folder or hub name.
        dtype: of weights and computation.
        adapters: name of the adapter (as the user gave it) -> its run folder.
        chat_template: how the chat template is used where no adapter says it: each is asked as its run was trained, and the base as the
            first of them.

    Raises:
        UserError: the model or an adapter cannot be loaded.
    """

    def __init__(self, name: str, dtype: Dtype, adapters: Mapping[str, Path], chat_template: ChatTemplateConfig | None = None) -> None:
        self.name = name
        records = {given: RunRecord.load(folder) for given, folder in adapters.items()}
        options = {given: record.chat_template for given, record in records.items()}
        own = next(iter(options.values()), chat_template or ChatTemplateConfig())
        self.tokenizer: PreTrainedTokenizerBase = load_tokenizer(name, own.on_a_day())
        self._tokenizers = {given: load_tokenizer(name, option.on_a_day()) for given, option in options.items()}
        # Systems of one evaluation share a base: it is in 4 bits where each of its adapters was trained on that.
        quantized = bool(records) and all(record.config.get("quantize") for record in records.values())
        self.model: Any = load_base(name, dtype, quantized, _auto_class(name, adapters))
        self.dtype = str(self.model.dtype).removeprefix("torch.")
        self.max_length = context_length(self.model.config, self.tokenizer)
        # Peft forbids dots and slashes in an adapter's name, and users' run names are full of them.
        self._adapter_names = {given: f"adapter{index}" for index, given in enumerate(adapters)}
        self._methods: dict[str, type[Method]] = {}
        for given, folder in adapters.items():
            self._methods[given] = method_of(folder)
            self.model = self._methods[given].load(self.model, weights_dir(folder), self._adapter_names[given])

    @classmethod
    def of_loaded(cls, name: str, model: Any, chat_template: ChatTemplateConfig) -> "LanguageModel":
        """Returns a model that is loaded already, as it is: whatever changes it stays on.

        Args:
            name: the base model, for its tokenizer.
            model: the model.
            chat_template: how the chat template is used.
        """
        made = cls.__new__(cls)
        made.name = name
        made.tokenizer = load_tokenizer(name, chat_template.on_a_day())
        made._tokenizers, made._adapter_names, made._methods = {}, {}, {}
        made.model = model
        made.dtype = str(model.dtype).removeprefix("torch.")
        made.max_length = context_length(model.config, made.tokenizer)
        return made

    @property
    def is_masked(self) -> bool:
        """It fills masks and writes nothing."""
        return is_masked(unwrapped(self.model))

    def tokenizer_of(self, given: str | None) -> "PreTrainedTokenizerBase":
        """Returns the tokenizer whose chat template is used as in training an adapter; None is the base."""
        return self.tokenizer if given is None else self._tokenizers[given]

    @contextmanager
    def with_adapter(self, given: str | None) -> Iterator[Any]:
        """Yields the model with one adapter switched on, or with all of them off."""
        own = None if given is None else self._methods[given]
        with ExitStack() as stack:
            # Several methods may have changed the model: those of the other runs are off, too.
            for method in dict.fromkeys(self._methods.values()):
                if method is not own:
                    stack.enter_context(method.using(self.model, None))
            yield self.model if own is None or given is None else stack.enter_context(own.using(self.model, self._adapter_names[given]))


def _auto_class(name: str, adapters: Mapping[str, Path]) -> str:
    """Returns the class of transformers that loads the model: a masked one's where a run was trained so, or it was saved as one.

    Raises:
        UserError: there is no such model, or its config cannot be read.
    """
    objectives = [OBJECTIVES.entries.get(RunRecord.load(folder).objective) for folder in adapters.values()]  # None: of a plug-in
    fills_masks = any(objective is not None and objective.auto_class == MASKED_CLASS for objective in objectives)
    return MASKED_CLASS if fills_masks or says_masked(model_config(model_folder(name))) else Objective.auto_class


def context_length(config: Any, tokenizer: "PreTrainedTokenizerBase") -> int:
    """Returns the longest input in tokens, looked for where lm-evaluation-harness looks."""
    for value in (getattr(config, "n_positions", None), position_limit(config), getattr(config, "n_ctx", None)):
        if value:
            return int(value)
    limit = int(tokenizer.model_max_length)
    return limit if limit < _NO_LIMIT else _DEFAULT_CONTEXT
