"""What keeps a row from being rendered, as far as its fields show it."""

import polars as pl

from templates.template import Template

# The number of the piece or the repetition of a row that is rendered more than once; absent where each row is rendered once.
PART = "#part"


def problem(template: Template) -> tuple[pl.Expr, pl.Expr]:
    """Returns expressions for the reason and detail of the first thing that keeps a row from being rendered; null where there is none."""
    problems: list[tuple[pl.Expr, str, pl.Expr]] = []
    for name in template.required_fields:
        missing = pl.col(name).is_null()
        if name in template.input_fields:  # an empty answer is kept: lint shows it, and a person mends it
            missing |= pl.col(name).str.strip_chars() == ""
        problems.append((missing, "missing_field", pl.lit(f"template '{template.name}' needs the field '{name}'")))
    label = template.label_field
    if label is not None:
        unknown = pl.col(label).is_in(list(template.words)).not_().fill_null(False)
        detail = pl.concat_str(pl.lit("label '"), label, pl.lit(f"' is no key of the verbalizer of '{template.name}'"))
        problems.append((unknown, "unknown_label", detail))
    reason, detail = pl.lit(None, pl.String), pl.lit(None, pl.String)
    for condition, name, text in reversed(problems):
        reason = pl.when(condition).then(pl.lit(name)).otherwise(reason)
        detail = pl.when(condition).then(text).otherwise(detail)
    return reason, detail
