"""What a drift report means, in sentences: how far, in what, how sure, and what to do."""

from collections.abc import Iterator

from prep.drift.report import SIZES, Category, DriftReport, Test
from prep.drift.run import NUM_PERMUTATIONS

_NEAR_ALARM = 0.3  # share of new rows that train has already, from which it is worth saying


def verdict(report: DriftReport) -> str:
    """Returns the answer in one sentence."""
    if report.size == "none":
        return f"No drift is shown: the new rows look like those of the dataset. {_smallest(report)}"
    shifted = [_SUBJECTS[test.name] for test in report.tests if SIZES.index(test.size) >= SIZES.index("small")]
    if not shifted:
        return "The new rows differ from the dataset by more than chance, but too little to matter."
    return f"Production has moved away from the dataset: a {report.size} shift, in {', '.join(shifted)}."


_SUBJECTS = {"inputs": "what is said", "words": "the words used", "length": "length", "labels": "labels", "language": "language"}


def findings(report: DriftReport) -> Iterator[str]:
    """Yields a sentence for each test: the effect, what chance gives, and how sure it is."""
    for test in report.tests:
        yield f"{_finding(test, report)} {_certainty(test)}"


def _finding(test: Test, report: DriftReport) -> str:
    by_chance = f"{test.by_chance:.3f} by chance, {test.by_chance_high:.3f} at most in 95 of 100"
    if test.name == "inputs":
        low, high = report.auc_interval
        return f"A word classifier tells new rows from known ones with an AUC of {test.value:.3f} ({low:.3f} to {high:.3f}; 0.5 is chance)."
    if test.name == "words":
        unknown, expected = report.unknown_words
        return (
            f"Word use differs by {test.value:.3f} bits ({by_chance}); {unknown:.1%} of the words are unknown ({expected:.1%} by chance)."
        )
    if test.name == "length":
        known, new, unit = report.lengths
        return f"Length goes from {known:.1f} to {new:.1f} {unit} on average; the distributions are {test.value:.3f} apart ({by_chance})."
    name = "Label shares" if test.name == "labels" else "Languages"
    shares = report.labels if test.name == "labels" else report.languages
    return f"{name} differ with a Cramer's V of {test.value:.3f} ({by_chance}); {_largest(shares)}."


def _largest(shares: list[Category]) -> str:
    one = max(shares, key=lambda share: share.share_new - share.share_known)
    return f"what grew most is '{one.name}', from {one.share_known:.1%} to {one.share_new:.1%}"


def _certainty(test: Test) -> str:
    floor = 1 / (NUM_PERMUTATIONS + 1)
    p = f"below {2 * floor:.3f}" if test.p <= floor else f"{test.p:.3f}"
    if test.size == "none":
        return f"No more than chance gives (p {p}, {test.adjusted_p:.2f} adjusted for the number of questions)."
    return f"Effect: {test.size} (p {p}, {test.adjusted_p:.3f} adjusted)."


def advice(report: DriftReport) -> Iterator[str]:
    """Yields what to do, the most useful first."""
    if report.overlap.near >= _NEAR_ALARM:
        yield (
            f"{report.overlap.near:.0%} of the new rows already appear in train, exactly or nearly: a good score on those is memory. "
            "Leave them out of an evaluation."
        )
    if not report.drifted:
        return
    if report.rows_to_add is not None:
        yield (
            f"At least {report.novel_share:.0%} of the new rows are of a kind that train has not. About {report.rows_to_add:,} such rows "
            f"beside its {report.known.num_rows:,} would give them the share that they have in production."
        )
    elif report.novel_share >= 0.5:
        yield (
            f"At least {report.novel_share:.0%} of the new rows are of a kind that train has not: make a dataset of them, "
            "rather than add to this one."
        )
    if report.unlike and report.novel_share > 0:
        yield "Label the rows listed as least like train first, and evaluate on them before you train."
    sizes = {test.name: test.size for test in report.tests}
    if SIZES.index(sizes.get("labels", "none")) >= SIZES.index("small"):
        yield "Set the label shares to those of production by adding rows of the labels that grew; see `prep lint` BAL101."
    if SIZES.index(sizes["length"]) >= SIZES.index("small") and report.lengths[1] > report.lengths[0]:
        yield "New rows are longer: check with `prep lint --model` that none is cut."
    if SIZES.index(sizes.get("language", "none")) >= SIZES.index("small"):
        yield f"In the mix of languages, {_largest(report.languages)}: add rows in it, or route them elsewhere."


def _smallest(report: DriftReport) -> str:
    smallest = report.smallest
    parts = [f"an AUC of {smallest['auc']:.3f}", f"{smallest['length']:.2f} standard deviations of length"]
    if "label" in smallest:
        parts.append(f"{100 * smallest['label']:.1f} points of the commonest label")
    sizes = f"{len(report.known.texts):,} and {len(report.new.texts):,} texts"
    return f"Samples of {sizes} would show a shift of {', '.join(parts)} in 80 of 100 cases; a smaller one may be there."
