"""What a model's config says of it before anything is loaded: whether it has all tokens, and whether it can be trained."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwright.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MASKED_CLASS = "AutoModelForMaskedLM"
"""The class of transformers that loads a masked language model."""

# Kinds of model whose layers transformers does not offer apart from the output head, so that no loss can be computed on them.
_WHOLE_ONLY = frozenset({"llama4", "llama4_text"})
# Kinds of model whose first position is the one behind the padding token's id, which takes so many from the positions that there are.
_COUNTS_BEHIND_PADDING = frozenset(
    {
        "camembert",
        "data2vec-text",
        "ibert",
        "longformer",
        "luke",
        "mpnet",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
    }
)


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
    """Refuses a model of a kind that this trainer cannot train, or that does not have the output head that is asked for.

    Args:
        model: its name, for the message.
        folder: where it is.
        auto_class: the class of transformers that is to load it.

    Raises:
        UserError: it is one, or its config cannot be read.
    """
    config = model_config(folder)
    kind = config.model_type
    if auto_class == MASKED_CLASS:
        _require_masked(model, folder, config)
    elif auto_class == "AutoModelForCausalLM" and says_masked(config):
        cause = f"'{model}' is a masked language model of the kind '{kind}', which fills blanks and writes nothing"
        raise UserError(cause, str(folder), "Train it with 'objective: cloze', or give a causal model, such as embedded.")
    if kind in _WHOLE_ONLY:
        cause = f"'{model}' is a model of the kind '{kind}', whose experts and output head this trainer cannot take apart"
        raise UserError(cause, str(folder), "Train a model of another family, such as Llama 3, Qwen, Mistral or SmolLM.")


def says_masked(config: Any) -> bool:
    """Says whether a model was saved as a masked language model, by its config."""
    return any(name.endswith("ForMaskedLM") for name in getattr(config, "architectures", None) or ())


def _require_masked(model: str, folder: Path, config: Any) -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    # Others of that mapping write: a mask of theirs is filled by a decoder, or by the head that also generates.
    name = MODEL_FOR_MASKED_LM_MAPPING_NAMES.get(config.model_type, "")
    if not name.endswith("ForMaskedLM") or getattr(config, "is_encoder_decoder", False):
        cause = f"'{model}' is a model of the kind '{config.model_type}', which is no masked language model and has no mask to fill"
        raise UserError(
            cause, str(folder), "Give a masked model (--model), such as BERT, RoBERTa or DistilBERT, or train another objective."
        )


def position_limit(config: Any) -> int | None:
    """Returns the most tokens that a model takes, by its config; None where that does not say."""
    limit: int | None = getattr(config, "max_position_embeddings", None) or None
    if limit is not None and config.model_type in _COUNTS_BEHIND_PADDING:
        limit -= (config.pad_token_id or 0) + 1
    return limit


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
