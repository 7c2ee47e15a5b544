"""The table of forms."""

import pickle

import polars as pl
import pytest

from prep.dataset.manifest import forms_of, has_form
from prep.dataset.schema import EXAMPLE_SCHEMA
from templates.form import Form, forms_where
from templates.rendered import Rendered

ALONE = {form: [form] for form in Form}
TOGETHER = {
    (Form.CHAT, Form.VERBALIZER): [Form.CHAT, Form.VERBALIZER],
    (Form.CHAT, Form.PREFERENCE): [Form.PREFERENCE],  # the messages are what both answers follow
    (Form.COMPLETION, Form.PREFERENCE): [Form.COMPLETION, Form.PREFERENCE],
    (Form.CHAT, Form.UNPAIRED): [Form.UNPAIRED],  # the messages may end on an answer that nobody wants
    tuple(Form): [Form.VERBALIZER, Form.COMPLETION, Form.PREFERENCE, Form.UNPAIRED],
    (): [],
}
CASES = [*(((form,), forms) for form, forms in ALONE.items()), *TOGETHER.items()]


def test_each_form_has_a_column_and_tags_of_its_own() -> None:
    columns = [form.column for form in Form]
    tags = [tag for form in Form for tag in form.tags]
    assert len(set(columns)) == len(columns)
    assert len(set(tags)) == len(tags)
    assert set(columns) <= set(EXAMPLE_SCHEMA) & set(Rendered.__slots__)
    assert {other for form in Form for other in form.continued_by} <= set(Form)


def test_a_form_is_its_name_wherever_it_goes() -> None:
    assert [f"{form}" for form in Form] == ["chat", "verbalizer", "completion", "preference", "unpaired"]
    assert Form("chat") is Form.CHAT is pickle.loads(pickle.dumps(Form.CHAT))


@pytest.mark.parametrize(("given", "forms"), CASES)
def test_templates_and_rows_tell_forms_alike(given: tuple[Form, ...], forms: list[Form]) -> None:
    assert forms_where(lambda form: form in given) == forms
    frame = pl.DataFrame({form.column: ["x" if form in given else None] for form in Form}, schema_overrides={"chosen": pl.String})
    told = frame.select(forms=forms_of({form: pl.col(form.column) for form in Form}))
    assert told["forms"].to_list() == [forms]
    assert told["forms"].dtype == EXAMPLE_SCHEMA["forms"]
    assert [form for form in Form if told.select(has_form(form)).item()] == forms


def test_without_any_of_the_columns_there_is_no_form() -> None:
    frame = pl.DataFrame({"id": ["a", "b"]}).with_columns(forms=forms_of({}))
    assert frame["forms"].to_list() == [[], []]
