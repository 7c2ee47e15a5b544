"""linear."""

import math
from typing import Any

from typing_extensions import override

from evals.data.prediction import Prediction, PredictionState
from evals.data.rows import EvalRow, Task
from evals.data.tfidf import text_features
from evals.systems.base import EvalContext, System
from evals.systems.spec import FORMS
from loopwright.progress import Advance


class Linear(System):
    """Logistic regression on TF-IDF of words and characters, fitted to the train split in seconds.

    A fine-tuned model that does not beat it has learnt nothing that word counts do not show. It reads what the model is given:
    all messages but the assistant's. Written answers are classes too, where they are labels: few words that recur.
    """

    name = "linear"
    forms = (FORMS["linear"],)
    tasks = frozenset({Task.CLASSIFICATION})
    writes_labels = True

    @override
    def answer(self, context: EvalContext, advance: Advance) -> list[Prediction]:
        """Fits one classifier a template and answers its examples."""
        by_template: dict[tuple[str, Task], list[EvalRow]] = {}
        for row in context.rows_for(self):
            by_template.setdefault((row.template, row.task), []).append(row)
        predictions = []
        for key, rows in by_template.items():
            predictions += _answer_template(rows, context.train_rows_of(*key), context.config.seed)
            advance(len(rows))
        return predictions


def _answer_template(rows: list[EvalRow], train_rows: list[EvalRow], seed: int) -> list[Prediction]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    answers = [row.reference for row in train_rows]
    if len(set(answers)) < 2:
        detail = "the train split has fewer than two labels of this template: nothing to tell apart"
        return [Prediction(row.id, PredictionState.ERROR, detail=detail) for row in rows]
    texts = [row.input_text for row in train_rows]
    features = text_features(texts)
    if features is None:
        detail = "no train example of this template asks anything: nothing to tell labels by"
        return [Prediction(row.id, PredictionState.ERROR, detail=detail) for row in rows]
    classifier = make_pipeline(features, LogisticRegression(C=10.0, max_iter=1000, random_state=seed))
    classifier.fit(texts, answers)
    probabilities = classifier.predict_proba([row.input_text for row in rows])
    index = {str(name): column for column, name in enumerate(classifier.classes_)}
    return [_best(row, probability, index, len(train_rows)) for row, probability in zip(rows, probabilities, strict=True)]


def _best(row: EvalRow, probability: Any, index: dict[str, int], num_train: int) -> Prediction:
    """Picks the likeliest choice. A label that train does not have is as likely as one example more would make it."""
    if row.choices is None:
        return Prediction(row.id, PredictionState.OK, max(index, key=lambda name: float(probability[index[name]])))
    likely = [float(probability[index[choice]]) if choice in index else 0.0 for choice in row.choices]
    smooth = [(value * num_train + 1 / len(likely)) / (num_train + 1) for value in likely]
    best = max(range(len(smooth)), key=smooth.__getitem__)
    return Prediction(row.id, PredictionState.OK, row.choices[best], tuple(math.log(value) for value in smooth))
