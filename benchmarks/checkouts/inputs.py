"""What both sides are run on: copies of the sample data, of a folder of corpora, of a folder of cases, and a tiny random model."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from checkouts.side import hash_tree
from checkouts.variants import write_variants

_MODEL = """
import sys
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SPECIAL = ["<|pad|>", "<|im_start|>", "<|im_end|>"]
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
tokenizer = Tokenizer(models.BPE(vocab={character: index for index, character in enumerate(alphabet)}, merges=[]))
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|pad|>")
wrapped.chat_template = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\\n{{ message['content'] }}<|im_end|>\\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\\n{% endif %}"
)
torch.manual_seed(0)
config = LlamaConfig(
    vocab_size=len(wrapped), hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=2048, tie_word_embeddings=True, bos_token_id=None, eos_token_id=wrapped.eos_token_id,
    pad_token_id=wrapped.pad_token_id, initializer_range=0.1,
)
LlamaForCausalLM(config).save_pretrained(sys.argv[1])
wrapped.save_pretrained(sys.argv[1])
"""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Folders of what is read.

    Attributes:
        samples: the old checkout's sample data, for both sides.
        data: corpora, one folder each; None where none were named.
        heads: the first rows of their large files, in the same layout.
        cases: small folders of one difficulty each; None where none were named.
        model: a tiny random model.
        variants: files and configs for what the samples do not use.
    """

    samples: Path
    data: Path | None
    heads: Path | None
    cases: Path | None
    model: Path
    variants: Path


def make_inputs(work: Path, checkout: Path, data: Path | None, cases: Path | None, num_rows: int) -> Inputs:
    """Copies the inputs to the work folder; what is there already is left as it is."""
    folder = work / "inputs"
    folder.mkdir(parents=True, exist_ok=True)
    python = checkout / ".venv/bin/python"
    samples = folder / f"samples-{hash_tree(checkout / 'sample_data')[:12]}"
    if not samples.exists():
        _mirror(checkout / "sample_data", samples)
    if not (folder / "model/tokenizer.json").exists():
        subprocess.run([python, "-c", _MODEL, folder / "model"], check=True, cwd=folder)
    variants = folder / f"variants-{hash_tree(Path(__file__).with_name('variants.py'))[:12]}-{samples.name[-6:]}"
    if not variants.exists():
        making = _fresh(variants)
        write_variants(samples, making / "variants")
        making.rename(variants)
    heads = folder / f"heads-{num_rows}"
    if data is not None and not heads.exists():
        for path in sorted(data.rglob("*")):
            if path.is_file():
                target = heads / path.relative_to(data)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(head(path.read_bytes(), path.suffix, num_rows))
    if cases is not None and not (folder / "cases").exists():
        _mirror(cases, folder / "cases")
        for script in sorted((folder / "cases").glob("*/make.py")):
            subprocess.run([python, script, script.parent], check=True, cwd=folder)
    return Inputs(samples, data, heads if data else None, folder / "cases" if cases else None, folder / "model", variants / "variants")


def _fresh(target: Path) -> Path:
    """Returns an empty folder that is to bear another name when it is whole."""
    making = target.with_suffix(".making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir()
    return making


def head(content: bytes, suffix: str, num_rows: int) -> bytes:
    """Returns the beginning of a file, cut between two rows; JSON documents stay whole."""
    if suffix in {".json", ".yaml", ".yml", ".md"}:
        return content
    lines = content.splitlines(keepends=True)
    if len(lines) <= num_rows:
        return content
    kept = num_rows
    if suffix == ".csv":  # a quoted field may hold line breaks: before the end of a row, the number of quotes is even
        while kept < len(lines) and b"".join(lines[:kept]).count(b'"') % 2:
            kept += 1
    return b"".join(lines[:kept])


def _mirror(source: Path, target: Path) -> None:
    making = _fresh(target)
    for path in sorted(source.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            place = making / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    making.rename(target)
