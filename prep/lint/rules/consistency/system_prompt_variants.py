"""CON205 SystemPromptVariants."""

from collections import defaultdict
from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Any

import polars as pl

from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.pii.masking import shorten

_FREQUENT_ROWS = 20
_MAX_RARE = 5_000
_MAX_FREQUENT = 200
_MAX_CHARACTERS = 4_000
_MAX_SHOWN = 60
_PUNCTUATION = ".,!?:;"
_FOUND = pl.Schema({"template": pl.String(), "key": pl.UInt64(), "message": pl.String()})


class SystemPromptVariants(Rule):
    """A system prompt or instruction that almost equals the one that most rows have.

    ## What it does
    Counts the system messages and the instructions around the inputs. Reports each row whose prompt is rare and almost equals one that
    is twenty times as frequent, with the words that differ. Several frequent prompts are a design. So are prompts with a slot that is
    filled row by row (a name, a date, a number): variants that differ in the same position are not reported.

    ## Why is this bad
    Rows under another wording teach the model less about the prompt that is used at inference. A typo in it usually means that the rows
    come from an older or unfinished version.

    ## Example
    400 rows begin `You judge reviews. Answer in one word.`, two `you judge reviews. answer in one word`.

    ## Fix safety
    Never fixed automatically: fix the prompt in the template, or in the program that wrote the rows.
    """

    code = "CON205"
    severity = Severity.WARNING
    columns = ("template", "instruction", "system", "system_field", "input_field")
    thresholds = (
        Threshold("ratio", 20, "a variant is an accident if the prompt that it resembles is this many times as frequent"),
        Threshold("similarity", 0.6, "difflib's ratio over words; two prompts of one style ('You sort ...', 'You rate ...') share less"),
        Threshold("share", 0.1, "if more rows have a variant, prompts differ by design"),
        Threshold("slot", 4, "this many different fillings of one position make it a slot"),
    )
    remedy = "Use one system prompt for all rows of the task, word for word."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        rows = examples.filter(pl.col("instruction").str.strip_chars() != "").with_columns(key=pl.col("instruction").hash(17))
        found = self._variants(rows, context)
        return rows.join(found.lazy(), on=["template", "key"], how="inner").select(
            *Finding.where, "message", field=pl.when(pl.col("system") != "").then("system_field").otherwise("input_field")
        )

    def _variants(self, rows: pl.LazyFrame, context: Context) -> pl.DataFrame:
        """Returns the rare prompts that vary a frequent one (`_FOUND`)."""
        # First by number: where each row has a prompt of its own, a million prompts would be held.
        counts = rows.group_by("template", "key").agg(pl.len().alias("rows")).collect(engine="streaming")
        frequent = counts.filter(pl.col("rows") >= _FREQUENT_ROWS).sort("rows", "key", descending=True).head(_MAX_FREQUENT)
        rare = counts.filter(pl.col("rows") * context.threshold(self, "ratio") <= frequent["rows"].max()) if frequent.height else frequent
        if not rare.height or rare.height > _MAX_RARE:
            return pl.DataFrame(schema=_FOUND)
        wanted = pl.concat([frequent, rare])
        texts = (
            rows.join(wanted.lazy(), on=["template", "key"], how="inner")
            .group_by("template", "key")
            .agg(pl.col("instruction").first().str.head(_MAX_CHARACTERS), pl.col("rows").first())
            .collect(engine="streaming")
            .sort("rows", "key", descending=[True, False])
        )
        found = []
        for (template,), prompts in texts.group_by("template", maintain_order=True):
            found += [(template, key, message) for key, message in self._in_template(prompts.rows(named=True), context)]
        return pl.DataFrame(found, schema=_FOUND, orient="row")

    def _in_template(self, prompts: list[dict[str, Any]], context: Context) -> Iterable[tuple[int, str]]:
        ratio, lowest = context.threshold(self, "ratio"), context.threshold(self, "similarity")
        frequent = [(prompt, prompt["instruction"].split()) for prompt in prompts if prompt["rows"] >= _FREQUENT_ROWS]
        variants: dict[int, list[tuple[dict[str, Any], list[str]]]] = defaultdict(list)
        for prompt in prompts:
            words = prompt["instruction"].split()
            near = [
                (_similarity(words, known), place) for place, (one, known) in enumerate(frequent) if one["rows"] >= ratio * prompt["rows"]
            ]
            similarity, place = max(near, default=(0.0, 0), key=lambda one: (one[0], -one[1]))
            if similarity >= lowest:
                variants[place].append((prompt, words))
        for place, varied in variants.items():
            known, known_words = frequent[place]
            if sum(prompt["rows"] for prompt, _ in varied) > context.threshold(self, "share") * known["rows"]:
                continue
            slots = _slots(known_words, [words for _, words in varied], int(context.threshold(self, "slot")))
            for prompt, words in varied:
                changes = _changes(known_words, words)
                if all(change[:2] in slots or _is_filled(known_words, words, change) for change in changes) and changes:
                    continue
                what = _described(known_words, words, changes)
                yield prompt["key"], f"prompt variant: almost equals the prompt of {known['rows']:,} rows: {what}"


Change = tuple[int, int, int, int]
"""Words `[start, end)` of the frequent prompt that are words `[start, end)` of the variant."""


def _similarity(words: list[str], known: list[str]) -> float:
    if not words or not known or min(len(words), len(known)) * 2 < max(len(words), len(known)):
        return 0.0
    return SequenceMatcher(None, _bare(words), _bare(known), autojunk=False).ratio()


def _bare(words: list[str]) -> list[str]:
    return [word.casefold().strip(_PUNCTUATION) for word in words]


def _changes(known: list[str], words: list[str]) -> list[Change]:
    opcodes = SequenceMatcher(None, known, words, autojunk=False).get_opcodes()
    return [(start, end, first, last) for kind, start, end, first, last in opcodes if kind != "equal"]


def _slots(known: list[str], variants: list[list[str]], fewest: int) -> set[tuple[int, int]]:
    """Returns the places of the frequent prompt that hold many different words in its variants."""
    fillings: dict[tuple[int, int], set[str]] = defaultdict(set)
    for words in variants:
        for start, end, first, last in _changes(known, words):
            if end > start and last > first:
                fillings[start, end].add(" ".join(words[first:last]).casefold().strip(_PUNCTUATION))
    return {place for place, filled in fillings.items() if len(filled) >= fewest}


def _is_filled(known: list[str], words: list[str], change: Change) -> bool:
    """Whether a number stands for a number: a date or a count that is filled in."""
    before, after = " ".join(known[change[0] : change[1]]), " ".join(words[change[2] : change[3]])
    return any(map(str.isdigit, before)) and any(map(str.isdigit, after))


def _described(known_words: list[str], words: list[str], changes: list[Change]) -> str:
    if not changes:
        return "whitespace differs"
    said = []
    for start, end, first, last in changes[:3]:
        before, after = " ".join(known_words[start:end]), " ".join(words[first:last])
        said.append(
            f"'{after}' instead of '{before}'" if before and after else f"'{after}' is added" if after else f"'{before}' is missing"
        )
    return shorten("; ".join(said), 3 * _MAX_SHOWN)
