"""ROUGE through rouge-score, with a tokenizer that does not throw other scripts away."""

import unicodedata
from functools import cache, lru_cache
from itertools import groupby
from typing import Any

# Scripts written without spaces between words: each character is a token, as is usual for Chinese ROUGE.
_UNSPACED = {"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN"}
_WORD = "word"


class ScriptTokenizer:
    """Lower-cased words of every script; single characters where a script puts no spaces between words.

    rouge-score itself keeps `[a-z0-9]` alone, so that two identical Chinese texts score 0. On ASCII text the two are the same.
    """

    def tokenize(self, text: str) -> list[str]:
        """Returns the tokens of a text."""
        tokens: list[str] = []
        for kind, run in groupby(text.lower(), _kind):
            if kind == _WORD:
                tokens.append("".join(run))
            elif kind:
                tokens.extend(run)
        return tokens


def rouge_f(kind: str, prediction: str, reference: str) -> float:
    """Returns the F1 of one kind of ROUGE (`rouge1`, `rouge2`, `rougeL`), in [0, 1]."""
    return float(_scorer(kind).score(reference, prediction)[kind].fmeasure)


@lru_cache(maxsize=1 << 16)
def _kind(character: str) -> str:
    """Says whether a character is part of a word, a token of its own, or (empty) neither."""
    category = unicodedata.category(character)
    # Marks (M) hold words of Indic and other scripts together; superscripts and fractions (No) are no part of a word.
    if category[0] not in "LM" and category != "Nd":
        return ""
    script = unicodedata.name(character, "").split(" ")[0]
    return script if script in _UNSPACED else _WORD


@cache
def _scorer(kind: str) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([kind], tokenizer=ScriptTokenizer())
