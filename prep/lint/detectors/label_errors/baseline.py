"""A trained baseline: what label each row would have got from the other rows, and how likely its own is wrong.

Made once a lint run, for every rule that asks.
"""

from importlib.util import find_spec

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prep.lint.base.context import Context
from prep.lint.detectors.label_errors.classifiers import HIDDEN, WORDS, Folds, TextFeatures, make_folds, out_of_fold, probabilities
from prep.lint.detectors.label_errors.label_noise import Floats, Labels, Pool, fit_pool
from prep.lint.detectors.label_errors.labelled import COLUMNS, LabelledTask, labelled_tasks

__all__ = ["BASELINE_SCHEMA", "COLUMNS", "baseline_unavailable", "judge_labels"]

BASELINE_SCHEMA = pl.Schema(
    {
        "id": pl.String(),
        "score": pl.Float64(),  # probability that the given label is wrong
        "given": pl.String(),
        "guess": pl.String(),  # the label that the baseline finds likeliest
        "chance": pl.Float64(),  # its probability
        "label_field": pl.String(),  # the label's field in a JSON answer
        "noise": pl.Float64(),  # share of the task's labels that the fit takes to be wrong
    }
)
# More rows than this are fitted by a sample, and words alone are counted: with so many rows they say what character sequences would.
_MAX_FITTED = 100_000
_MAX_CHARACTERS = 8_000_000  # of all fitted rows, for character sequences to be counted
_MAX_FITTED_CHARACTERS = 40_000_000
_SMALL = 20_000  # rows times labels up to which ten folds are fitted rather than five: each then learns from more of the few rows


def baseline_unavailable() -> str | None:
    """Returns why no baseline can be trained, or None."""
    return None if find_spec("sklearn") else "needs scikit-learn: pip install 'loopwright[lint]'"


def judge_labels(examples: pl.LazyFrame, context: Context) -> pl.DataFrame:
    """Returns `BASELINE_SCHEMA` for every labelled row, each id once: of several labels in one answer the most doubtful.

    Args:
        examples: the lint frame with `COLUMNS`, `id` and `position`.
        context: the run; its model scores are used where there are any.
    """
    return context.once(_judge_all, examples, context)


def _judge_all(examples: pl.LazyFrame, context: Context) -> pl.DataFrame:
    judged = [_judge(task, examples, context) for task in labelled_tasks(examples, context)]
    every = pl.concat([pl.DataFrame(schema=BASELINE_SCHEMA), *judged])
    return every.sort("score", "id", descending=[True, False]).unique("id", keep="first")


def _judge(task: LabelledTask, examples: pl.LazyFrame, context: Context) -> pl.DataFrame:
    chosen, characters = _sample(task, examples)
    num_labels, given = len(task.names), task.given[chosen]
    folds = _folds(task, chosen, context)
    features = TextFeatures(characters=characters)
    rows = features.fit_transform(task.bodies(examples, chosen), num_labels)
    said = [out_of_fold(kind, rows, given, folds, num_labels) for kind in WORDS]
    model = _ModelView.of(task, context)
    if model is not None:
        said += model.out_of_fold(chosen, folds)
    pool = fit_pool(said, given)
    pooled = np.empty((len(task), num_labels), dtype=np.float32)
    pooled[chosen] = pool.probabilities(said)
    if not chosen.all():
        whole = [kind.fit(rows, given) for kind in WORDS]
        left = np.flatnonzero(~chosen)
        place = 0
        for texts in task.bodies(examples, ~chosen):
            more = features.transform(texts)
            ids = left[place : place + len(texts)]
            views = [probabilities(fitted, more, num_labels) for fitted in whole]
            views += model.beyond(chosen, ids) if model is not None else []
            pooled[ids] = pool.probabilities(views)
            place += len(texts)
    return _frame(task, pool, pooled)


def _frame(task: LabelledTask, pool: Pool, pooled: Floats) -> pl.DataFrame:
    best = pooled.argmax(axis=1)
    names = pl.Series(task.names, dtype=pl.String)
    return pl.DataFrame(
        {
            "id": task.ids,
            "score": pool.wrong(pooled, task.given),
            "given": names.gather(task.given),
            "guess": names.gather(best),
            "chance": pooled[np.arange(len(task)), best],
            "label_field": pl.repeat(task.field, len(task), dtype=pl.String, eager=True),
            "noise": pl.repeat(pool.noise, len(task), dtype=pl.Float64, eager=True),
        },
        schema_overrides=BASELINE_SCHEMA,
    )


def _sample(task: LabelledTask, examples: pl.LazyFrame) -> tuple[NDArray[np.bool_], bool]:
    """Returns which rows are fitted, [N], and whether character sequences are counted."""
    length = pl.col("input_body").str.len_chars().clip(upper_bound=3_000)
    mean = examples.filter(pl.col("task") == task.task).select(length.mean()).collect(engine="streaming").item() or 1.0
    number = int(min(len(task), _MAX_FITTED, max(1_000, _MAX_FITTED_CHARACTERS / mean)))
    if number == len(task):
        return np.ones(len(task), dtype=bool), number * mean <= _MAX_CHARACTERS
    # Equal inputs have equal keys: they are drawn together, and the draw is the same in each run.
    order = task.keys.to_frame("key").with_row_index().sort("key", "index")["index"].to_numpy()
    chosen = np.zeros(len(task), dtype=bool)
    chosen[order[:number]] = True
    return chosen, False


def _folds(task: LabelledTask, chosen: NDArray[np.bool_], context: Context) -> Folds:
    """Near and equal inputs share a fold: else a wrong label would be confirmed by its own copies."""
    _, groups = np.unique(task.keys.to_numpy(), return_inverse=True)
    if context.near is not None:
        groups = _merged(groups, task, context.near)
    # In the order of their first keys, which are hashes: as good as drawn, and the same in each run.
    return make_folds(groups[chosen], task.given[chosen], 10 if chosen.sum() * len(task.names) <= _SMALL else 5)


def _merged(groups: NDArray[np.int64], task: LabelledTask, near: pl.LazyFrame) -> NDArray[np.int64]:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    rows = pl.LazyFrame({"position": task.positions, "group": groups})
    pairs = (
        near.select(pl.col("a", "b").cast(task.positions.dtype))
        .join(rows.select(a="position", first="group"), on="a")
        .join(rows.select(b="position", second="group"), on="b")
        .select("first", "second")
        .collect(engine="streaming")
    )
    size = int(groups.max()) + 1
    edges = coo_matrix((np.ones(pairs.height), (pairs["first"].to_numpy(), pairs["second"].to_numpy())), shape=(size, size))
    component: NDArray[np.int64] = connected_components(edges, directed=False)[1].astype(np.int64)
    return component[groups]


class _ModelView:
    """What a model's scores say of a task's rows: a classifier on its hidden states, and its own choice among the labels."""

    def __init__(self, task: LabelledTask, hidden: Floats, known: NDArray[np.bool_], zero_shot: Floats | None) -> None:
        self._labels: Labels = task.given
        self._num_labels = len(task.names)
        self._hidden = hidden
        self._known = known
        self._zero_shot = zero_shot

    @classmethod
    def of(cls, task: LabelledTask, context: Context) -> "_ModelView | None":
        """Returns the view, or None where there are no scores for most of the task's rows."""
        if context.model_scores is None:
            return None
        wanted = pl.LazyFrame({"id": task.ids}).with_row_index("row")
        joined = wanted.join(context.model_scores.select("id", "choices", "probabilities", "hidden"), on="id").sort("row")
        found = joined.filter(pl.col("hidden").is_not_null()).collect(engine="streaming")
        if found.height < len(task) / 2:
            return None
        rows = found["row"].to_numpy()
        vectors = found["hidden"].to_numpy().astype(np.float32, copy=False)
        hidden = np.zeros((len(task), vectors.shape[1]), dtype=np.float32)
        hidden[rows] = (vectors - vectors.mean(axis=0)) / (vectors.std(axis=0) + 1e-6)
        known = np.zeros(len(task), dtype=bool)
        known[rows] = True
        return cls(task, hidden, known, _zero_shot(task, found) if task.field is None else None)

    def out_of_fold(self, chosen: NDArray[np.bool_], folds: Folds) -> list[Floats]:
        """Returns the views of the chosen rows, [M, K] each; of rows that the model did not score, even shares."""
        labels, known = self._labels[chosen], self._known[chosen]
        found = []
        for kind in HIDDEN:
            view = np.full((len(labels), self._num_labels), 1 / self._num_labels, dtype=np.float32)
            view[known] = out_of_fold(kind, self._hidden[chosen][known], labels[known], folds[known], self._num_labels)
            found.append(view)
        return found + ([self._zero_shot[chosen]] if self._zero_shot is not None else [])

    def beyond(self, chosen: NDArray[np.bool_], rows: NDArray[np.int64]) -> list[Floats]:
        """Returns the views of rows outside the sample, by classifiers fitted to the whole of it."""
        fitted_on = chosen & self._known
        found = []
        for kind in HIDDEN:
            view = np.full((len(rows), self._num_labels), 1 / self._num_labels, dtype=np.float32)
            known = self._known[rows]
            fitted = kind.fit(self._hidden[fitted_on], self._labels[fitted_on])
            view[known] = probabilities(fitted, self._hidden[rows][known], self._num_labels)
            found.append(view)
        return found + ([self._zero_shot[rows]] if self._zero_shot is not None else [])


def _zero_shot(task: LabelledTask, found: pl.DataFrame) -> Floats | None:
    """Returns the model's own probabilities of the labels, [N, K], brought to the labels' shares; None where it was not asked for them.

    A model that is not tuned prefers some words whatever it is asked; only what it says beyond that is taken (as by Zhao et al. 2021).
    """
    index = {name.strip().lower(): place for place, name in enumerate(task.names)}
    asked = found.filter(pl.col("probabilities").is_not_null()).select("row", "choices", "probabilities")
    if asked.height < found.height / 2:
        return None
    pairs = asked.explode("choices", "probabilities").with_columns(
        label=pl.col("choices").str.strip_chars().str.to_lowercase().replace_strict(index, default=None, return_dtype=pl.Int64)
    )
    pairs = pairs.drop_nulls("label")
    if pairs["label"].n_unique() < len(task.names):
        return None
    logs = np.full((len(task), len(task.names)), np.nan, dtype=np.float64)
    logs[pairs["row"].to_numpy(), pairs["label"].to_numpy()] = np.log(np.clip(pairs["probabilities"].to_numpy(), 1e-6, 1))
    shares = np.bincount(task.given, minlength=len(task.names)) / len(task)
    mixed = np.where(np.isnan(logs), 0.0, logs - np.nanmean(logs, axis=0)) + np.log(np.clip(shares, 1e-6, 1))
    mixed = np.exp(mixed - mixed.max(axis=1, keepdims=True))
    shared: Floats = (mixed / mixed.sum(axis=1, keepdims=True)).astype(np.float32)
    return shared
