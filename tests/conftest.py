"""Fixtures that several packages share. Models are made here, small and random: no test loads weights that it did not make."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

_TOKENIZER_TEXT = [
    "You sort restaurant reviews. The soup was great, the waiter was slow and the bill was wrong.",
    "positive negative neutral user assistant system customer agent order number replacement delivered",
    "MK401-27KX reported damaged by customer 5402; a replacement is on its way.",
]

# A busy machine is no defect, and the same code gives the same answer each time. To look for what no run has met yet:
# HYPOTHESIS_PROFILE=search.
settings.register_profile("loopwright", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "loopwright"))


@pytest.fixture(autouse=True)
def _own_lint_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports that a test makes are kept for nobody: not in the user's cache, and not for the next test."""
    monkeypatch.setattr("prep.lint.cache.cache_dir", lambda: tmp_path_factory.mktemp("lint-cache"))


@pytest.fixture(scope="session", autouse=True)
def _one_fresh_process() -> Iterator[None]:
    """All runs of the tests have what they saved loaded by one process: each would wait seconds for its own to import torch."""
    from train.proofs.fresh_process import FreshProcess

    started: list[FreshProcess] = []
    begin, end = FreshProcess.__init__, FreshProcess.__exit__

    def share(self: FreshProcess) -> None:
        if not started or started[0]._process.poll() is not None:
            begin(self)
            started[:] = [self]
        self._process = started[0]._process

    def leave(self: FreshProcess, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:  # the answer to what it was asked may be on its way, and would be taken for the next one's
            end(self, kind, None, None)
            started.clear()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FreshProcess, "__init__", share)
        patch.setattr(FreshProcess, "__exit__", leave)
        yield
        for process in started:
            end(process, None, None, None)


def make_tokenizer(chat_template: str = CHATML) -> "PreTrainedTokenizerFast":
    """Returns a byte-level BPE tokenizer of about 500 tokens in which the padding token is the end-of-turn token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_TOKENIZER_TEXT * 4, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|im_end|>", unk_token="<|endoftext|>"
    )
    wrapped.chat_template = chat_template
    return wrapped


@pytest.fixture(scope="session")
def tokenizer() -> "PreTrainedTokenizerFast":
    return make_tokenizer()


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory, tokenizer: "PreTrainedTokenizerFast") -> Path:
    """A folder with a random two-layer Llama (grouped-query attention, tied embeddings) and the tokenizer above."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    folder = tmp_path_factory.mktemp("tiny-model")
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Writes a text file under the test's folder and returns its path."""

    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file
