"""Passages: texts of a corpus that are near to what is asked, put before it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from evals.data.passages import holds_answer
from evals.data.rows import EvalRow, Task
from loopwright.errors import UserError, missing_extra
from prep.text.words import words
from templates.chat import Message

KIND = "rag"
"""What a part of a system's name is called that adds them."""

_PLAIN = {".txt", ".md"}
_TABLES: dict[str, Callable[[Path], pl.DataFrame]] = {".jsonl": pl.read_ndjson, ".csv": pl.read_csv, ".parquet": pl.read_parquet}
_COLUMN = "text"


@dataclass(frozen=True, slots=True)
class Passages:
    """A corpus that can be searched.

    Attributes:
        texts: its passages.
        index: BM25 over their words (Robertson and Zaragoza, 2009), by bm25s.
        number: how many a row gets.
    """

    texts: list[str]
    index: Any
    number: int
    _found: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def open(cls, corpus: str | None, number: int) -> "Passages":
        """Reads a corpus and indexes it.

        Args:
            corpus: a file, or a folder of files: JSONL, CSV or Parquet with a column `text`, or plain text whose passages stand between
                empty lines.
            number: how many passages a row gets.

        Raises:
            UserError: none is named, it cannot be read or holds no passage, or bm25s is not installed.
        """
        try:
            import bm25s
        except ModuleNotFoundError as error:
            raise missing_extra(f"{KIND}:{number}", "rag") from error
        texts = read_corpus(corpus)
        index = bm25s.BM25()
        index.index([words(text) or [""] for text in texts], show_progress=False)
        return cls(texts, index, number)

    def near(self, question: str) -> list[str]:
        """Returns the passages that fit a question best, the best first, of equal ones the earlier; none without a word in common."""
        if question not in self._found:
            self._found[question] = self._search(question)
        return self._found[question]

    def _search(self, question: str) -> list[str]:
        known = [word for word in words(question) if word in self.index.vocab_dict]
        if not known:
            return []
        scores = self.index.get_scores(known)
        best = np.argsort(-scores, kind="stable")[: self.number]
        return [self.texts[place] for place in best if scores[place] > 0]

    def put(self, row: EvalRow, found: Sequence[str]) -> EvalRow:
        """Returns the row, asked behind its passages: in its last question, or before its raw text, with empty lines between."""
        if not found:
            return row
        prompt = None if row.prompt is None else "\n\n".join([*found, row.prompt])
        return replace(row, messages=None if row.messages is None else _before_question(row.messages, found), prompt=prompt)

    def told(self, rows: list[EvalRow]) -> str | None:
        """Returns in how many of the written answers' rows a passage has the answer, word for word; None where none is written.

        Of those that no passage found has, it says how many are in no passage of the whole corpus: no search can find them.
        """
        written = [row for row in rows if row.task is Task.GENERATION and row.reference.strip() and not row.calls]
        if not written:
            return None
        missed = [row for row in written if not any(holds_answer(text, row.reference) for text in self.near(row.question))]
        num_hits = len(written) - len(missed)
        said = f"{KIND}:{self.number}: the expected answer stands in one of the passages of {num_hits} of {len(written)} examples"
        absent = sum(not self.has(row.reference) for row in missed)
        return said + (f"; that of {absent} stands in no passage of the whole corpus" if absent else "")

    def has(self, answer: str) -> bool:
        """Says whether any passage of the corpus has an answer, as `holds_answer` has it."""
        wanted = set(words(answer))
        if not wanted <= self.index.vocab_dict.keys():
            return False
        # BM25 scores are above 0 exactly where the word stands: only passages with all of the words are read.
        masks = [np.asarray(self.index.get_scores([word]) > 0) for word in wanted]
        candidates = np.flatnonzero(np.logical_and.reduce(masks)) if masks else ()
        return any(holds_answer(self.texts[place], answer) for place in candidates)


def read_corpus(corpus: str | None) -> list[str]:
    """Returns the passages of a corpus, as `Passages.open` reads it.

    Raises:
        UserError: none is named, or it cannot be read or holds no passage.
    """
    if corpus is None:
        cause = f"a system asks for passages ({KIND}:K), and no corpus is named to take them from"
        raise UserError(cause, "evals: corpus", "Name one in the config: evals: {corpus: passages.jsonl}, or --corpus passages.jsonl.")
    path = Path(corpus)
    files = sorted(file for file in path.rglob("*") if file.suffix in {*_PLAIN, *_TABLES}) if path.is_dir() else [path]
    texts = [text for file in files for text in _read(file) if text.strip()]
    if not texts:
        raise UserError("the corpus holds no passage", corpus, f"Give files of {', '.join(sorted({*_PLAIN, *_TABLES}))}.")
    return texts


def _read(file: Path) -> list[str]:
    try:
        if file.suffix in _PLAIN:
            return [passage.strip() for passage in file.read_text(encoding="utf-8-sig").split("\n\n")]
        if file.suffix not in _TABLES:
            raise ValueError(f"it is none of {', '.join(sorted({*_PLAIN, *_TABLES}))}")
        return [text for text in _TABLES[file.suffix](file)[_COLUMN].cast(pl.String).to_list() if text]
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        remedy = f"A table of passages has a column '{_COLUMN}'; plain text has empty lines between them, in UTF-8."
        raise UserError(f"the corpus cannot be read: {reason}", str(file), remedy) from error


def _before_question(messages: list[Message], passages: Sequence[str]) -> list[Message]:
    place = max(index for index, message in enumerate(messages[:-1]) if message["role"] == "user")
    asked: Message = {**messages[place], "content": "\n\n".join([*passages, messages[place]["content"] or ""])}
    return [*messages[:place], asked, *messages[place + 1 :]]
