"""The one door of `prep drift`: a dataset and new rows in, a report out.

Every test asks the same question: were these texts dealt onto the two sides at random? So every test is answered by dealing them again,
some hundred times, and doing all of the work anew each time. That is exact whatever the distributions are (Fisher 1935), ties, short texts
and fitted classifiers included, and the dealt values show what a number is worth: how large it is where nothing has moved.

What it takes for granted is that texts are independent. Rows that belong together, such as one customer's, make it see more than there is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from loopwright import statistics
from loopwright.errors import UserError
from loopwright.statistics import Bools, Floats, Ints
from prep.dataset.manifest import Dataset
from prep.dataset.plugins import dataset_plugins
from prep.drift.overlap import find_overlap
from prep.drift.report import SIZES, Category, DriftReport, MovedWord, Test, Unlike
from prep.drift.sample import Inputs, NewRows, Sample, find_inputs, known_sample, new_sample
from prep.drift.statistics import log_odds_z, permutation_p, smallest_mean_shift, smallest_share_shift
from prep.drift.words import WordSets, words_of
from prep.text.language import UNKNOWN, likely_languages, script_of
from prep.text.normalise import normalise

NUM_PERMUTATIONS = 300
LEVEL = 0.05
_SEED = 17
_MIN_TEXTS = 20
_NUM_WORDS = 10
_NUM_UNLIKE = 10
_MIN_LANGUAGE_WORDS = 10
_WORD_Z = 2.58  # two-sided 1 %: thousands of words are looked at, and only the first few are shown
_MIN_WORD_TEXTS = 3


# Where an effect begins to be small, medium and large: Cohen's d of 0.2, 0.5 and 0.8 as an AUC, Phi(d / sqrt 2), and as the
# Kolmogorov-Smirnov distance of two normal distributions, 2 Phi(d / 2) - 1; and Cohen's w for Cramer's V (Cohen 1988, 2.2 and 7.2).
_BOUNDS = {
    "inputs": (0.556, 0.638, 0.714),
    "length": (0.080, 0.197, 0.311),
    "labels": (0.1, 0.3, 0.5),
    "language": (0.1, 0.3, 0.5),
}


def drift(
    dataset_path: Path, new: NewRows, *, split: str = "train", model: str | None = None, config_path: Path | None = None
) -> DriftReport:
    """Says whether new rows have moved away from what a model is trained on, how far, and in what.

    Args:
        dataset_path: a built dataset.
        new: the new rows.
        split: the split to compare with.
        model: a model whose tokenizer measures length; default: words.
        config_path: the config whose plug-ins are used; default: the one that lies beside the dataset, see `dataset_plugins`.

    Raises:
        UserError: the dataset or the file cannot be read, the text's column is not found, or there are too few texts.
    """
    dataset = Dataset.open(dataset_path)
    inputs = find_inputs(dataset, split)
    known = known_sample(dataset, split, inputs)
    with dataset_plugins(dataset_path, config_path):
        fresh = new_sample(new, dataset, inputs)
    for sample, where in ((known, dataset_path), (fresh, new.path)):
        if len(sample.texts) < _MIN_TEXTS:
            raise UserError(f"only {len(sample.texts)} distinct texts, too few to compare", str(where), f"Give {_MIN_TEXTS} or more.")
    return compare(known, fresh, inputs, model=model)


def compare(known: Sample, new: Sample, inputs: Inputs, *, model: str | None = None) -> DriftReport:
    """Compares two samples of texts; see `drift`."""
    overlap = find_overlap(known.texts, new.texts)
    new = _what_is_new(known, new)
    texts = [*known.texts, *new.texts]
    is_new = np.arange(len(texts)) >= len(known.texts)
    sets = WordSets.of(texts)
    lengths, unit = _lengths(texts, model)
    languages, language_names = _categories(_languages(texts))
    labels, label_names = _categories([*known.labels, *new.labels])
    # A table with one column, or with one row, has nothing to say.
    tables = {
        name: categories
        for name, categories, names in (("labels", labels, label_names), ("language", languages, language_names))
        if len(names) > 1 and len(np.unique(is_new[categories >= 0])) == 2
    }
    deal = _Deal(sets, np.unique(lengths, return_inverse=True)[1].astype(np.int64), tables)
    observed = deal.measure(is_new)
    generator = np.random.default_rng(_SEED)
    dealt = [deal.measure(_shuffled(is_new, _stand_alone(known.texts, new.texts), generator)) for _ in range(NUM_PERMUTATIONS)]
    chance = {name: np.array([one[name] for one in dealt]) for name in observed}
    sizes = {name: (int((categories >= 0).sum()), int(categories.max()) + 1) for name, categories in tables.items()}
    tests = _tests(observed, chance, sizes)
    scores = sets.out_of_fold_scores(is_new)
    told_apart = next(test for test in tests if test.name == "inputs").size != "none"
    rising, fading = _moved_words(sets, is_new, texts)
    return DriftReport(
        known=known,
        new=new,
        fields=inputs.fields,
        tests=tests,
        auc_interval=statistics.auc_interval(scores, is_new),
        novel_share=max(0.0, observed["gap"] - float(chance["gap"].mean())) if told_apart else 0.0,
        lengths=(float(lengths[~is_new].mean()), float(lengths[is_new].mean()), unit),
        unknown_words=(observed["unknown"], float(chance["unknown"].mean())),
        rising=rising,
        fading=fading,
        labels=_shares(labels, label_names, is_new) if any(new.labels) else [],
        languages=_shares(languages, language_names, is_new),
        overlap=overlap,
        unlike=_unlike(scores, new, len(known.texts)),
        smallest=_smallest(chance, is_new, tables.get("labels")),
    )


def _what_is_new(known: Sample, new: Sample) -> Sample:
    """Returns the new texts; those alone that are not known where hardly a known text is missing from them.

    Then the new rows hold the dataset itself, and what is left to ask is whether the others are like it.
    """
    alone = _stand_alone(known.texts, new.texts)
    first = len(known.texts)
    if alone[:first].sum() >= _MIN_TEXTS or alone[first:].sum() < _MIN_TEXTS:
        return new
    left = [place for place, is_alone in enumerate(alone[first:]) if is_alone]
    return replace(
        new,
        texts=[new.texts[place] for place in left],
        labels=[new.labels[place] for place in left],
        places=[new.places[place] for place in left],
    )


def _stand_alone(known: Sequence[str], new: Sequence[str]) -> Bools:
    """Says of each text whether it stands on one side only."""
    known_keys, new_keys = ([normalise(text) for text in texts] for texts in (known, new))
    shared = set(known_keys) & set(new_keys)
    return np.array([key not in shared for key in (*known_keys, *new_keys)], np.bool_)


def _shuffled(is_new: Bools, alone: Bools, generator: np.random.Generator) -> Bools:
    """Deals the texts anew, but for those that stand on both sides: one copy of them is on each side, however the deal.

    Dealt freely, both copies would come to lie on one side half of the time, which makes the sides easier to tell apart than they are.
    """
    dealt = is_new.copy()
    dealt[alone] = generator.permutation(is_new[alone])
    return dealt


@dataclass(frozen=True)
class _Deal:
    """All that is measured of one deal of the texts onto two sides."""

    sets: WordSets
    length_places: Ints
    tables: dict[str, Ints]

    def measure(self, is_new: Bools) -> dict[str, float]:
        """Returns each statistic; of tables their chi-square."""
        scores = self.sets.out_of_fold_scores(is_new)
        new, known = self.sets.count(is_new)
        found = {
            "inputs": statistics.auc(scores, is_new),
            "gap": statistics.largest_gap(np.unique(scores, return_inverse=True)[1].astype(np.int64), is_new),
            "words": statistics.jensen_shannon(new, known),
            "unknown": float(new[known == 0].sum() / new.sum()),
            "length": statistics.largest_gap(self.length_places, is_new),
        }
        for name, categories in self.tables.items():
            given = categories >= 0
            found[name] = statistics.chi_square(categories[given], is_new[given])
        return found


def _lengths(texts: Sequence[str], model: str | None) -> tuple[Floats, str]:
    if model is None:
        return np.array([len(words_of(text)) if len(text) <= 4_000 else len(text.split()) for text in texts], np.float64), "words"
    from templates.chat import load_tokenizer

    encoded = load_tokenizer(model)(list(texts), add_special_tokens=False)["input_ids"]
    return np.array([len(ids) for ids in encoded], np.float64), "tokens"


def _languages(texts: Sequence[str]) -> list[str | None]:
    """Returns each text's language; of one that is too short to tell none, so that shorter texts are not taken for another language."""
    told = likely_languages(pl.Series("text", list(texts), dtype=pl.String), sure=True).to_list()
    return [language or _unknown(text) for language, text in zip(told, texts, strict=True)]


def _unknown(text: str) -> str | None:
    return f"{UNKNOWN} ({script_of(text)})" if len(words_of(text)) >= _MIN_LANGUAGE_WORDS else None


def _categories(values: Sequence[str | None]) -> tuple[Ints, list[str]]:
    """Numbers categories; -1 stands for none."""
    names = sorted({value for value in values if value is not None})
    places = {name: place for place, name in enumerate(names)}
    return np.array([-1 if value is None else places[value] for value in values], np.int64), names


def _tests(observed: dict[str, float], chance: dict[str, Floats], tables: dict[str, tuple[int, int]]) -> list[Test]:
    """Returns the tests.

    Args:
        observed: statistic -> its value.
        chance: statistic -> its values over random deals.
        tables: of a chi-square the rows and the categories of its table, of which its effect size is made.
    """
    names = [name for name in ("inputs", "words", "length", "labels", "language") if name in observed]
    p_values = [permutation_p(observed[name], chance[name]) for name in names]
    tests = []
    for name, p, adjusted in zip(names, p_values, statistics.holm(p_values), strict=True):
        value, dealt = observed[name], chance[name]
        if name in tables:
            value = statistics.cramers_v(value, *tables[name])
            dealt = np.array([statistics.cramers_v(float(one), *tables[name]) for one in dealt])
        # Bits of divergence have no scale of small and large: what words are worth is how well they tell the sides apart.
        scale, effect = ("inputs", observed["inputs"]) if name == "words" else (name, value)
        size = SIZES[1 + sum(effect >= bound for bound in _BOUNDS[scale])] if adjusted <= LEVEL else "none"
        tests.append(Test(name, value, float(dealt.mean()), float(np.quantile(dealt, 0.95)), p, adjusted, size))
    return tests


def _moved_words(sets: WordSets, is_new: Bools, texts: Sequence[str]) -> tuple[list[MovedWord], list[MovedWord]]:
    """Returns the words that surely more of the new texts hold, and fewer; those whose share changed most first, each with a text."""
    new, known = sets.count(is_new)
    z = log_odds_z(new, known)
    shares = known / (~is_new).sum(), new / is_new.sum()
    change = shares[1] - shares[0]
    order = np.argsort(-change, kind="stable")
    sure = (np.abs(z) >= _WORD_Z) & (np.sign(z) == np.sign(change))
    moved: tuple[list[MovedWord], list[MovedWord]] = ([], [])
    for found, places, side in ((moved[0], order, new), (moved[1], order[::-1], known)):
        grows = (change > 0) == (side is new)
        for place in places[(sure & grows & (side >= _MIN_WORD_TEXTS))[places]][:_NUM_WORDS]:
            holders = sets.texts[sets.words == place]
            text = texts[next(one for one in holders if is_new[one] == (side is new))]
            found.append(MovedWord(sets.vocabulary[place], float(shares[0][place]), float(shares[1][place]), float(z[place]), text))
    return moved


def _shares(categories: Ints, names: Sequence[str], is_new: Bools) -> list[Category]:
    given = categories >= 0
    known, new = (np.bincount(categories[given & side], minlength=len(names)) for side in (~is_new, is_new))
    return [
        Category(name, float(known[place] / max(known.sum(), 1)), float(new[place] / max(new.sum(), 1))) for place, name in enumerate(names)
    ]


def _unlike(scores: Floats, new: Sample, first: int) -> list[Unlike]:
    order = np.argsort(-scores[first:], kind="stable")[:_NUM_UNLIKE]
    return [Unlike(new.places[place], new.texts[place], float(scores[first + place])) for place in order]


def _smallest(chance: dict[str, Floats], is_new: Bools, labels: Ints | None) -> dict[str, float]:
    num_new = int(is_new.sum())
    num_known = len(is_new) - num_new
    errors = statistics.detectable_errors()
    smallest = {
        "auc": float(min(1.0, 0.5 + errors * chance["inputs"].std(ddof=1))),
        "length": smallest_mean_shift(num_known, num_new),
    }
    if labels is not None:
        given = labels >= 0
        share = float(np.bincount(labels[given & ~is_new]).max() / (given & ~is_new).sum())
        smallest["label"] = smallest_share_shift(share, int((given & ~is_new).sum()), int((given & is_new).sum()))
    return smallest
