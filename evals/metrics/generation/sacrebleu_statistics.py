"""What sacrebleu counts of each answer, and the signature that says how: BLEU and chrF++ are values of sums of these counts."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

import numpy as np

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow
from evals.metrics.base import Array
from evals.metrics.words import is_unspaced
from loopwright.errors import missing_extra

Kind = Literal["bleu", "chrf"]
Tokenizer = Literal["13a", "zh", "char", "none"]

_KANA = re.compile(r"[\u3040-\u30ff]")
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_NEEDED = "a metric of sacrebleu"


def counts_of(kind: Kind, rows: Sequence[EvalRow], predictions: Sequence[Prediction], width: int) -> Array:
    """Returns sacrebleu's counts of each example, `[N, width]`; zeros where the reference is empty, as it refuses those."""
    found = np.zeros((len(rows), width))
    for index, (row, prediction) in enumerate(zip(rows, predictions, strict=True)):
        if row.reference:
            made = scorer(kind, tokenizer_of(row.reference) if kind == "bleu" else "none")
            # Its public calls give the score of a corpus alone; the counts that it is made of are what can be resampled.
            found[index] = made._extract_corpus_statistics([prediction.answer], [[row.reference]])[0]
    return found


def signatures(kind: Kind, rows: Sequence[EvalRow]) -> str | None:
    """Returns sacrebleu's signature of a score over these rows, one for each tokenizer that they take; None without a reference."""
    kinds = {tokenizer_of(row.reference) if kind == "bleu" else "none" for row in rows if row.reference}
    return " and ".join(_signature(kind, one) for one in sorted(kinds)) or None


def tokenizer_of(text: str) -> Tokenizer:
    """Returns the tokenizer for a reference: `zh` for Chinese, `char` for other scripts without spaces, else `13a`, sacrebleu's default."""
    letters = [character for character in text if character.isalpha()]
    if 2 * sum(map(is_unspaced, letters)) <= len(letters):
        return "13a"
    return "zh" if _HAN.search(text) and not _KANA.search(text) else "char"


@cache
def scorer(kind: Kind, tokenizer: Tokenizer) -> Any:
    """Returns sacrebleu's metric.

    Raises:
        UserError: sacrebleu is not installed.
    """
    try:
        from sacrebleu.metrics import BLEU, CHRF
    except ModuleNotFoundError as error:
        raise missing_extra(_NEEDED, "train") from error
    # Force: it warns on its own log of texts that look tokenized.
    return BLEU(tokenize=tokenizer, force=True) if kind == "bleu" else CHRF(word_order=2)


@cache
def _signature(kind: Kind, tokenizer: Tokenizer) -> str:
    made = scorer(kind, tokenizer)
    made.sentence_score("a", ["a"])  # the number of references is known once it has scored something
    return str(made.get_signature())
