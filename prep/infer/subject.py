"""What data is about, by its names and its words: where a template's own words fit, and where texts are clinical."""

import re
from collections.abc import Iterable, Sequence

from prep.infer.columns import Column
from prep.infer.labels import num_words

# What the templates of a domain speak of in their instructions; words of any form, of texts as of names.
_WORDS = {
    "reviews": r"restaurant|food|meal|dish(?:es)?\b|waiter|waitress|menu|soup|dinner|lunch|breakfast|chef|pizza|burger|dessert|餐|菜|味道",
    "calls": r"\b(?:phone ?)?calls?\b|customer|\bagents?\b|support|来电|客服|客户",
    "finance": r"financ|revenue|profit|earnings|\bsales\b|dividend|shareholder|investor|\beur\b|quarter|财|营收|利润|亿元",
    "legal": r"clause|contract|agreement|\bterms\b|liabilit|licen[sc]e|hereby|pursuant|\bparty\b|legal|合同|条款|甲方|乙方",
    "medical": r"medic|clinic|patient|doctor|diagnos|symptom|dosage|\bdose|hospital|\bmg\b|surg|病|患者|诊",
}
_MIN_SHARE = 0.2
# Two different of these in most texts, and no few of all words: one alone stands in any letter to a pharmacy, two in any long article.
_CLINICAL = re.compile(
    r"\b(?:patient|history of|diagnos\w*|symptoms?|denies|year[- ]old|(?:mg|mcg|ml|bpm|mmhg)\b|prescri\w+|medications?"
    r"|hypertension|diabetes"
    r""
    r"|pain|allerg\w+|surgery|surgical|biopsy|fever|nausea|chest|abdom\w+|hospital|clinic\w*|doctor|dose|dosage|tablets?|blood|ct|mri|ecg|ekg|p\.?o\.?"
    r"|b\.?i\.?d\.?)\b|患者|诊断|病史|症状|血压|服用|住院|手术|疼痛",
    re.IGNORECASE,
)
_MIN_CLINICAL_WORDS = 2
_MIN_CLINICAL_SHARE = 0.5
_WORDS_A_CLINICAL_ONE = 30


def is_about(domain: str, names: str, texts: Iterable[Column]) -> bool:
    """Says whether data is about what the templates of a domain speak of; a domain that speaks of nothing fits all.

    Args:
        domain: the first part of a template's name.
        names: what the file, its folder and its columns are called.
        texts: the columns that hold text.
    """
    if domain not in _WORDS:
        return True
    pattern = re.compile(_WORDS[domain], re.IGNORECASE)
    if pattern.search(names):
        return True
    return any(column.share_with(pattern) >= _MIN_SHARE for column in texts)


def is_clinical(columns: Sequence[Column]) -> bool:
    """Says whether a column holds clinical notes, or talks with patients: two or more words of the trade in most of its texts."""
    return any(_clinical_share(column) >= _MIN_CLINICAL_SHARE for column in columns)


def _clinical_share(column: Column) -> float:
    if column.mean_words < _MIN_CLINICAL_WORDS:
        return 0.0
    return sum(map(_has_clinical_words, column.some)) / max(len(column.some), 1)


def _has_clinical_words(text: str) -> bool:
    found = [word.lower() for word in _CLINICAL.findall(text)]
    return len(set(found)) >= _MIN_CLINICAL_WORDS and _WORDS_A_CLINICAL_ONE * len(found) >= num_words(text)
