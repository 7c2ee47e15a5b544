import pytest

from loopwright.errors import UserError, UserErrors, did_you_mean, missing_extra, raise_all


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (UserError("the key 'a' is missing", "x.yaml:3", "Add 'a:'."), "x.yaml:3: the key 'a' is missing. Add 'a:'."),
        (UserError("no row is left"), "no row is left."),
        (UserError("is that all?", "x.yaml"), "x.yaml: is that all?"),
        (UserError("broken!", remedy="Mend it."), "broken! Mend it."),
    ],
)
def test_an_error_reads_as_location_cause_remedy(error: UserError, text: str) -> None:
    assert str(error) == text


def test_errors_are_raised_together() -> None:
    one, two = UserError("one", "a"), UserError("two", "b")
    raise_all([])
    with pytest.raises(UserError) as alone:
        raise_all([one])
    assert alone.value is one
    with pytest.raises(UserErrors) as both:
        raise_all([one, two])
    assert both.value.errors == (one, two)
    assert str(both.value) == "a: one.\nb: two."


def test_the_nearest_name_is_offered_else_all_of_them() -> None:
    assert did_you_mean("sourcse", ["sources", "split"]) == "Did you mean 'sources'?"
    assert did_you_mean("zzz", ["sources", "split"]) == "Known: sources, split."
    assert did_you_mean("zzz", []) == "None are known."


def test_a_missing_extra_says_what_to_install() -> None:
    assert "pip install 'loopwright[train]'" in str(missing_extra("training", "train"))
