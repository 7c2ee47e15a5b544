"""The library calls of each package: found lazily, silent, and what they give back."""

import json
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import evals
import loop
import prep
import train
from loopwright.console import library_call
from loopwright.errors import UserError
from loopwright.notebook import html_table
from tests.prep.helpers import Project, make_project, reviews

DOORS = {
    "prep": ("build_dataset", "lint_dataset", "export_dataset"),
    "train": ("train", "sweep_runs", "plan_run"),
    "evals": ("evaluate", "score_dataset"),
    "loop": ("run_round",),
}
# Names that calls are to bear one day: a module of such a name would stand in their place.
RESERVED = {
    "prep": ("review_drafts", "view_dataset"),
    "train": ("verify_run", "branch_run", "export_run"),
    "evals": ("compare_evaluations", "predict_rows", "advise_dataset"),
    "loop": ("explain_failures", "next_rows", "ingest_logs", "generate_rows", "report_rounds"),
}
ROWS = [
    {"text": f"The {food} number {index} was {'lovely' if index % 2 else 'awful'}.", "label": "positive" if index % 2 else "negative"}
    for index, food in enumerate(("soup", "bread", "stew", "pasta", "fish", "salad") * 4)
]
CONFIG: dict[str, Any] = {"split": {"train": 0.6, "validation": 0.4, "test": 0}}


@pytest.fixture
def calls(tmp_path: Path, tiny_model_dir: Path) -> dict[str, Callable[[], object]]:
    """Each call on tiny inputs, each needing what those before it made."""
    model = {"model": str(tiny_model_dir), "dtype": "float32"}
    options = {"train": {**model, "max_steps": 1, "leaks": "allow"}}
    options |= {"evals": {"dtype": "float32", "num_resamples": 100, "systems": ["base", "constant"]}}
    project = make_project(tmp_path, ROWS, **CONFIG, **options)
    data, run, config = tmp_path / "data", tmp_path / "run", project.config
    return {
        "build_dataset": lambda: prep.build_dataset(config, str(data)),
        "lint_dataset": lambda: prep.lint_dataset(str(data)),
        "export_dataset": lambda: prep.export_dataset(str(data), "openai", tmp_path / "openai"),
        "train": lambda: train.train(data, str(run), str(config), overwrite=True),
        "sweep_runs": lambda: train.sweep_runs(data, tmp_path / "sweep", {**options, "sweep": {"options": {"seed": [1, 2]}}}),
        "plan_run": lambda: train.plan_run(str(data), config),
        "evaluate": lambda: evals.evaluate(str(data), tmp_path / "evals", config, adapter=run, metrics=["accuracy"]),
        "score_dataset": lambda: evals.score_dataset(data, tmp_path / "scores.parquet", adapter=run, dtype="float32"),
        "run_round": lambda: loop.run_round(config, str(tmp_path / "rounds")),
    }


def test_no_import_of_a_module_puts_it_in_the_place_of_a_call(
    calls: dict[str, Callable[[], object]], capfd: pytest.CaptureFixture[str]
) -> None:
    for package in (prep, train, evals, loop):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            import_module(module.name)
    capfd.readouterr()
    for _ in range(2):
        for name, doors in DOORS.items():
            for door in doors:
                found = getattr(sys.modules[name], door)
                assert callable(found) and found.__name__ == door and found.__doc__
                assert door in sys.modules[name].__all__
                result = calls[door]()
                assert isinstance(result.to_polars(), pl.DataFrame) and "<table" in result._repr_html_()  # type: ignore[attr-defined]
    assert capfd.readouterr() == ("", ""), "a call shows nothing that was not asked for"


@pytest.mark.parametrize("package", [*DOORS])
def test_no_module_bears_the_name_of_a_call(package: str) -> None:
    modules = {module.name for module in pkgutil.iter_modules(import_module(package).__path__)}
    assert modules.isdisjoint((*DOORS[package], *RESERVED[package], *import_module(package).__all__))


@pytest.mark.parametrize("package", [*DOORS])
def test_every_public_name_is_there_and_importing_the_package_loads_none_of_them(package: str) -> None:
    program = f"import sys, {package}; print({package}.__name__, sorted({{'polars', 'torch', 'pydantic', 'rich'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.split(maxsplit=1)[1].strip() == "[]"
    module = import_module(package)
    assert all(getattr(module, name) for name in module.__all__)
    with pytest.raises(AttributeError, match="no attribute 'no_such_call'"):
        _ = module.no_such_call


def test_progress_goes_where_it_is_asked_for(
    calls: dict[str, Callable[[], object]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[tuple[str, int, int | None]] = []
    out = loop.run_round(tmp_path / "mine.yaml", tmp_path / "rounds", progress=lambda *step: told.append(step))
    assert capfd.readouterr() == ("", "")
    assert {step for step, _, _ in told} == {"reading", "rendering", "training", *out.record.metrics}
    assert told[-1][1] == told[-1][2] == out.record.splits["validation"]
    assert ("training", 1, 1) in told and [done for step, done, _ in told if step == "rendering"][-1] == len(ROWS)
    loop.run_round(tmp_path / "mine.yaml", tmp_path / "rounds", progress=True)
    shown = capfd.readouterr()
    assert shown.out == "" and "nothing has changed since round 1" in shown.err


def test_results_hold_what_the_files_say(calls: dict[str, Callable[[], object]], tmp_path: Path) -> None:
    built = prep.build_dataset(tmp_path / "mine.yaml", tmp_path / "data")
    assert built.to_polars().height == built.manifest.examples == len(ROWS)
    assert "<td style=" in built._repr_html_() and str(built.out) in built._repr_html_()
    exported = prep.export_dataset(built.out, "openai", tmp_path / "openai", splits="train")
    (file,) = exported.to_polars().to_dicts()
    assert len(Path(file["file"]).read_text().splitlines()) == file["rows"] == built.manifest.splits["train"]
    run = calls["train"]()
    assert isinstance(run, train.TrainResult)
    assert {"id", "epoch", "loss"} <= set(run.to_polars().columns) and run.record.num_steps == 1
    evaluation = calls["evaluate"]()
    assert isinstance(evaluation, evals.EvaluationResult)
    metrics = evaluation.to_polars()
    assert set(metrics["metric"]) == {"accuracy"} and sorted(metrics["role"]) == ["base", "baseline", "tuned"]
    report = json.loads((evaluation.out / "report.json").read_text())
    assert evaluation.verdict == report["verdict"]
    assert dict(metrics.select("system", "value").iter_rows()) == {
        name: system["metrics"]["accuracy"]["value"] for name, system in report["systems"].items()
    }
    assert evaluation.predictions().height == len(report["systems"]) * report["num_examples"]
    with pytest.raises(AttributeError):
        built.out = tmp_path  # type: ignore[misc]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: prep.build_dataset("no/such.yaml", "out"), "does not exist"),
        (lambda: prep.build_dataset({"name": "x"}, "out"), "'sources' is missing"),
        (lambda: prep.build_dataset(3, "out"), "an object of the type 'int'"),  # type: ignore[arg-type]
        (lambda: prep.lint_dataset("no/such.jsonl"), "no such|not there|does not exist|nothing"),
        (lambda: prep.lint_dataset("a.jsonl", select="XYZ"), "no rule's code begins with 'XYZ'"),
        (lambda: prep.lint_dataset("a.jsonl", name="reviews"), "to be the name of a file"),
        (lambda: prep.export_dataset("no/such", "openai", "out"), "no such dataset"),
        (lambda: train.train("no/such", "out", modle="x"), "unknown key 'modle'"),
        (lambda: train.train("no/such", "out", {"max_steps": 0}), "'max_steps' is 0"),
        (lambda: train.train("no/such", "out", ["x"]), "an object of the type 'list'"),  # type: ignore[arg-type]
        (lambda: evals.evaluate("no/such", "out"), "no such dataset"),
        (lambda: evals.score_dataset("no/such", "out"), "nothing at this path"),
        (lambda: evals.score_dataset("no/such", "out", form="rhyme"), "not scored in the form 'rhyme'"),
        (lambda: loop.run_round("no/such.yaml"), "does not exist"),
    ],
)
def test_what_is_wrong_is_a_user_error(call: Callable[[], object], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=says):
        call()
    assert not list(tmp_path.iterdir())


def test_a_config_may_be_a_mapping_whose_paths_are_relative_to_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project: Project = make_project(tmp_path, reviews(20))
    as_file = prep.build_dataset(project.config, tmp_path / "file")
    monkeypatch.chdir(tmp_path)
    config = {"name": "mine", "sources": [{"path": Path("rows.jsonl")}], "templates": [{"path": "mine.jinja"}]}
    for given in (config, prep.BuildConfig.model_validate({**config, "sources": [{"path": "rows.jsonl"}]})):
        built = prep.build_dataset(given, "mapping")
        assert built.to_polars().equals(as_file.to_polars())
        assert built.manifest.key == as_file.manifest.key and built.manifest.config_path == ""
    assert built.cached
    with pytest.raises(UserError, match="built from Python, without a config file"):
        import_module("prep.fixes.fixing").find_config(Path("mapping"), None)


def test_keys_of_a_mapping_are_text_as_in_a_file(tmp_path: Path) -> None:
    rows = [{**row, "label": index % 2} for index, row in enumerate(reviews(20))]
    project = make_project(tmp_path, rows)
    config = {"sources": [{"path": project.folder / "rows.jsonl"}], "templates": [{"path": project.folder / "mine.jinja"}]}
    built = prep.build_dataset({"name": "mine", **config, "labels": {0: "positive", 1: "negative"}}, tmp_path / "out")
    assert built.manifest.rows.kept == 20


def test_tables_for_notebooks_are_escaped_and_masked(tmp_path: Path) -> None:
    html = html_table("<b>title</b>", ("a<b",), [("<script>alert(1)</script>\x1b[2J",), (1234,), (None,)], ["note <i>"])
    assert "<script>" not in html and "<b>title" not in html and "<i>" not in html and "\x1b" not in html and "1,234" in html
    chats = [{"prompt": f"Write to jane.doe{index}@mail.com about <b>it</b>.", "completion": "Yes."} for index in range(3)]
    shown = prep.lint_dataset(pl.DataFrame(chats), name="<i>chats", select="PII,DUP")
    assert shown.diagnostics and "&lt;i&gt;chats" in shown._repr_html_()
    assert "jane.doe" not in shown._repr_html_() + str(shown.to_polars().to_dicts())


def test_a_missing_extra_is_named() -> None:
    with pytest.raises(UserError, match="needs the 'train' extra"), library_call():
        raise ModuleNotFoundError("No module named 'torch'", name="torch")
    with pytest.raises(ModuleNotFoundError), library_call():
        raise ModuleNotFoundError("No module named 'other'", name="other")
