"""Whether there is a tokenizer for rules to ask: that of the model which the run names."""

from loopwright.errors import UserError
from prep.lint.base.context import Context
from templates.chat import load_tokenizer


def no_tokenizer(context: Context) -> str | None:
    """Returns why there is no tokenizer to ask, or None where there is one."""
    if context.model is None:
        return "needs a tokenizer: give --model, or 'model:' in the config"
    try:
        load_tokenizer(context.model)
    except UserError as error:
        return str(error)
    return None
