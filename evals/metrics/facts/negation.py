"""Which statements of a text are negated, and what they are about, in the languages whose negations are listed here."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from evals.metrics.language import likeliest_language
from evals.metrics.words import is_unspaced, script_name, script_words
from prep.text.language_words import FUNCTION_WORDS
from prep.text.sentences import sentence_spans

# Statements with fewer of their words in common, of all words of the two, are about different things.
_SAME_SUBJECT = 0.7
# How many words behind a negation it may be about: "no chest pain".
_MAX_TARGETS = 2
_SHORTEST_STEM = 3


@dataclass(frozen=True, slots=True)
class _Language:
    """How a language negates.

    Attributes:
        cues: words that negate a statement.
        with_ne: words that negate beside `ne` alone, as in French.
        idioms: turns that hold such a word and negate nothing; they are taken out first.
        breaks: words that begin another statement.
        endings: what is cut off a word, so that forms of one word agree.
    """

    cues: frozenset[str]
    idioms: re.Pattern[str]
    breaks: frozenset[str]
    endings: re.Pattern[str]
    with_ne: frozenset[str] = frozenset()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# A particle that answers, "No, he can come", negates nothing that follows.
_ANSWER = re.compile(r"^\W*(?:no|nope|nein|non)\s*[,.!;:]\s*")
_CONTRACTED = ((re.compile(r"\bcan(?:not|'t)\b"), "can not"), (re.compile(r"\bwon't\b"), "will not"), (re.compile(r"n't\b"), " not"))
_LANGUAGES = {
    "en": _Language(
        _words("not no never without neither nor none nobody nothing denies denied denying"),
        re.compile(r"\b(?:not (?:only|just|without|least)|no (?:doubt|matter|later than|more than|less than|fewer than)|no\.? (?=\d))"),
        _words("but however although though while whereas"),
        re.compile(r"(?:ing|ed|es|s|e)$"),
    ),
    "de": _Language(
        _words("nicht kein keine keinen keinem keiner keines ohne nie niemals weder"),
        re.compile(r"\b(?:nicht (?:nur|zuletzt|ohne)|ohne (?:zweifel|weiteres))\b"),
        _words("aber jedoch obwohl sondern während"),
        re.compile(r"(?:en|er|es|em|e|n|s|t)$"),
    ),
    "fr": _Language(
        _words("pas jamais aucun aucune sans"),
        re.compile(r"\b(?:pas (?:seulement|sans)|sans (?:doute|problème))\b"),
        _words("mais cependant toutefois tandis pourtant"),
        re.compile(r"(?:es|s|e)$"),
        _words("plus rien personne guère"),
    ),
    "es": _Language(
        _words("no nunca jamás sin ningún ninguna ninguno tampoco"),
        re.compile(r"\b(?:no (?:solo|sólo|solamente|obstante)|sin (?:duda|embargo))\b"),
        _words("pero sino aunque mientras"),
        re.compile(r"(?:es|s)$"),
    ),
}
_CHINESE_CUE = re.compile(r"没有|没|不|未|无|否认")
_CHINESE_IDIOM = re.compile(
    r"不(?:错|过|少|仅|但|断|同|久|然|管|论|得不|客气|好意思)|差不多|对不起|未(?:来|必)|无(?:论|疑|线)|没关系|[对是要能会]不[对是要能会]"
)
_CHINESE_BREAK = re.compile(r"[，,；;]|但是|但|然而")
_CHINESE_SMALL = re.compile(r"[的了在是和有也都很就还到被把着]")

KNOWN = (*_LANGUAGES, "zh")
"""The languages whose negations are known."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence, or a part of one that stands for itself.

    Attributes:
        units: what it is about: its words without the small ones, or pairs of its characters, without the negation.
        is_negated: whether it is negated.
        targets: those units that the negation is about; empty where there is none.
    """

    units: frozenset[str]
    is_negated: bool
    targets: frozenset[str]


def language_of(text: str) -> str | None:
    """Returns the language of a text among those that are known here; None for another."""
    letters = [character for character in text if character.isalpha()]
    if 2 * sum(map(is_unspaced, letters)) > len(letters):
        return "zh" if all(script_name(letter) == "CJK" for letter in letters if is_unspaced(letter)) else None
    if 2 * sum(script_name(letter) == "LATIN" for letter in letters) <= len(letters):
        return None
    language = likeliest_language(text, ("en",))
    return language if language in _LANGUAGES else None


def statements(text: str, language: str) -> list[Statement]:
    """Returns the statements of a text in one of the `KNOWN` languages, those that are about nothing left out."""
    sentences = [text[start:end] for start, end in sentence_spans(text)]
    found = [one for sentence in sentences for one in (_chinese(sentence) if language == "zh" else _spaced(sentence, language))]
    return [one for one in found if one.units]


def flipped(said: Statement, known: list[Statement]) -> bool:
    """Says whether a statement negates what others affirm, or affirms what they negate.

    That holds where those of them that are most nearly about the same (0.7 of all words in common, Jaccard 1912) are all of the other kind,
    and what is negated is named on both sides.
    """
    near = [(len(said.units & other.units) / len(said.units | other.units), other) for other in known]
    closest = max((nearness for nearness, _ in near), default=0.0)
    if closest < _SAME_SUBJECT:
        return False
    best = [other for nearness, other in near if nearness == closest]
    return all(other.is_negated != said.is_negated and (said.targets & other.units or other.targets & said.units) for other in best)


def _spaced(sentence: str, name: str) -> Iterator[Statement]:
    language = _LANGUAGES[name]
    text = sentence.lower().replace("\u2019", "'")
    for pattern, plain in _CONTRACTED if name == "en" else ():
        text = pattern.sub(plain, text)
    text = re.sub(r"\bn'", "ne ", text) if name == "fr" else text
    text = language.idioms.sub(" ", _ANSWER.sub("", text))
    for part in text.split(";"):
        words: list[str] = []
        for word in [*script_words(part), None]:
            if word is not None and word not in language.breaks:
                words.append(word)
                continue
            yield _statement(words, language, FUNCTION_WORDS[name])
            words = []


def _statement(words: list[str], language: _Language, small: frozenset[str]) -> Statement:
    has_ne = bool(language.with_ne) and "ne" in words
    cues = language.cues | (language.with_ne if has_ne else frozenset())
    places = [place for place, word in enumerate(words) if word in cues]
    units = [_stem(word, language) if word not in small and word not in cues and word != "ne" else "" for word in words]
    if not places:
        return Statement(frozenset(units) - {""}, False, frozenset())
    first = words.index("ne") if has_ne else places[0]
    behind = [unit for unit in units[first:] if unit][:_MAX_TARGETS]
    before = [unit for unit in units[:first] if unit][-1:]
    return Statement(frozenset(units) - {""}, True, frozenset(behind or before))


def _stem(word: str, language: _Language) -> str:
    stem = language.endings.sub("", word)
    return stem if len(stem) >= _SHORTEST_STEM else word


def _chinese(sentence: str) -> Iterator[Statement]:
    for part in _CHINESE_BREAK.split(_CHINESE_IDIOM.sub("", sentence)):
        cue = _CHINESE_CUE.search(part)
        before, behind = (part[: cue.start()], part[cue.end() :]) if cue else (part, "")
        targets = _pairs(behind)[:_MAX_TARGETS] or _pairs(before)[-1:]
        yield Statement(frozenset(_pairs(before + behind)), cue is not None, frozenset(targets if cue else ()))


def _pairs(text: str) -> list[str]:
    characters = script_words(_CHINESE_SMALL.sub("", _CHINESE_CUE.sub("", text)))
    return ["".join(pair) for pair in pairwise(characters)] or characters
