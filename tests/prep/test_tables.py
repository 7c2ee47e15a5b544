"""Tables that a program holds, linted and built without a file of their own."""

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import prep
from loopwright.errors import UserError
from prep.sources.tables import table_files
from tests.prep.helpers import contents, make_project, reviews

ROWS = [
    {**row, "stars": index % 5 or None, "tags": ["a"] * (index % 3), "at": {"x": index, "y": None if index % 2 else 0.5}}
    for index, row in enumerate(reviews(30))
]
KINDS = ("polars", "pyarrow", "pandas", "datasets", "datasets selected")


def table_of(kind: str, rows: list[dict[str, Any]]) -> Any:
    if kind == "polars":
        return pl.concat(
            [pl.DataFrame(rows[:7], infer_schema_length=None), pl.DataFrame(rows[7:], infer_schema_length=None)], rechunk=False
        )
    if kind == "pyarrow":
        return pa.Table.from_pylist(rows)
    if kind == "pandas":
        pandas = pytest.importorskip("pandas")
        return pandas.DataFrame(rows).astype({"stars": "Int64"})
    datasets = pytest.importorskip("datasets")
    if kind == "datasets":
        return datasets.Dataset.from_list(rows)
    return datasets.Dataset.from_list([*reversed(rows)]).select(range(len(rows) - 1, -1, -1))


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_gets_the_ids_of_the_same_rows_in_a_parquet_file(kind: str, tmp_path: Path) -> None:
    project = make_project(tmp_path, [], sources=[{"path": "rows.parquet", "name": "reviews"}])
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    from_file = prep.build_dataset(project.config, tmp_path / "file").to_polars()
    project.configure(sources=[{"name": "reviews"}])
    built = prep.build_dataset(project.config, tmp_path / "table", tables={"reviews": table_of(kind, ROWS)})
    assert from_file.height == len(ROWS)
    assert built.to_polars().drop("source").equals(from_file.drop("source"))
    assert built.to_polars()["source"].unique().to_list() == ["reviews"]


@pytest.mark.parametrize("kind", KINDS)
def test_lint_finds_in_a_table_what_it_finds_in_a_parquet_file(kind: str, tmp_path: Path) -> None:
    rows = [{"prompt": row["text"], "completion": row["label"]} for row in [*reviews(30), *reviews(2)]]
    rows.append({"prompt": "The soup number 3 was cold.", "completion": "positive"})
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    table = pa.Table.from_pylist(rows) if kind == "pyarrow" else table_of("polars", rows) if kind in {"polars", "pandas"} else None
    if kind == "pandas":
        table = pytest.importorskip("pandas").DataFrame(rows)
    if table is None:
        table = pytest.importorskip("datasets").Dataset.from_list(rows)
    report, of_file = prep.lint_dataset(table, name="reviews"), prep.lint_dataset(tmp_path / "rows.parquet")
    assert {one.code for one in report.diagnostics} >= {"CON201", "DUP301"}
    assert report.to_polars().drop("file", "message").equals(of_file.to_polars().drop("file", "message"))
    assert str(report.path) == "reviews" and {one.file for one in report.diagnostics} - {None} == {"reviews"}


def test_an_evaluation_table_is_looked_at_for_leaks() -> None:
    rows = [{"prompt": row["text"], "completion": row["label"]} for row in reviews(12)]
    report = prep.lint_dataset(pl.DataFrame(rows), test=pl.DataFrame(rows[:2]), select=["LEK401"])
    assert [(one.code, one.file, one.line) for one in report.diagnostics] == [("LEK401", "test", 1), ("LEK401", "test", 2)]


def test_the_build_key_is_of_the_tables_content(tmp_path: Path) -> None:
    project = make_project(tmp_path, [], sources=[{"name": "reviews"}])
    frame = pl.DataFrame(reviews(20))
    first = prep.build_dataset(project.config, tmp_path / "out", tables={"reviews": frame})
    whole = contents(tmp_path / "out")
    again = prep.build_dataset(project.config, tmp_path / "out", tables={"reviews": pl.concat([frame[:3], frame[3:]], rechunk=False)})
    assert again.cached and not first.cached
    as_categories = frame.with_columns(pl.col("label").cast(pl.Categorical))
    assert prep.build_dataset(project.config, tmp_path / "out", tables={"reviews": as_categories}).cached
    other = prep.build_dataset(project.config, tmp_path / "out", tables={"reviews": frame.head(19)})
    assert not other.cached and other.manifest.key != first.manifest.key
    prep.build_dataset(project.config, tmp_path / "twice", tables={"reviews": frame.to_arrow()})
    assert contents(tmp_path / "twice") == whole, "equal rows give equal bytes, whichever library holds them"


def test_a_table_stands_for_the_file_of_its_source_and_what_is_said_of_that(tmp_path: Path) -> None:
    source = {"path": "gone.csv", "name": "reviews", "format": "csv", "delimiter": ";", "key": "review", "fields": {"text": "review"}}
    project = make_project(tmp_path, [], sources=[source])
    frame = pl.DataFrame(reviews(10)).rename({"text": "review"})
    built = prep.build_dataset(project.config, tmp_path / "out", tables={"reviews": frame})
    assert built.manifest.rows.kept == 10 and built.manifest.config["sources"][0]["path"] is None
    project.configure(sources=[{"name": "reviews", "delimiter": ";"}])
    with pytest.raises(UserError, match="'delimiter' says nothing of a parquet file"):
        prep.build_dataset(project.config, tmp_path / "out", tables={"reviews": frame})


def test_records_of_a_known_shape_are_told_in_a_table(tmp_path: Path) -> None:
    chats = [{"conversations": [{"from": "human", "value": f"Is {index} even?"}, {"from": "gpt", "value": "yes"}]} for index in range(8)]
    project = make_project(tmp_path, [], sources=[{"name": "chats"}], templates=[{"name": "general/chat"}])
    built = prep.build_dataset(project.config, tmp_path / "out", tables={"chats": pl.DataFrame(chats)})
    assert built.manifest.rows.kept == 8 and "'chats' is read as sharegpt" in built.notices[0]


def test_a_source_without_path_and_table_names_both_remedies(tmp_path: Path) -> None:
    project = make_project(tmp_path, [], sources=[{"name": "reviews"}])
    with pytest.raises(UserError, match="no path, and no table") as error:
        prep.build_dataset(project.config, tmp_path / "out")
    assert "Add 'path:'" in str(error.value) and "tables={'reviews': table}" in str(error.value)
    with pytest.raises(UserError, match="a table is given for 'review', and no sources have that name") as error:
        prep.build_dataset(project.config, tmp_path / "out", tables={"review": pl.DataFrame(reviews(2))})
    assert "Did you mean 'reviews'?" in str(error.value)
    project.configure(sources=[{"name": "a", "path": "rows.jsonl"}, {"name": "a", "path": "rows.jsonl"}])
    with pytest.raises(UserError, match="2 sources have that name"):
        prep.build_dataset(project.config, tmp_path / "out", tables={"a": pl.DataFrame(reviews(2))})


class _Stream:
    def with_format(self, _kind: str) -> "_Stream":
        return self


@pytest.mark.parametrize(
    ("table", "cause", "remedy"),
    [
        ({"train": 1, "test": 2}, "is a dict, which holds several: 'train', 'test'", "Give one of them: data['train']."),
        ([{"a": 1}], "is no table, but an object of the type 'list'", "polars.DataFrame(rows)"),
        (pl.LazyFrame({"a": [1]}), "is a LazyFrame, which is not computed yet", "Give its .collect()."),
        (_Stream(), "is a stream (_Stream)", "without streaming=True"),
        (pl.Series([1]), "cannot be read", "Give a pandas"),
        (pl.DataFrame({"a": [object()]}), "cannot be", "Give a pandas"),
        (None, "is no table", "Give a pandas"),
    ],
    ids=["several", "list", "lazy", "stream", "series", "objects", "none"],
)
def test_what_is_no_table_is_refused_with_what_to_give(table: object, cause: str, remedy: str) -> None:
    with pytest.raises(UserError) as error, table_files({"reviews": table}):
        pass
    assert cause in str(error.value) and remedy in str(error.value)


def test_a_dataset_dict_is_refused() -> None:
    datasets = pytest.importorskip("datasets")
    whole = datasets.DatasetDict({"train": datasets.Dataset.from_list(ROWS)})
    with pytest.raises(UserError, match="a DatasetDict, which holds several: 'train'"):
        prep.lint_dataset(whole, name="reviews")


def test_the_written_table_is_private_and_goes(tmp_path: Path) -> None:
    with table_files({"../odd name": pl.DataFrame({"a": ["x"]})}) as written:
        (path,) = written.values()
        folder = path.parents[1]
        assert path.name == ".._odd_name.parquet" and folder.stat().st_mode & 0o077 == 0
        assert pl.read_parquet(path)["a"].to_list() == ["x"]
    assert not folder.exists()
    with pytest.raises(UserError, match="no rows"):
        prep.lint_dataset(pl.DataFrame({"prompt": [], "completion": []}), name="empty")
