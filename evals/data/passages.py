"""Whether a passage has an answer."""

from prep.text.words import words


def holds_answer(passage: str, answer: str) -> bool:
    """Says whether a passage has an answer word for word, whatever case, punctuation and white space.

    Of scripts without spaces between words the characters are compared. An answer without a word stands nowhere.
    """
    wanted = words(answer)
    return bool(wanted) and f" {' '.join(wanted)} " in f" {' '.join(words(passage))} "
