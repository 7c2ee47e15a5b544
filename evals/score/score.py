"""What a model says of every row of a dataset or training file: the parquet that model-based lint rules read."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import polars as pl

from evals.config import scored_form
from evals.data.rows import EvalRow
from evals.predict.requests import encode_choices
from evals.score.score_rows import ScoreRow, read_chunks
from loopwright.errors import UserError
from loopwright.files import atomic_file, require_writable
from loopwright.notebook import html_table
from loopwright.progress import Advance
from prep.dataset.manifest import Dataset
from prep.dataset.plugins import dataset_plugins
from templates.chat import EncodeError, load_tokenizer
from templates.form import Form
from train.inference.hidden import QuestionStates, middle_layer_number, question_spans
from train.inference.language_model import LanguageModel
from train.inference.loglikelihood import score_choices
from train.inference.requests import ChoiceRequest
from train.methods.base import METHODS
from train.models.config_checks import model_config, require_embeddings, says_masked
from train.models.load import Dtype, model_folder
from train.runs.record import RunRecord

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ADAPTER = "adapter"


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """How rows are scored.

    Attributes:
        model: the base model; default: the one that the adapter was trained on.
        adapter: a run folder of `train run`.
        form: `chat` or `verbalizer`; default: the adapter's, else verbalizer for rows that have it, else chat.
        dtype: precision of weights and computation.
        max_batch_tokens: tokens of a batch, padding included.
        max_choices: rows that have more choices get no probabilities, which cost a branch of the forward pass each; None: no limit.
    """

    model: str | None = None
    adapter: str | None = None
    form: Form | None = None
    dtype: Dtype = "auto"
    max_batch_tokens: int = 4096
    max_choices: int | None = None


@dataclass(frozen=True, slots=True)
class ScoreReport:
    """What was written.

    Attributes:
        out: the file.
        num_rows: its rows, one for each example.
        num_with_probabilities: those with probabilities of their choices.
        num_unscored: those of which nothing could be computed: no answer in words, longer than the model's context, or not encodable.
    """

    out: Path
    num_rows: int
    num_with_probabilities: int
    num_unscored: int

    def to_polars(self) -> pl.DataFrame:
        """Returns the scores, one row an example, with `score_schema`.

        Raises:
            UserError: the file is no longer there, or damaged.
        """
        try:
            return pl.read_parquet(self.out)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise UserError("the scores cannot be read", str(self.out), "Score the rows again.") from error

    def _repr_html_(self) -> str:
        rows = [("rows", self.num_rows), ("with label probabilities", self.num_with_probabilities), ("not scored", self.num_unscored)]
        return html_table(f"scores -> {self.out}", ("", "number"), rows)


def score_schema(width: int) -> pl.Schema:
    """Returns the parquet's columns; `width` is the model's hidden size. What could not be computed is null."""
    return pl.Schema(
        {
            "id": pl.String(),  # the id that `prep lint` gives the row
            "choices": pl.List(pl.String()),  # the words that it is answered from; null where the answer is free text
            "label": pl.Int32(),  # index of the given one
            "probabilities": pl.List(pl.Float32()),  # of each choice, summing to 1
            "loss": pl.Float32(),  # mean nats a token of the given answer and its end of turn
            "num_tokens": pl.Int32(),  # tokens of that answer
            "hidden": pl.Array(pl.Float32(), width),  # mean state of a middle layer over the question's own tokens; the answer is not seen
        }
    )


def score_dataset(
    path: Path,
    out: Path,
    options: ScoreOptions,
    start: Callable[[str, int], Advance] | None = None,
    *,
    config_path: Path | None = None,
) -> ScoreReport:
    """Scores every row of a built dataset, all splits, or of a training file, and writes the parquet of `score_schema`.

    Rows are read and scored some thousands at a time, each batch of like lengths, and the file appears when it is whole. A choice counts
    as evaluation counts it: with its end of turn after the generation prompt in chat form, as raw text after the prompt otherwise; the
    probabilities are the exponentials of those log-likelihoods, brought to a sum of 1.

    Args:
        path: a dataset folder or training file. The ids are those that lint gives to the same content; those of a file that lint reads
            as `--test` are others.
        out: the file to write.
        options: how to score.
        start: told the name and number of each chunk of rows; returns what is told how many are done.
        config_path: the config whose plug-ins are used; default: the one that lies beside a built dataset, see `dataset_plugins`.

    Raises:
        UserError: the data, model or adapter cannot be used, or `out` cannot be written. Nothing is written then.
    """
    with dataset_plugins(path, config_path):
        return _score_dataset(path, out, options, start)


def _score_dataset(path: Path, out: Path, options: ScoreOptions, start: Callable[[str, int], Advance] | None) -> ScoreReport:
    if not path.exists():
        raise UserError("there is nothing at this path", str(path), "Give a dataset's folder or a training file.")
    if out.is_dir():
        raise UserError("there is a folder where the file is to be", str(out), "Choose another path for --out.")
    require_writable(out.absolute().parent)
    run = _open_run(options.adapter)
    model = _model(run, options.model)
    if says_masked(model_config(model_folder(model))):
        cause = f"'{model}' is a masked language model: it gives no log-likelihood of a text, which lint's model rules read"
        raise UserError(cause, "--model", "Give a causal model, such as embedded, or a run of one.")
    form = _form(run, options.form, has_chat=bool(getattr(load_tokenizer(model), "chat_template", None)))
    chunks = read_chunks(path, form)
    first = next(chunks, [])  # the data are read once before a model is loaded
    adapters = {_ADAPTER: Path(options.adapter)} if options.adapter else {}
    chat_template = Dataset.open(path).manifest.chat_template if path.is_dir() else None
    language_model = LanguageModel(model, options.dtype, adapters, chat_template)
    with language_model.with_adapter(_ADAPTER if adapters else None) as active, TemporaryDirectory(prefix="loopwright-score-") as name:
        scorer = _Scorer(active, language_model, options, form, start or (lambda _name, _number: lambda _done: None))
        counts = scorer.write_parts(chain([first], chunks), Path(name))
        facts = {"model": model, "adapter": options.adapter or "", "form": form or "", "layer": str(middle_layer_number(active))}
        with atomic_file(out) as temporary:
            pl.scan_parquet(Path(name) / "part-*.parquet").sink_parquet(temporary, metadata=facts)
    return ScoreReport(out, *counts)


class _Scorer:
    """Scores chunks with one model; what it learns of a task holds for the chunks that follow."""

    def __init__(
        self,
        model: Any,
        language_model: LanguageModel,
        options: ScoreOptions,
        form: Form | None,
        start: Callable[[str, int], Advance],
    ) -> None:
        self._model = model
        self._max_length = language_model.max_length
        self._encoder = _Encoder(language_model.tokenizer, form, options.max_choices)
        self._max_batch_tokens = options.max_batch_tokens
        self._start = start
        self._affixes: dict[str, tuple[list[int], list[int]]] = {}
        self._schema = score_schema(int(model.config.hidden_size))

    def write_parts(self, chunks: Iterator[list[ScoreRow]], folder: Path) -> tuple[int, int, int]:
        """Writes a parquet file a chunk; returns the number of rows, of those with probabilities, and of those not scored."""
        totals = [0, 0, 0]
        for index, rows in enumerate(chunks):
            frame = pl.DataFrame(self._score(rows, index), schema=self._schema)
            frame.write_parquet(folder / f"part-{index:06d}.parquet")
            unscored = frame["loss"].is_null().sum()
            for place, number in enumerate((frame.height, frame.height - frame["probabilities"].null_count(), unscored)):
                totals[place] += int(number)
        return totals[0], totals[1], totals[2]

    def _score(self, rows: Sequence[ScoreRow], chunk: int) -> list[dict[str, Any]]:
        encoded = [self._encoder.encode(row) for row in rows]
        ready = [index for index, request in enumerate(encoded) if request is not None and self._fits(request)]
        requests = [request for index in ready if (request := encoded[index]) is not None]
        spans = question_spans([one.context_ids for one in requests], [rows[index].task for index in ready], self._affixes)
        states = QuestionStates(spans)
        scored = score_choices(
            self._model,
            requests,
            max_length=self._max_length,
            max_batch_tokens=self._max_batch_tokens,
            advance=self._start(f"rows {chunk + 1}", len(requests)),
            states=states,
        )
        records: list[dict[str, Any]] = [{"id": row.id} for row in rows]
        for place, (index, request, result) in enumerate(zip(ready, requests, scored, strict=True)):
            records[index] |= _record(rows[index], request, result.loglikelihoods)
            # A text without a question has nothing before its answer but the token that begins every text.
            if len(request.context_ids) > 1:
                records[index]["hidden"] = states.vectors[place]
        return records

    def _fits(self, request: ChoiceRequest) -> bool:
        """A text of which a part was left out would be scored as another text."""
        return len(request.context_ids) + max(map(len, request.continuations)) - 1 <= self._max_length


def _record(row: ScoreRow, request: ChoiceRequest, loglikelihoods: Sequence[float]) -> dict[str, Any]:
    """Returns the columns of a row; `request` has one continuation where only the given answer was scored."""
    assert row.row is not None
    assert row.row.label is not None
    whole = len(loglikelihoods) == len(row.row.choices or ())
    given = loglikelihoods[row.row.label if whole else 0]
    first_words = request.words_of_choices[: row.row.label] if whole else ()
    num_tokens = len(request.continuations[sum(first_words)])
    found: dict[str, Any] = {"num_tokens": num_tokens, "loss": -given / num_tokens if math.isfinite(given) else None}
    if row.choosing:
        found |= {"choices": row.row.choices, "label": row.row.label}
        if whole and all(map(math.isfinite, loglikelihoods)):
            top = max(loglikelihoods)
            shares = [math.exp(value - top) for value in loglikelihoods]
            found["probabilities"] = [share / sum(shares) for share in shares]
    return found


class _Encoder:
    """Encodes rows as requests.

    In chat form a choice follows the end of the generation prompt, so that its tokens are the same in every row of a task. They are
    encoded with proof once a task, and taken from there for a row whose own answer is found to be encoded as there: a hundred choices
    would otherwise be a hundred renderings a row.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", form: Form | None, max_choices: int | None) -> None:
        self._tokenizer = tokenizer
        self._form = form
        self._max_choices = max_choices
        self._known: dict[tuple[Any, ...], ChoiceRequest] = {}

    def encode(self, row: ScoreRow) -> ChoiceRequest | None:
        """Returns the request of a row, or None where it cannot be encoded."""
        if row.row is None:
            return None
        form = self._form_of(row.row)
        try:
            alone = encode_choices(self._tokenizer, _only_given(row.row), form)
            choices = row.row.choices or []
            if not row.choosing or (self._max_choices is not None and len(choices) > self._max_choices):
                return alone
            key = (row.task, form, tuple(choices))
            known = self._known.get(key)
            if known is not None and self._agrees(known, alone, row.row):
                return ChoiceRequest(alone.context_ids, known.continuations, words_of_choices=known.words_of_choices)
            whole = encode_choices(self._tokenizer, row.row, form)
            if form == Form.CHAT:
                self._known[key] = whole
            return whole
        except EncodeError:
            return None

    def _agrees(self, known: ChoiceRequest, alone: ChoiceRequest, row: EvalRow) -> bool:
        place = sum(known.words_of_choices[: row.label])
        # The answer may stand behind other words of its message, which the other row does not have.
        return (
            row.messages is not None
            and row.messages[-1]["content"] == row.reference
            and known.continuations[place] == alone.continuations[0]
        )

    def _form_of(self, row: EvalRow) -> Form:
        if self._form is None:
            return Form.VERBALIZER if row.prompt is not None and row.target is not None else Form.CHAT
        has = row.messages is not None if self._form == Form.CHAT else row.prompt is not None and row.target is not None
        other = Form.VERBALIZER if self._form == Form.CHAT else Form.CHAT
        return self._form if has else other


def _only_given(row: EvalRow) -> EvalRow:
    assert row.label is not None
    words = None if row.words is None else (row.words[row.label][:1],)
    return replace(row, choices=[row.reference], label=0, words=words)


def _open_run(adapter: str | None) -> RunRecord | None:
    if adapter is None:
        return None
    record = RunRecord.load(Path(adapter))
    record.require_answers(Path(adapter))
    METHODS.get(record.method).require_saved(Path(adapter))
    return record


def _form(run: RunRecord | None, asked: Form | None, *, has_chat: bool) -> Form | None:
    if run is None:
        return asked if asked or has_chat else Form.VERBALIZER
    trained = scored_form(run.form)
    if asked is not None and asked != trained:
        raise UserError(f"the adapter was trained in {trained} form, and --form asks for {asked}", "--form", "Leave --form out.")
    return trained


def _model(run: RunRecord | None, asked: str | None) -> str:
    model = asked or (run.base_model if run else None)
    if model is None:
        raise UserError("no model is named", "--model", "Give one: --model embedded, a folder, a hub name, or a run with --adapter.")
    folder = model_folder(model)
    if run is not None:
        run.require_base(model, folder)
    require_embeddings(model, folder, load_tokenizer(model))
    return model
