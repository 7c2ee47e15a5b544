import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from loopwright.errors import UserError
from prep.cli.app import app
from prep.fixes.drafts import load_drafts
from tests.prep.helpers import Project, make_project, reviews


def prep(*arguments: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", "from prep.cli.app import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200", **environment})


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path, [*reviews(30), {"text": "No label."}, reviews(1)[0]])


def test_build_prints_one_json_object_and_everything_else_to_stderr(project: Project) -> None:
    done = prep("build", project.config, "--out", project.out, "--json")
    result: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 0
    assert {"out", "read", "kept", "dropped", "examples", "splits", "outputs"} <= result.keys()
    assert (result["read"], result["kept"], result["dropped"]) == (32, 31, {"missing_field": 1})
    assert result["read"] == result["kept"] + sum(result["dropped"].values())
    assert sum(result["splits"].values()) == result["examples"] == 31
    assert "dropped 1: missing_field" in done.stderr
    assert "nothing has changed" in prep("build", project.config, "--out", project.out).stderr


def test_bad_input_exits_2_without_a_traceback_and_prints_no_result(project: Project) -> None:
    project.configure(sources=[{"path": "none.csv"}, {"path": "no.csv"}])
    done = prep("build", project.config, "--out", project.out, "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("error: ") == 2 and "Traceback" not in done.stderr
    assert not project.out.exists()
    assert prep("build", project.folder / "none.yaml", "--out", project.out).returncode == 2


def test_strict_exits_2(project: Project) -> None:
    done = prep("build", project.config, "--out", project.out, "--strict")
    assert done.returncode == 2 and "rows.jsonl:31: missing_field" in done.stderr


def test_init_prints_the_config_that_it_wrote(project: Project) -> None:
    done = prep("init", project.folder / "rows.jsonl")
    assert done.stdout == f"{project.folder / 'rows.yaml'}\n"
    assert prep("build", done.stdout.strip(), "--out", project.out).returncode == 0
    assert prep("init", project.folder / "rows.jsonl").returncode == 2


def test_show_prints_examples_and_their_tokens(project: Project, tiny_model_dir: Path) -> None:
    # In this process: each of its own would load the tokenizer library for seconds.
    project.build()
    run = CliRunner().invoke
    assert "The soup number" in run(app, ["show", str(project.out)]).stdout
    shown = json.loads(run(app, ["show", str(project.out), "--tokens", str(tiny_model_dir), "-n", "2", "--json"]).stdout)
    assert len(shown) == 2 and [token["trained"] for token in shown[0]["tokens"]][:2] == [False, True]
    assert isinstance(run(app, ["show", str(project.out), "--tokens", "nonsense"]).exception, UserError)


def test_templates_are_listed_and_shown_with_their_plan(project: Project) -> None:
    listed = json.loads(prep("templates", "list", "--json").stdout)
    assert {"name": "reviews/sentiment", "forms": ["chat", "verbalizer"]}.items() <= {one["name"]: one for one in listed}[
        "reviews/sentiment"
    ].items()
    assert prep("templates", "show", "reviews/sentiment").stdout.startswith("---\nname: reviews/sentiment")
    assert prep("templates", "show", "reviews/sentiment", "--plan").stdout == "reviews/sentiment: compiled\n"
    assert "calls/summary: fallback, because the input 'turns'" in prep("templates", "show", "calls/summary", "--plan").stdout
    assert "mine/sentiment: compiled" in prep("templates", "show", project.folder / "mine.jinja", "--plan").stdout
    assert prep("templates", "show", "reviews/sentimnt").returncode == 2


def test_fixes_are_proposed_edited_applied_and_built(project: Project) -> None:
    project.build()
    drafts, table = project.folder / "drafts.jsonl", project.folder / "drafts.csv"
    done = prep("fix", "propose", project.out, "--out", drafts, "--json")
    assert json.loads(done.stdout)["drafts"] == len(load_drafts(drafts)) > 0
    assert prep("fix", "edit", drafts, "--to-csv", table).stdout == f"{table}\n"
    assert table.stat().st_mode & 0o777 == 0o600
    table.write_text(table.read_text().replace(",no,drop,", ",yes,drop,"))
    assert prep("fix", "edit", drafts, "--from-csv", table).returncode == 0
    applied = json.loads(prep("fix", "apply", drafts, project.config, "--json").stdout)["applied"]
    assert applied == 1
    assert json.loads(prep("build", project.config, "--out", project.out, "--json").stdout)["dropped"] == {
        "fix_drop": 1,
        "missing_field": 1,
    }
    editor = project.write("editor.sh", "#!/bin/sh\nexit 0\n")
    editor.chmod(0o700)
    assert prep("fix", "edit", drafts, EDITOR=str(editor), VISUAL="").returncode == 0


def test_help_is_there_for_every_command_and_loads_nothing_heavy() -> None:
    program = (
        "import sys\nsys.argv = ['prep', '--help']\nfrom prep.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'polars', 'transformers', 'torch', 'jinja2', 'datasets', 'pydantic'} & set(sys.modules)\nassert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in (
        ("init",),
        ("build",),
        ("show",),
        ("lint",),
        ("templates", "list"),
        ("templates", "show"),
        ("templates", "check"),
        ("templates", "new"),
        ("templates", "import", "promptsource"),
        ("fix", "propose"),
        ("fix", "edit"),
        ("fix", "apply"),
    ):
        assert "Usage" in prep(*command, "--help").stdout
