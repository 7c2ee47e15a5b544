"""A cloze: a text with one mask in it, and the word that belongs there."""


def mask_position(text: str, mask: str) -> int:
    """Returns where the mask stands in a text, in characters.

    Raises:
        ValueError: it does not stand there exactly once, so that nobody could tell which place is meant.
    """
    first = text.find(mask)
    if first < 0:
        raise ValueError(f"the mask {mask!r} is not in the text")
    if text.rfind(mask) != first:  # not `count`, which takes two masks that overlap for one
        raise ValueError(f"the mask {mask!r} is in the text more than once")
    return first


def fill(prompt: str, mask: str | None, word: str) -> tuple[str, str]:
    """Returns what the model is given and what it is to say, for a prompt and the word that completes or fills it.

    A causal model reads up to the mask and goes on with the word and what follows the mask: the whole continuation is trained and scored,
    so that words are told apart by how well the rest fits them too. Training and evaluation both cut a prompt here and nowhere else.

    Args:
        prompt: the text before the answer; of a cloze, the whole text with its mask.
        mask: the mask's text; None where the prompt is no cloze.
        word: the answer.

    Raises:
        ValueError: the mask does not stand in the prompt exactly once.
    """
    if mask is None:
        return prompt, word
    start = mask_position(prompt, mask)
    return prompt[:start], word + prompt[start + len(mask) :]
