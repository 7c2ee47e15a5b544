"""Helpers that several packages' tests share."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from prep.dataset.manifest import FixAccounting, Manifest, RowAccounting, TemplateInfo
from prep.dataset.schema import EXAMPLE_SCHEMA
from templates.chat import Encoded, Message, Tools, encode_chat
from templates.form import Form, forms_where

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BEFORE = Path(__file__).parent / "fixtures" / "before"
"""What version 0.1.0 wrote before forms were a list; its README says how."""

DEFAULT_TEMPLATE = TemplateInfo(
    name="reviews/sentiment",
    version="1",
    task="sentiment",
    forms=[Form.CHAT, Form.VERBALIZER],
    verbalizer={"negative": ["negative"], "positive": ["positive"]},
    metrics=["accuracy", "macro_f1"],
    keep=[],
    sha256="0" * 64,
)


def write_dataset(path: Path, rows: list[dict[str, Any]], *, templates: list[TemplateInfo] | None = None, key: str = "0" * 32) -> Path:
    """Writes a dataset folder from partial example rows; what a row leaves out gets a plain default, and its forms those of its columns."""
    templates = templates or [DEFAULT_TEMPLATE]
    path.mkdir(parents=True, exist_ok=True)
    positions: dict[str, int] = {}
    full: list[dict[str, Any]] = []
    for index, row in enumerate(rows):
        split = row.get("split", "train")
        row_id = row.get("row_id", f"row{index}")
        full.append(
            {
                "id": f"{row_id}/{templates[0].name}/0",
                "row_id": row_id,
                "source": "data.jsonl",
                "line": index + 1,
                "split": split,
                "position": positions.get(split, 0),
                "template": templates[0].name,
                "forms": _forms(row),
                "fields": "{}",
                **row,
            }
        )
        positions[split] = positions.get(split, 0) + 1
    frame = pl.DataFrame(full, schema=EXAMPLE_SCHEMA)
    frame.write_parquet(path / "examples.parquet")
    manifest = Manifest(
        name="test",
        loopwright_version="0",
        key=key,
        config={},
        config_path="test.yaml",
        templates=templates,
        rows=RowAccounting(read=len(rows), kept=len(rows), dropped={}),
        fixes=FixAccounting(applied=0, stale=[]),
        examples=len(rows),
        splits=positions,
        outputs=[Form.CHAT],
        seed=17,
        files={},
    )
    (path / "manifest.json").write_text(manifest.model_dump_json(indent=2), encoding="utf-8")
    return path


def copy_before(folder: Path, model_dir: Path) -> Path:
    """Copies what the version before wrote, with a model of these tests in the place of the one that it was trained on."""
    from train.models.load import model_sha256

    shutil.copytree(BEFORE, folder)
    (folder / "tiny-model").symlink_to(model_dir, target_is_directory=True)
    for name, keys in (("rounds/round-001/run/run.json", ()), ("interrupted/checkpoint/state.json", ("identity",))):
        record = json.loads((folder / name).read_text(encoding="utf-8"))
        holder = record[keys[0]] if keys else record
        holder["model_sha256"] = model_sha256(model_dir)
        (folder / name).write_text(json.dumps(record), encoding="utf-8")
    return folder


def _forms(row: dict[str, Any]) -> list[Form]:
    return forms_where(lambda form: row.get(form.column) is not None)


def review(text: str, label: int, *, split: str = "train", **more: Any) -> dict[str, Any]:
    """Returns a partial example row of the sentiment task, in both forms."""
    choices = ["negative", "positive"]
    return {
        "split": split,
        "label": label,
        "choices": choices,
        "messages": [
            {"role": "system", "content": "You sort restaurant reviews."},
            {"role": "user", "content": text},
            {"role": "assistant", "content": choices[label]},
        ],
        "prompt": f"Review: {text}\nSentiment:",
        "target": f" {choices[label]}",
        **more,
    }


def summary(dialogue: str, answer: str, *, split: str = "train", **more: Any) -> dict[str, Any]:
    """Returns a partial example row of a generation task, chat form only."""
    messages = [{"role": "user", "content": dialogue}, {"role": "assistant", "content": answer}]
    return {"split": split, "messages": messages, **more}


def encode_one(tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], tools: Tools | None = None) -> Encoded:
    """Encodes a chat that becomes one sequence."""
    [encoded] = encode_chat(tokenizer, messages, tools)
    return encoded
