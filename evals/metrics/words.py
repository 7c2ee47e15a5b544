"""The words of a text of any script, as metrics of text compare them."""

import unicodedata
from functools import lru_cache
from itertools import groupby

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


def script_words(text: str) -> list[str]:
    """Returns the tokens of a text, by `ScriptTokenizer`."""
    return ScriptTokenizer().tokenize(text)


def split_unspaced(word: str) -> list[str]:
    """Returns what stands between spaces in parts: each character of a script without spaces alone, all else as it is."""
    parts: list[str] = []
    for is_alone, run in groupby(word, is_unspaced):
        characters = list(run)
        parts.extend(characters if is_alone else ["".join(characters)])
    return parts


def is_unspaced(character: str) -> bool:
    """Says whether a character is of a script that puts no spaces between words."""
    return _kind(character) in _UNSPACED


def script_name(character: str) -> str:
    """Returns the first word of a character's name in Unicode, which is its script: `CJK`, `HIRAGANA`, `LATIN`; empty for none."""
    return unicodedata.name(character, "").split(" ")[0]


@lru_cache(maxsize=1 << 16)
def _kind(character: str) -> str:
    """Says whether a character is part of a word, a token of its own, or (empty) neither."""
    category = unicodedata.category(character)
    # Marks (M) hold words of Indic and other scripts together; superscripts and fractions (No) are no part of a word.
    if category[0] not in "LM" and category != "Nd":
        return ""
    script = script_name(character)
    return script if script in _UNSPACED else _WORD
