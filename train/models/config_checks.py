"""What a model's config says of it before anything is loaded: whether it has all tokens, and whether it can be trained."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwright.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Kinds of model whose layers transformers does not offer apart from the output head, so that no loss can be computed on them.
_WHOLE_ONLY = frozenset({"llama4", "llama4_text"})


def model_config(folder: Path) -> Any:
    """Reads the config of a model's text part.

    Raises:
        UserError: it cannot be read.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True).get_text_config()
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"cannot read the model's config: {str(error).splitlines()[0]}", str(folder)) from error


def require_trainable(model: str, folder: Path, auto_class: str = "AutoModelForCausalLM") -> None:
    """Refuses a model of a kind that this trainer cannot train.

    Args:
        model: its name, for the message.
        folder: where it is.
        auto_class: the class of transformers that is to load it.

    Raises:
        UserError: it is one, or its config cannot be read.
    """
    config = model_config(folder)
    kind = config.model_type
    if auto_class == "AutoModelForCausalLM" and _sees_ahead(config):
        cause = f"'{model}' is a masked language model ('{kind}'): each position sees those after it, and would read the answer"
        raise UserError(cause, str(folder), "Train a causal language model, such as Llama, Qwen, Mistral or SmolLM.")
    if kind in _WHOLE_ONLY:
        cause = f"'{model}' is a model of the kind '{kind}', whose experts and output head this trainer cannot take apart"
        raise UserError(cause, str(folder), "Train a model of another family, such as Llama 3, Qwen, Mistral or SmolLM.")


def _sees_ahead(config: Any) -> bool:
    """Says whether a model fills in masked words. transformers loads such a one as a causal model, too, with no more than a log line."""
    is_masked = any(name.endswith("ForMaskedLM") for name in config.architectures or [])
    return is_masked and not getattr(config, "is_decoder", False)


def require_embeddings(model: str, folder: Path, tokenizer: "PreTrainedTokenizerBase") -> None:
    """Refuses a model whose tokenizer has tokens that its embeddings lack.

    Args:
        model: its name, for the message.
        folder: where it is.
        tokenizer: its tokenizer.

    Raises:
        UserError: it has, or the config cannot be read.
    """
    num_embeddings = getattr(model_config(folder), "vocab_size", None)
    beyond = sorted((place, token) for token, place in tokenizer.get_vocab().items() if num_embeddings and place >= num_embeddings)
    if beyond:
        tokens = ", ".join(repr(token) for _, token in beyond[:3]) + (", ..." if len(beyond) > 3 else "")
        raise UserError(
            f"the tokenizer of '{model}' has {len(beyond)} tokens more than the model's {num_embeddings:,} embeddings: {tokens}",
            str(folder),
            "Use the tokenizer that the model came with, or give the model these tokens: `model.resize_token_embeddings(len(tokenizer))`, "
            "then save both.",
        )
