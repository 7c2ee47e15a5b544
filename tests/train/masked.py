"""Small random masked language models of three families, each with a tokenizer like its own, and rows for them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

KINDS = ("bert", "roberta", "distilbert")
_TEXT = [
    "The soup was great and the waiter was slow. The bill was wrong!",
    "terrible bad disappointing great good wonderful. All in all, the visit was fine, order 12.",
    "汤很好，服务很差。总的来说，这家店不错。上菜很慢。",
]


def wordpiece_tokenizer(texts: Sequence[str] = _TEXT) -> "PreTrainedTokenizerFast":
    """BERT's kind: [CLS] and [SEP] around a text, words cut into pieces, Chinese by character; it knows the letters of some texts."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    # Written down and not learnt: the library's learner gives another vocabulary each time.
    letters = sorted(set("".join(texts).lower()) - {" "} | set("abcdefghijklmnopqrstuvwxyz0123456789"))
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{one}" for one in letters if one.isascii() and one.isalnum())]
    words = [
        "the",
        "soup",
        "was",
        "great",
        "waiter",
        "slow",
        "bill",
        "wrong",
        "terrible",
        "bad",
        "good",
        "order",
        "visit",
        "in",
        "all",
        "so",
    ]
    tokenizer = Tokenizer(models.WordPiece({one: place for place, one in enumerate([*pieces, *words])}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def bytes_tokenizer() -> "PreTrainedTokenizerFast":
    """RoBERTa's kind: bytes, a word's leading space in its token, and a padding token whose id is 1."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    mask = AddedToken("<mask>", lstrip=True, special=True)
    trainer = trainers.BpeTrainer(
        vocab_size=340,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", mask],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_TEXT * 3, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    names = {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>", "bos_token": "<s>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, mask_token=mask, **names)


def write_model(kind: str, folder: Path, texts: Sequence[str] = _TEXT) -> Path:
    """Writes a random model of a family without dropout, with random biases, and its tokenizer, for some texts."""
    import torch
    import transformers as hf

    tokenizer = bytes_tokenizer() if kind == "roberta" else wordpiece_tokenizer(texts)
    # Further apart than a model begins: it matters who sees whom, and there is something to learn from.
    sizes = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, "initializer_range": 0.25}
    plain = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    made: dict[str, Any] = {
        "bert": lambda: hf.BertForMaskedLM(hf.BertConfig(**sizes, **plain, **off, max_position_embeddings=64)),
        "roberta": lambda: hf.RobertaForMaskedLM(hf.RobertaConfig(**sizes, **plain, **off, max_position_embeddings=66, type_vocab_size=1)),
        "distilbert": lambda: hf.DistilBertForMaskedLM(
            hf.DistilBertConfig(
                **sizes, dim=32, hidden_dim=64, n_layers=2, n_heads=4, dropout=0.0, attention_dropout=0.0, max_position_embeddings=64
            )
        ),
    }
    torch.manual_seed(3)
    model = made[kind]()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.1)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def cloze_rows(num_train: int = 11, num_validation: int = 3, *, mask: str = "[MASK]") -> list[dict[str, Any]]:
    """Reviews with a blank for one of two or three words of unlike lengths; a last step that is smaller than the others."""
    choices = ["great", "terrible bad", "so so"]
    found = []
    for index in range(num_train + num_validation):
        number, label = 2 + index % 2, index % 2
        text = "The soup was great" if label == 0 else "The waiter was slow and the bill was wrong"
        found.append(
            {
                "split": "train" if index < num_train else "validation",
                "prompt": f"{text}{', order' * (index % 4)}. All in all, the visit was {mask}.",
                "choices": choices[:number],
                "label": label,
                "target": choices[label],
                "mask": mask,
            }
        )
    return found
