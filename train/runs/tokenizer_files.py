"""The tokenizer and chat template in a run's folder, so that it can be served as it stands."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from loopwright.files import write_atomic

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TOKENIZER_NAMES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json", "added_tokens.json")
"""What a tokenizer may consist of."""


def save_tokenizer(tokenizer: "PreTrainedTokenizerBase", run_dir: Path) -> None:
    """Writes the tokenizer with its chat template, in transformers' format.

    Raises:
        UserError: it cannot be written.
    """
    with tempfile.TemporaryDirectory() as temporary:
        tokenizer.save_pretrained(temporary)
        for name in TOKENIZER_NAMES:
            if (saved := Path(temporary) / name).is_file():
                write_atomic(run_dir / name, saved.read_bytes())
