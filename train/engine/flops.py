"""How many floating-point operations a trained token takes."""

import re
from dataclasses import dataclass

import torch

from train.data.examples import TrainingExample
from train.models.load import Model, unwrapped
from train.models.quantize import num_weights


@dataclass(frozen=True, slots=True)
class FlopModel:
    """The floating-point operations of a step, forward and backward pass together.

    A product with a matrix of n weights takes 2n forward, 2n for the gradient of its input where anything before it is trained, and 2n
    for that of its weights where they are trained (Kaplan et al., 2020, appendix B). The head sees the supervised positions alone, and
    forms its input's gradient at once. Attention takes 4 T d a token and layer forward, half of it unseen, and twice that backward, for
    sequences of T tokens and d = heads x head size. What is no product is left out, a mixture's experts count as if all were used,
    and whether the input of the lowest trained layer's first products needs a gradient is told by the order of names alone.

    Attributes:
        per_position: of a position that the model reads, without attention and the head.
        per_target: of the head, for a supervised position.
        per_square: of attention, for a sequence's length squared.
    """

    per_position: float
    per_target: float
    per_square: float

    @classmethod
    def of(cls, model: Model) -> "FlopModel":
        """Counts what is in a model, of which what is trained requires a gradient."""
        inner = unwrapped(model)
        head = inner.get_output_embeddings()
        head_weights = {id(parameter) for parameter in head.parameters()} if head is not None else set()
        embeddings = inner.get_input_embeddings()
        looked_up = {id(parameter) for parameter in embeddings.parameters()} if isinstance(embeddings, torch.nn.Embedding) else set()
        per_position, per_target, below_is_trained = 0.0, 0.0, False
        for _, parameter in model.named_parameters():
            is_trained = parameter.requires_grad
            if parameter.ndim > 1 and id(parameter) not in head_weights | looked_up:
                per_position += num_weights(parameter) * (2 + 2 * below_is_trained + 2 * is_trained)
            below_is_trained = below_is_trained or is_trained
        for parameter in head.parameters() if head is not None else ():
            # Where the head is trained its logits are formed once more in the backward pass.
            per_target += num_weights(parameter) * (8 if parameter.requires_grad else 4) * (parameter.ndim > 1)
        return cls(per_position, per_target, _attention(model, 1.0))


def flops_per_token(model: Model, examples: list[TrainingExample]) -> float:
    """Returns the floating-point operations that a step makes for each token that it reads, as `FlopModel` counts them.

    Args:
        model: what is trained requires a gradient.
        examples: those that are trained, for their lengths.
    """
    sequences = [sequence for example in examples for sequence in example.sequences]
    num_tokens = sum(sequence.num_tokens for sequence in sequences)
    share = sum(len(sequence.targets) for sequence in sequences) / num_tokens
    mean_length = sum(sequence.num_tokens**2 for sequence in sequences) / num_tokens
    counted = FlopModel.of(model)
    return counted.per_position + share * counted.per_target + mean_length * counted.per_square


def _attention(model: Model, mean_length: float) -> float:
    """Returns the operations of attention a token, forward and backward, at the length in which a token finds itself on average."""
    config = unwrapped(model).config.get_text_config()
    heads = getattr(config, "num_attention_heads", 0) or 0
    layers = getattr(config, "num_hidden_layers", 0) or 0
    width = heads * (getattr(config, "head_dim", None) or (config.hidden_size // heads if heads else 0))
    # The number of a layer is the first one in its weights' names; what has none lies below them all, or above.
    numbered = [re.search(r"\.(\d+)\.", name) for name, parameter in model.named_parameters() if parameter.requires_grad]
    lowest = int(numbered[0].group(1)) if numbered and numbered[0] else 0
    return float((layers + 2 * (layers - lowest)) * 4 * mean_length * width / 2)
