"""Which language a text is in: by its script, and for Latin script by the small words that every sentence of a language is built with.

What makes a text foreign is how many of its words only the other language has, so that names, loan words, quotes and product codes do not
count for anything. Where a few words tell nothing, lingua (Apache-2.0) does, which the extra `text` installs.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import polars as pl

from prep.text.language_words import FUNCTION_WORDS

if TYPE_CHECKING:
    from lingua import LanguageDetector

__all__ = [
    "MIN_WORDS",
    "UNKNOWN",
    "Verdict",
    "can_read_short_texts",
    "common_language",
    "foreign",
    "likely_languages",
    "script_of",
    "short_text_language",
]

UNKNOWN = "unknown"
# Script -> the commonest language that is written in it, and its letters. Kana decides before Han, since Japanese is written with both.
_SCRIPTS = {
    "kana": ("ja", r"[\p{Hiragana}\p{Katakana}]"), "han": ("zh", r"\p{Han}"), "hangul": ("ko", r"\p{Hangul}"),
    "cyrillic": ("ru", r"\p{Cyrillic}"), "greek": ("el", r"\p{Greek}"), "hebrew": ("he", r"\p{Hebrew}"), "arabic": ("ar", r"\p{Arabic}"),
    "devanagari": ("hi", r"\p{Devanagari}"), "bengali": ("bn", r"\p{Bengali}"), "tamil": ("ta", r"\p{Tamil}"), "thai": ("th", r"\p{Thai}"),
    "georgian": ("ka", r"\p{Georgian}"), "armenian": ("hy", r"\p{Armenian}"),
}  # fmt: skip
# A language that shares its script with a commoner one: its letters, which the other has not, and the other's, which it has not.
_BY_LETTERS = (
    ("uk", "ru", "[\u0456\u0457\u0454\u0491\u0406\u0407\u0404\u0490]", "[\u044b\u044d\u044a\u0451\u045e\u042b\u042d\u042a\u0401\u040e]"),
    ("fa", "ar", "[\u067e\u0686\u0698\u06af\u06a9\u06cc]", "[\u064a\u0643\u0629]"),
    ("ur", "fa", "[\u0679\u0688\u0691\u06ba\u06d2]", None),  # Persian has no letter that Urdu lacks
)
_BY_SCRIPT = frozenset({*(language for language, _ in _SCRIPTS.values()), *(language for language, *_ in _BY_LETTERS)})
_MIN_LETTERS = 2
_SURE_SHARE = 0.08  # of a text's words; running text has 0.3 to 0.5
_SURE_MARGIN = 1.3
# Chinese with the English names and keys of a program is Chinese: a Han character is a word, a Latin letter a part of one.
_HAN_WORTH = 3
MIN_WORDS = 3
"""A word or two are a name, a brand or an exclamation as often as a sentence."""
_WORD_PATTERN = r"\p{L}+(?:['\x{2019}]\p{L}+)?"
# The beginning tells: a text that changes its language later quotes.
_MAX_CHARACTERS = 600
_LANGUAGE_SAMPLE = 200
_MIN_COMMON = 1_000
_MAX_COMMON = 3
# An address begins where its word does: looked for within words too, megabytes without a space took minutes.
_NO_TEXT = re.compile(r"```.*?(?:```|\Z)|https?://\S+|(?<!\S)\S+@\S+|[@#]\w+|<[^<>\n]{1,80}>", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A text in another language than expected.

    Attributes:
        language: the one that it is in.
        num_words: its words (letters, where the script has no spaces).
        hits: how many of them the language has and the expected one has not.
    """

    language: str
    num_words: int
    hits: int


def likely_languages(texts: pl.Series, *, sure: bool = False) -> pl.Series:
    """Returns the likeliest language of each text, null where nothing tells: a sieve over whole columns, by the text's beginning.

    A script decides where it has more than half of the letters (Han and kana together: Japanese where a tenth is kana); else the
    language whose small words weigh most does, each word counting 1 / (number of languages that have it), with two words at least.
    Where a language is common, the texts that plainly are in it are told by its own words alone, which takes a tenth of the time.

    Args:
        texts: the texts.
        sure: leave open, too, where one word in twelve at most is a small one or another language comes near, and count a Han character
            for three letters: for those who take the answer as it is, where lint looks closely at each text that it finds so.
    """
    frame = texts.alias("text").to_frame().with_row_index("row").with_columns(pl.col("text").str.slice(0, _MAX_CHARACTERS))
    found: list[pl.DataFrame] = []
    for _ in range(0 if sure else _MAX_COMMON):
        if frame.height < _MIN_COMMON:
            break
        sample = _look_closely(frame.gather_every(frame.height // _LANGUAGE_SAMPLE).head(_LANGUAGE_SAMPLE))
        common = sample["language"].mode().sort().first()
        if common is None or (sample["language"] == common).mean() < 0.5 or common in _BY_SCRIPT:  # type: ignore[operator]
            break
        plain = frame.select("row", language=pl.lit(common)).filter(frame.select(_plainly(str(common))).to_series())
        found.append(plain)
        frame = frame.join(plain, on="row", how="anti")
    found.append(_look_closely(frame, sure=sure))
    rows = pl.DataFrame({"row": pl.int_range(texts.len(), dtype=pl.UInt32, eager=True)})
    return rows.join(pl.concat(found), on="row", how="left", maintain_order="left")["language"].alias(texts.name)


def _plainly(language: str) -> pl.Expr:
    """Says whether a text has two words that only this language has, and at least one in eight of its words is such a word."""
    others = frozenset().union(*(words for name, words in FUNCTION_WORDS.items() if name != language))
    own = "|".join(re.escape(word) for word in sorted(FUNCTION_WORDS[language] - others))
    hits = pl.col("text").str.count_matches(rf"(?i)\b(?:{own})\b")
    return (hits >= 2) & (hits * 8 >= pl.col("text").str.count_matches(r"\s\S") + 1)


def _look_closely(frame: pl.DataFrame, *, sure: bool = False) -> pl.DataFrame:
    """Returns `row` and `language` of the texts that have one."""
    letters = pl.col("text").str.count_matches(r"\p{L}")
    worth = _HAN_WORTH if sure else 1
    if worth > 1:
        letters += (worth - 1) * pl.col("text").str.count_matches(_SCRIPTS["han"][1])
    other = frame.with_columns(letters=letters, latin=pl.col("text").str.count_matches(r"\p{Latin}"))
    other = other.filter((pl.col("letters") > pl.col("latin") * 2) & (pl.col("letters") >= 2))
    words = frame.join(other, on="row", how="anti").select("row", word=pl.col("text").str.to_lowercase().str.extract_all(_WORD_PATTERN))
    by_words = (
        words.explode("word", empty_as_null=False, keep_nulls=False)
        .join(_weights(), on="word")
        .group_by("row", "language")
        .agg(pl.col("weight").sum(), pl.len().alias("hits"))
        .sort("row", "weight", "language")
    )
    if sure:
        by_words = _leading(by_words, words)
    best = by_words.filter(pl.col("hits") >= 2).unique("row", keep="last", maintain_order=True)
    return pl.concat([best.select("row", "language"), _by_script(other, worth)])


def _leading(by_words: pl.DataFrame, words: pl.DataFrame) -> pl.DataFrame:
    """Keeps each text's first language, the last of its rows, where it stands well before the second."""
    second = pl.col("weight").shift(1).over("row").fill_null(0)
    first = by_words.with_columns(second=second).unique("row", keep="last", maintain_order=True)
    first = first.join(words.select("row", num_words=pl.col("word").list.len()), on="row", maintain_order="left")
    enough = (pl.col("num_words") >= MIN_WORDS) & (pl.col("hits") >= _SURE_SHARE * pl.col("num_words"))
    return first.filter(enough & (pl.col("weight") >= _SURE_MARGIN * pl.col("second"))).select(by_words.columns)


def _by_script(frame: pl.DataFrame, han_worth: int) -> pl.DataFrame:
    counts = {language: pl.col("text").str.count_matches(pattern) for language, pattern in _SCRIPTS.values()}
    counted = frame.with_columns(**counts)
    kana, han = pl.col("ja"), pl.col("zh")
    is_japanese = (kana * 10 > kana + han) & ((kana + han * han_worth) * 2 > pl.col("letters"))
    worth = {"zh": han_worth}
    language = pl.coalesce(
        pl.when(is_japanese).then(pl.lit("ja")),
        *(pl.when(pl.col(name) * worth.get(name, 1) * 2 > pl.col("letters")).then(pl.lit(name)) for name in counts),
    )
    told = counted.select("row", "text", language=language).drop_nulls("language")
    for name, common, own, others in _BY_LETTERS:
        num_own, num_others = (pl.col("text").str.count_matches(letters) if letters else 0 for letters in (own, others))
        is_it = (pl.col("language") == common) & (num_own >= _MIN_LETTERS) & (num_own > 4 * num_others)
        told = told.with_columns(language=pl.when(is_it).then(pl.lit(name)).otherwise("language"))
    return told.select("row", "language")


def script_of(text: str) -> str:
    """Returns the script of most of a text's letters, such as `latin` or `han`; `unknown` where it has none that is known."""
    patterns = {name: pattern for name, (_, pattern) in _SCRIPTS.items()} | {"latin": r"\p{Latin}"}
    column = pl.lit(text[:_MAX_CHARACTERS])
    counts = pl.select(column.str.count_matches(pattern).alias(name) for name, pattern in patterns.items()).row(0, named=True)
    name = max(counts, key=counts.__getitem__)
    return name if counts[name] else UNKNOWN


def common_language(texts: Iterable[str]) -> tuple[str, float]:
    """Returns the language of most of the texts whose language can be told, and its share of those; `unknown` and 0 for none."""
    told = likely_languages(pl.Series("text", list(texts), dtype=pl.String), sure=True)
    counts = Counter(told.drop_nulls().to_list())
    if not counts:
        return UNKNOWN, 0.0
    language, number = max(counts.items(), key=lambda item: (item[1], item[0]))
    return language, number / counts.total()


@cache
def _weights() -> pl.DataFrame:
    rows = [(word, language) for language, words in FUNCTION_WORDS.items() for word in sorted(words)]
    frame = pl.DataFrame(rows, schema=["word", "language"], orient="row")
    return frame.with_columns(weight=1.0 / pl.len().over("word"))


def foreign(text: str, expected: Iterable[str], *, min_hits: int, min_share: float) -> Verdict | None:
    """Looks closely at a text: returns its language where it is surely none of those expected, else None.

    Code, addresses and quoted parts do not count. In Latin script another language must have `min_hits` words that no expected one has,
    they must be `min_share` of all words, and four times as many as the words that only an expected language has.

    Args:
        text: the text.
        expected: codes of the languages that it may be in.
        min_hits: so many words (letters, for another script).
        min_share: so large a part of all words.
    """
    allowed = set(expected)
    text = _NO_TEXT.sub(" ", text)
    letters = [character for character in text if character.isalpha()]
    if not letters:
        return None
    language = likely_languages(pl.Series("text", [text]))[0]
    if language in _BY_SCRIPT:
        if any(
            one in allowed and common == language and not (others and re.search(others, text)) for one, common, _, others in _BY_LETTERS
        ):
            return None  # a text without a letter that tells the two apart
        num = sum(not _is_latin(character) for character in letters)
        enough = num >= min_hits and num * 2 > len(letters)
        return Verdict(language, len(letters), num) if language not in allowed and enough else None
    # A Chinese text with English terms: one of its characters says what a word says, so that a few of them decide.
    num_allowed = sum(1 for character in letters if not _is_latin(character))
    if num_allowed * 20 > len(letters) and not allowed.isdisjoint(_BY_SCRIPT):
        return None
    words = [word.lower().replace("\u2019", "'") for word in _WORD.findall(text)]
    own: frozenset[str] = frozenset().union(*(FUNCTION_WORDS.get(one, frozenset()) for one in allowed))
    best = max(
        (Verdict(one, len(words), sum(word in listed and word not in own for word in words)) for one, listed in FUNCTION_WORDS.items()),
        key=lambda verdict: (verdict.hits, verdict.language == language),
    )
    num_own = sum(word in own and word not in FUNCTION_WORDS[best.language] for word in words)
    distinct = len({word for word in words if word in FUNCTION_WORDS[best.language] and word not in own})
    enough = best.hits >= min_hits and distinct >= min(min_hits, 3) and best.hits >= min_share * len(words) and best.hits >= 4 * num_own
    # "Die Patientin hat seit einer Woche Kopfschmerzen": English has a "die" and a "hat" too, but no sentence without a word of its own.
    num_listed = sum(word in FUNCTION_WORDS[best.language] for word in words)
    enough |= len(words) >= 5 and distinct >= 2 and num_own == 0 and num_listed >= max(min_hits, 0.4 * len(words))
    # "Waar is mijn kaart?" is too short for three, but half of it is Dutch and nothing in it is English alone.
    enough |= len(words) >= 3 and distinct >= 2 and best.hits * 2 >= len(words) and num_own == 0
    return best if enough and best.language not in allowed else None


def _is_latin(character: str) -> bool:
    return character < "\u0250" or "\u1e00" <= character <= "\u1eff"


_MAX_SHORT = 300
_SHORT_WORD = re.compile(r"[^\W\d_]{2,}")
# lingua tells the two ways of writing Norwegian apart.
_CODES = {"no": "nb"}


def can_read_short_texts() -> bool:
    """Says whether lingua is installed."""
    return find_spec("lingua") is not None


def short_text_language(text: str, expected: Collection[str], min_confidence: float) -> str | None:
    """Returns the language of a text in Latin script where it surely is none of those expected, else None.

    Args:
        text: the text; its first 300 characters are read.
        expected: codes of the languages that it may be in.
        min_confidence: how likely the language is to be, among all that are known, in [0, 1].
    """
    text = text[:_MAX_SHORT]
    if not can_read_short_texts() or not FUNCTION_WORDS.keys() >= set(expected) or len(_SHORT_WORD.findall(text)) < MIN_WORDS:
        return None
    best = _detector().compute_language_confidence_values(text)[0]
    code = best.language.iso_code_639_1.name.lower()
    language = next((name for name, other in _CODES.items() if other == code), code)
    if language in expected or best.value < min_confidence or ("en" in expected and _is_english(text)):
        return None
    return language


def _is_english(text: str) -> bool:
    """Says whether half of the words are in an English dictionary: rare ones, as in `Wretched crepes`, look foreign by their letters."""
    if find_spec("symspellpy") is None:
        return False
    words = _SHORT_WORD.findall(text.lower())
    return 2 * sum(word in _english_words() for word in words) >= len(words)


@cache
def _english_words() -> frozenset[str]:
    from prep.text.spelling import known_words

    return frozenset(known_words()["word"])


@cache
def _detector() -> "LanguageDetector":
    from lingua import IsoCode639_1, Language, LanguageDetectorBuilder

    codes = [_CODES.get(language, language).upper() for language in FUNCTION_WORDS]
    languages = [Language.from_iso_code_639_1(getattr(IsoCode639_1, code)) for code in codes]
    # Trigrams alone: all n-grams of these languages take 700 MB, and their confidence is no better calibrated.
    return LanguageDetectorBuilder.from_languages(*languages).with_low_accuracy_mode().build()
