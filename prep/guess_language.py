"""A guess at a text's language from its script and its commonest words; `unknown` where they do not say."""

import re
from collections import Counter
from collections.abc import Iterable

UNKNOWN = "unknown"

# Script -> its letters. Kana and Hangul come before Han, which Japanese and Korean use too.
_SCRIPTS = {
    "kana": re.compile("[぀-ヿ]"),
    "hangul": re.compile("[가-힯]"),
    "han": re.compile("[㐀-鿿豈-﫿]"),
    "cyrillic": re.compile("[Ѐ-ӿ]"),
    "greek": re.compile("[Ͱ-Ͽ]"),
    "hebrew": re.compile("[֐-׿]"),
    "arabic": re.compile("[؀-ۿ]"),
    "devanagari": re.compile("[ऀ-ॿ]"),
    "thai": re.compile("[฀-๿]"),
    "latin": re.compile("[A-Za-zÀ-ɏ]"),
}
# Scripts that one language has nearly to itself. Arabic, Devanagari and others are shared.
_LANGUAGE_OF_SCRIPT = {"kana": "ja", "hangul": "ko", "han": "zh", "greek": "el", "hebrew": "he", "thai": "th"}
# Words that stand in nearly every text of a language, and in few of another.
_FUNCTION_WORDS = {
    "en": "the and of to is in that it was for you with this on have not are be at but my they we from what can your there as were had i",
    "de": "der die und das ist nicht ein eine zu den mit ich es sie auf dem wir für von auch war des im sich wie haben aber wird nach bei",
    "fr": "le la les et est des une dans que pour pas je vous il nous avec ce sur du au mais très était cette sont plus été qui ne ont",
    "es": "el los las y es una que en por para con no muy pero su del se está como más fue lo me este son al todo hay mi le",
    "it": "il di che è non per una sono con gli della le ma più anche molto questo nel era ho alla come dei mi lo al si del ci",
    "pt": "o os as e é um uma que não para com muito do da mas por em foi no na se mais como eu ao meu são está isso você",
    "nl": "de het een en van is niet dat ik te op met voor zijn maar er ook aan was heb dit bij naar heel wij ze hebben wel als om",
    "ru": "и в не на что я с это как но он мы по за из так у был для от все очень мне есть они бы было же нет",
    "uk": "і в не на що я з це як але він ми за із так у був для від все дуже мені є вони би було та ні",
}
_WORDS = {code: frozenset(words.split()) for code, words in _FUNCTION_WORDS.items()}
_SCRIPT_OF = {"ru": "cyrillic", "uk": "cyrillic"}
_WORD = re.compile(r"[^\W\d_]+")
_MIN_SHARE = 0.08  # of a text's words; running text has 0.3 to 0.5
_MIN_MARGIN = 1.3
_MIN_WORDS = 3
_MAX_CHARACTERS = 4_000


def script_of(text: str) -> str:
    """Returns the script of most of a text's letters, such as `latin` or `han`; `unknown` where it has none that is known."""
    counts = {name: len(letters.findall(text[:_MAX_CHARACTERS])) for name, letters in _SCRIPTS.items()}
    # A Japanese text has more Han than kana, and a Chinese one has no kana at all.
    for mixed in ("kana", "hangul"):
        if counts[mixed] * 5 > counts["han"] > 0:
            counts[mixed] += counts["han"]
            counts["han"] = 0
    # A Han character is a word, a Latin letter a part of one.
    counts["han"] *= 3
    name = max(counts, key=counts.__getitem__)
    return name if counts[name] else UNKNOWN


def guess_language(text: str) -> str:
    """Returns a language code, or `unknown` where the script is shared and too few words tell.

    Knows en, de, fr, es, it, pt, nl, ru and uk by their function words, and zh, ja, ko, el, he and th by their script.
    """
    script = script_of(text)
    if script in _LANGUAGE_OF_SCRIPT:
        return _LANGUAGE_OF_SCRIPT[script]
    words = [word.lower() for word in _WORD.findall(text[:_MAX_CHARACTERS])]
    if len(words) < _MIN_WORDS:
        return UNKNOWN
    known = [code for code in _WORDS if _SCRIPT_OF.get(code, "latin") == script]
    counts = sorted(((sum(word in _WORDS[code] for word in words), code) for code in known), reverse=True)
    # One word is chance: "na" is Portuguese, Polish and Ukrainian.
    if not counts or counts[0][0] < max(2, _MIN_SHARE * len(words), _MIN_MARGIN * counts[1][0]):
        return UNKNOWN
    return counts[0][1]


def guess_common_language(texts: Iterable[str]) -> tuple[str, float]:
    """Returns the language of most of the texts whose language can be told, and its share of those; `unknown` and 0 for none."""
    counts = Counter(language for text in texts if (language := guess_language(text)) != UNKNOWN)
    if not counts:
        return UNKNOWN, 0.0
    language, number = max(counts.items(), key=lambda item: (item[1], item[0]))
    return language, number / counts.total()
