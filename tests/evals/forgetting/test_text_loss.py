"""The likelihood of plain texts: each token once, as the model's own modules give it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.forgetting.asked import AskedModel
from evals.forgetting.text_loss import text_losses, windows
from templates.chat import ChatTemplateConfig
from train.inference.language_model import LanguageModel

TEXTS = ["The soup was great, the waiter was slow.", "MK401-27KX", "你好。", "The bill was wrong. " * 20]


@given(st.integers(1, 3), st.integers(1, 200), st.integers(2, 40))
def test_each_token_counts_once_behind_enough_of_those_before_it(num_read: int, num_counted: int, length: int) -> None:
    num_read = min(num_read, length - 1)
    ids = list(range(num_read + num_counted))
    made = windows(ids, num_read, length)
    assert [token for one in made for token in one.continuations[0]] == ids[num_read:]
    for place, one in enumerate(made):
        whole = one.context_ids + one.continuations[0]
        assert whole == list(range(whole[0], whole[-1] + 1)) and len(whole) <= length
        assert len(one.context_ids) == (num_read if place == 0 else length - max(1, length // 2))


@pytest.mark.parametrize("context", [512, 32])
def test_a_text_is_as_likely_as_the_models_own_modules_say(tiny_model_dir: Path, context: int) -> None:
    import torch

    loaded = LanguageModel(str(tiny_model_dir), "float32", {}, ChatTemplateConfig())
    done: list[int] = []
    found = text_losses(AskedModel(loaded.model, loaded.tokenizer, context, 256), TEXTS, done.append)
    assert sum(done) == len(TEXTS)
    for text, one in zip(TEXTS, found, strict=True):
        ids = loaded.tokenizer.encode(text, add_special_tokens=False)
        assert one.num_tokens == len(ids)
        ids = [loaded.tokenizer.bos_token_id, *ids]
        expected = 0.0
        for stop in range(1, len(ids)):
            # The window in which the token counts: the first that reaches it.
            number = 0
            while number * (context // 2) + context <= stop:
                number += 1
            start = number * (context // 2)
            with torch.no_grad():
                logits = loaded.model(input_ids=torch.tensor([ids[start:stop]])).logits[0, -1]
            expected -= float(logits.log_softmax(-1)[ids[stop]])
        assert one.nll == pytest.approx(expected, abs=2e-3)
