"""TPL903 BoundarySpace."""

from collections.abc import Iterable

import polars as pl

from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.base.texts import of_template
from prep.lint.detectors.model_tokenizer import no_tokenizer
from prep.pii import mask_around
from templates.chat import load_tokenizer
from templates.form import Form

_SAMPLE_ROWS = 300
_TAIL = 200


class BoundarySpace(Rule):
    """Prompt and answer whose tokens merge at the boundary.

    ## What it does
    Takes up to 300 evenly spread rows of prompt and completion, joins them and encodes them with the model's tokenizer. Reports if the
    prompt's tokens change with the answer: its last token merges with the answer, or is whitespace that the tokenizer would put in
    front of the answer's first word.

    ## Why is this bad
    `"Opinion: "` and `"good"` are trained as `Opinion`, `:`, ` good`, but prompted as `Opinion`, `:`, ` `, `good`: at inference the
    model gets a token sequence that it has never seen.

    ## Example
    The prompt ends with `Opinion: `, and the answer is `good`.

    ## Fix safety
    Safe if a template makes the prompt: move the space to the beginning of the target. No draft, because fixes change rows and this is
    the template's. Files that no build wrote are not rewritten.
    """

    code = "TPL903"
    severity = Severity.WARNING
    columns = ("template", "source", "form", "messages", "input", "answer")
    remedy = (
        "Move the whitespace from the prompt's end to the answer's beginning; `prep templates check FILE --model MODEL` shows the tokens."
    )
    thresholds = (Threshold("share", 0.05, "share of the rows; a few prompts end with a space of their own"),)

    def unavailable(self, context: Context) -> str | None:
        return no_tokenizer(context)

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        joined = examples.filter(
            pl.col("messages").is_null() & (pl.col("form") == Form.VERBALIZER) & (pl.col("input") != "") & (pl.col("answer") != "")
        )
        every = (pl.len().over("template", "source") // _SAMPLE_ROWS).clip(1)
        return joined.filter(pl.int_range(pl.len()).over("template", "source") % every == 0).select(
            "template", "source", "position", prompt=pl.col("input").str.tail(_TAIL), answer=pl.col("answer").str.head(_TAIL)
        )

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        assert context.model is not None
        tokenizer = load_tokenizer(context.model)
        for (template, source), rows in found.sort("position").group_by("template", "source", maintain_order=True):
            changed = []
            for prompt, answer in rows.select("prompt", "answer").iter_rows():
                before = tokenizer.encode(prompt, add_special_tokens=False)
                if tokenizer.encode(prompt + answer, add_special_tokens=False)[: len(before)] != before:
                    changed.append((prompt, answer))
            if changed and len(changed) >= context.threshold(self, "share") * rows.height:
                prompt, answer = changed[0]
                masked, (low, high) = mask_around(prompt + answer, (len(prompt), len(prompt)))
                name = of_template(template)
                yield Finding(
                    f"{name}in {len(changed) / rows.height:.0%} of {rows.height:,} rows the prompt's last token merges with the"
                    f" answer, as in {masked[max(0, low - 12) : low] + '|' + masked[high : high + 12]!r}",
                    source=str(source),
                    field="input",
                )
