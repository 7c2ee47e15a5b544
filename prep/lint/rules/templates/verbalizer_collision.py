"""TPL902 VerbalizerCollision."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.base.texts import of_template
from prep.lint.detectors.label_variants import MAX_LABEL_CHARACTERS, label_word
from prep.lint.detectors.model_tokenizer import no_tokenizer
from templates.chat import load_tokenizer
from templates.form import JUDGED

_MIN_ROWS = 5
_MAX_WORDS = 200
_SHOWN = 4


class VerbalizerCollision(Rule):
    """Label words that the model's tokenizer hardly distinguishes.

    ## What it does
    Encodes the words of each verbalizer (in a training file: the frequent answers of each task with a fixed answer set) with the
    model's tokenizer. Warning: the tokens of one word are a prefix of another's. Information: words with the same first token, and
    words with very different numbers of tokens.

    ## Why is this bad
    A word that is a prefix of another is never the less likely of the two. If first tokens are equal, a score of the first token cannot
    tell the labels apart. And of a one-token and a six-token word, the longer one loses by its length alone.

    ## Example
    `good` and `good enough`, under any tokenizer.

    ## Fix safety
    Never fixed automatically: other words mean another dataset and another prompt.
    """

    code = "TPL902"
    severity = Severity.WARNING
    columns = ("task", "template", "source", "is_closed_set", "label", "answer", "form")
    remedy = "Choose label words of similar length with different first tokens, under `verbalizer:` in the template."
    thresholds = (Threshold("tokens", 3, "difference in tokens; at 1 nat per token, three more make a word 20 times less likely"),)

    def unavailable(self, context: Context) -> str | None:
        return no_tokenizer(context)

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        word = label_word()
        labels = pl.col("is_closed_set") & ~pl.col("form").is_in(JUDGED) & (word != "") & (word.str.len_chars() <= MAX_LABEL_CHARACTERS)
        return (
            examples.filter(labels)
            .group_by("task", "template", word=word)
            .agg(pl.len().alias("rows"), pl.col("source").first())
            .filter((pl.col("rows") >= _MIN_ROWS) | (pl.col("template") != ""))
        )

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        assert context.model is not None
        tokenizer = load_tokenizer(context.model)
        for (_, template), rows in sorted(found.group_by("task", "template"), key=lambda one: str(one[0])):
            words = sorted(set(rows["word"]) | set(_declared(str(template), context)))
            if not 2 <= len(words) <= _MAX_WORDS:
                continue
            tokens = {word: tuple(tokenizer.encode(word, add_special_tokens=False)) for word in words}
            name = of_template(template)
            for message, severity in self._collisions(tokens, context):
                yield Finding(name + message, source=rows["source"][0], field="label", severity=severity)

    def _collisions(self, tokens: Mapping[str, Sequence[int]], context: Context) -> Iterable[tuple[str, Severity]]:
        begun = [
            (word, other) for word, ids in tokens.items() for other, longer in tokens.items() if word != other and longer[: len(ids)] == ids
        ]
        for word, other in begun[:_SHOWN]:
            more = f" (and {len(begun) - _SHOWN} more pairs)" if len(begun) > _SHOWN else ""
            yield f"the tokens of '{word}' are a prefix of those of '{other}'{more}", Severity.WARNING
        firsts: defaultdict[int, list[str]] = defaultdict(list)
        for word, ids in tokens.items():
            firsts[ids[0] if ids else -1].append(word)
        for alike in sorted((words for words in firsts.values() if len(words) > 1), key=len, reverse=True)[:_SHOWN]:
            shown = ", ".join(f"'{word}'" for word in alike[:_SHOWN]) + (", ..." if len(alike) > _SHOWN else "")
            yield f"{len(alike)} words share their first token: {shown}", Severity.INFO
        shortest, longest = (pick(tokens, key=lambda word: len(tokens[word])) for pick in (min, max))
        if len(tokens[longest]) - len(tokens[shortest]) >= context.threshold(self, "tokens"):
            yield (
                (
                    f"'{longest}' has {len(tokens[longest])} tokens and '{shortest}' {len(tokens[shortest])}: the longer one is"
                    " less likely by its length alone"
                ),
                Severity.INFO,
            )


def _declared(template: str, context: Context) -> Iterable[str]:
    return context.manifest.template(template).trained_words.values() if context.manifest is not None and template else ()
