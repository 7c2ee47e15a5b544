"""Answers in sentences that stop within one."""

import polars as pl

from prep.lint.base.context import Context, Threshold
from prep.lint.frame.columns import TERMINAL
from prep.lint.frame.tasks import MIN_TASK_ROWS, ONE_TASK

# Of GRM953: what a config sets the shares and the length by.
MOSTLY = Threshold("mostly", 0.6, "below this share answers are fragments by design")
NEARLY_ALL = Threshold(
    "nearly_all", 0.9, "100% of correct answers in the sample data end in punctuation, 80 to 93% in general chat (Alpaca, KTO)"
)
MIN_CHARACTERS = Threshold("min_characters", 15, "shorter answers are words, names or amounts, not sentences")

# Words that no English sentence ends on, but for a question ("what are you waiting for?"), which ends in punctuation.
_DANGLING = (
    r"(?i)(?:\b(?:the|an|a|and|or|but|of|to|with|from|for|by|at|as|than|that|which|who|whose|where|because|if|when|while|into|your|our|their"
    r"|its|my|is|are|was|were|will|would|should)|[,(\[\-\x{2013}&/])$"
)
_LETTER_END = r"[\p{L}\p{N}]$"
# In a mix of questions an answer may be a name; after a whole sentence, half of another is none.
_AFTER_A_SENTENCE = r"[.!?\x{3002}\x{ff01}\x{ff1f}](?:\s|[^\x00-\x7f])[^.!?:=\n\x{ff1a}\x{3002}\"-]{12,}$"
# Lists, headings, code, addresses and signatures end without a stop in sound text.
_OPEN_END = r"(?:^|\n)\s*(?:[-*\x{2022}#>|]|[0-9]{1,2}[.)])\s[^\n]*$|```\s*$|\S+://\S+$|\S+@\S+$|#\w+$|\n[^\n]{0,40}$"
# Notes in telegraphic style ("Retired Dock Hand", "Appendectomy 1988") end as they please: they lack the short words that bind sentences.
_SHORT_WORD = r"\b\p{L}{1,3}\b"
_MIN_SHORT = 0.12


def stops_midway(context: Context) -> pl.Expr:
    """Says whether an answer in sentences stops within one."""
    end = pl.col("answer").str.strip_chars_end()
    sentence = ~pl.col("is_closed_set") & (pl.col("task_rows") >= MIN_TASK_ROWS) & end.str.contains(r"\S\s\S|[^\x00-\x7f]")
    sentence &= end.str.len_chars() >= context.value("GRM953", MIN_CHARACTERS)
    dangling = end.str.contains(_DANGLING) & (pl.col("punctuated_share") >= context.value("GRM953", MOSTLY))
    cut = end.str.contains(_LETTER_END) & (pl.col("punctuated_share") >= context.value("GRM953", NEARLY_ALL))
    cut &= ONE_TASK | end.str.contains(_AFTER_A_SENTENCE)
    telegraphic = end.str.count_matches(_SHORT_WORD) < _MIN_SHORT * (end.str.count_matches(r"\s\S") + 1)
    cut &= end.str.contains(r"[^\x{00}-\x{24f}]") | ~telegraphic
    return sentence & (dangling | cut) & ~end.str.contains(TERMINAL) & ~end.str.contains(_OPEN_END)
