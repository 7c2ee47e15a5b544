"""Plain classifiers that read texts or vectors and say, out of fold, what label each row would have got from the others."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prep.lint.detectors.label_errors.label_noise import Floats, Labels

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_HASHED = 2**18
_MAX_WEIGHTS = 12_000_000  # of one classifier, over all labels: 100 MB
# scikit-learn's own pattern drops words of one letter, such as "I" and every single Han character.
_WORD = r"(?u)\b\w+\b"
_STEPS = 150_000  # rows that gradient descent sees in all, so that a thousand rows are seen often and a hundred thousand a few times
_SEED = 17

Folds = NDArray[np.int64]


class TextFeatures:
    """TF-IDF of hashed words and word pairs, and of characters within words where they are wanted, in bounded memory.

    Args:
        characters: whether to count character sequences too; they carry misspellings and scripts without spaces, and cost most of the time.
    """

    def __init__(self, *, characters: bool) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer

        common: dict[str, Any] = {"n_features": _HASHED, "alternate_sign": False, "norm": None, "dtype": np.float32}
        self._hashers = [HashingVectorizer(ngram_range=(1, 2), token_pattern=_WORD, **common)]
        if characters:
            self._hashers.append(HashingVectorizer(analyzer="char_wb", ngram_range=(2, 5), **common))
        self._kept: list[NDArray[np.int64]] = []
        self._weights: list[Floats] = []

    def fit_transform(self, chunks: Iterable[Sequence[str]], num_labels: int) -> "csr_matrix":
        """Learns which features come back, and their weights; returns the rows of all chunks, [N, F], float32."""
        from scipy.sparse import vstack

        hashed: list[list[csr_matrix]] = [[] for _ in self._hashers]
        for texts in chunks:
            for parts, hasher in zip(hashed, self._hashers, strict=True):
                parts.append(hasher.transform(texts))
        counts = [vstack(parts, format="csr") for parts in hashed]
        for matrix in counts:
            frequency = np.bincount(matrix.indices, minlength=_HASHED)
            # What one row alone has says nothing of any other.
            kept = np.flatnonzero(frequency >= 2)
            kept = kept if len(kept) else np.zeros(1, dtype=np.int64)
            limit = max(1_000, _MAX_WEIGHTS // num_labels // len(counts))
            if len(kept) > limit:
                kept = np.sort(kept[np.argsort(-frequency[kept], kind="stable")[:limit]])
            self._kept.append(kept)
            idf = np.log((1 + matrix.shape[0]) / (1 + frequency[kept])) + 1
            self._weights.append(idf.astype(np.float32))
        return self._weighed(counts)

    def transform(self, texts: Sequence[str]) -> "csr_matrix":
        """Returns the rows of some texts, [N, F]."""
        return self._weighed([hasher.transform(texts) for hasher in self._hashers])

    def _weighed(self, counts: "Sequence[csr_matrix]") -> "csr_matrix":
        from scipy.sparse import hstack
        from sklearn.preprocessing import normalize

        parts = []
        for matrix, kept, weights in zip(counts, self._kept, self._weights, strict=True):
            part = matrix[:, kept]
            part.data = (1 + np.log(part.data)) * weights[part.indices]
            parts.append(normalize(part, copy=False))
        return hstack(parts, format="csr", dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Classifier:
    """A kind of classifier.

    Attributes:
        name: `words`, `bayes` or `hidden`.
        strength: of the fit against its penalty; of Bayes, the counts that are added.
    """

    name: str
    strength: float

    def fit(self, rows: Any, labels: Labels) -> Any:
        """Returns a fitted scikit-learn classifier."""
        from sklearn.linear_model import LogisticRegression, SGDClassifier
        from sklearn.naive_bayes import ComplementNB

        if self.name == "bayes":
            return ComplementNB(alpha=self.strength).fit(rows, labels)
        if self.name == "hidden":
            return LogisticRegression(C=self.strength, max_iter=200).fit(rows, labels)
        # One binary classifier a label, each of which sees every row.
        epochs = int(np.clip(_STEPS // (len(labels) * max(1, len(np.unique(labels)) // 8)), 5, 40))
        alpha = 1 / (self.strength * len(labels))
        return SGDClassifier(loss="log_loss", alpha=alpha, max_iter=epochs, tol=None, average=True, random_state=_SEED).fit(rows, labels)


# Strengths by the average precision of flipped labels in restaurant reviews, text messages and bank questions (flips of 2 to 20%).
WORDS = (Classifier("words", 3.0), Classifier("bayes", 0.3))
HIDDEN = (Classifier("hidden", 1e-3), Classifier("hidden", 1e-2))


def probabilities(fitted: Any, rows: Any, num_labels: int) -> Floats:
    """Returns a fitted classifier's probabilities, [N, K]; a label that it never saw has none."""
    found = np.zeros((rows.shape[0], num_labels), dtype=np.float32)
    found[:, fitted.classes_] = fitted.predict_proba(rows)
    return found


def out_of_fold(kind: Classifier, rows: Any, labels: Labels, folds: Folds, num_labels: int) -> Floats:
    """Returns the probabilities that a classifier gives each row when it was fitted to the other folds, [N, K]."""
    found = np.zeros((rows.shape[0], num_labels), dtype=np.float32)
    for fold in range(int(folds.max()) + 1):
        held_out = np.flatnonzero(folds == fold)
        fitted_on = np.flatnonzero(folds != fold)
        if len(held_out) and len(np.unique(labels[fitted_on])) > 1:
            found[held_out] = probabilities(kind.fit(rows[fitted_on], labels[fitted_on]), rows[held_out], num_labels)
    return found


def make_folds(groups: NDArray[Any], labels: Labels, num_folds: int) -> Folds:
    """Returns each row's fold, [N]: rows of one group in the same one, and the labels in each as in the whole.

    Args:
        groups: sortable keys, [N]; their order decides, so that it should say nothing of the label: a hash, say.
        labels: index of each row's label, [N]; a group counts as its first row's.
        num_folds: how many.
    """
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    order = np.argsort(labels[first], kind="stable")
    fold_of_group = np.empty(len(first), dtype=np.int64)
    fold_of_group[order] = np.arange(len(first)) % num_folds
    return fold_of_group[inverse]
