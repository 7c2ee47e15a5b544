"""What every export target has to keep, for the tests of whoever writes one: plain assertions, for any test runner."""

from pathlib import Path
from tempfile import TemporaryDirectory

from prep.targets.profile import PROFILES, Profile
from prep.targets.validation import validate
from prep.targets.write import export
from templates.form import Form


def check_target(target: type[Profile], dataset: Path) -> None:
    """Makes sure that a target keeps all that a target has to: it is documented, and what it writes of each of its forms passes its checks.

    Args:
        target: its class.
        dataset: a built dataset with enough train rows of each form that the target takes.

    Raises:
        AssertionError: it does not; the message says in which form and in what.
    """
    who = f"the target '{target.name}'"
    assert (target.__doc__ or "").strip() and target.title, f"{who} has no docstring or no title"
    assert target.forms and all(isinstance(form, Form) for form in target.forms), f"{who} takes no form"
    with PROFILES.holding(target), TemporaryDirectory() as folder:
        for form in target.forms:
            result = export(dataset, target.name, Path(folder) / form, form=form)
            assert result.form is form and result.files, f"{who} writes nothing of the {form} form"
            train = next(name for name in result.files if "train" in name)
            found = validate(result.out / train, target.name)
            problems = [f"{one.line}: {one.rule}: {one.message}" for one in (*found.errors, *found.warnings)]
            assert not problems, f"{who} breaks a rule of its own in the {form} form, line {problems[0]}" if problems else ""
