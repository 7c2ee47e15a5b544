"""Lint uses a model's chat template as the dataset's config says."""

import json
import shutil
from pathlib import Path
from typing import Any

from prep.lint.run import LintOptions, lint
from tests.conftest import CHATML, make_tokenizer
from tests.helpers import write_dataset

REFUSES_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + CHATML
DATED = "{{ strftime_now('%d %b %Y') }}" + CHATML
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hm"}, {"role": "assistant", "content": "Yes?"}]


def findings(tmp_path: Path, model_dir: Path, template: str, **chat_template: Any) -> dict[str, str]:
    """Code -> message of what lint says of a dataset with such a config under such a model."""
    data, model = tmp_path / f"data {len(chat_template)}", tmp_path / f"model {len(chat_template)}"
    write_dataset(data, [{"messages": MESSAGES}])
    manifest = json.loads((data / "manifest.json").read_text())
    manifest["config"]["chat_template"] = chat_template
    (data / "manifest.json").write_text(json.dumps(manifest))
    shutil.copytree(model_dir, model)
    make_tokenizer(template).save_pretrained(model)
    report = lint(data, options=LintOptions(model=str(model)))
    return {one.code: one.message for one in report.diagnostics}


def test_a_system_message_that_the_chat_template_refuses_is_found_until_it_is_folded(tmp_path: Path, tiny_model_dir: Path) -> None:
    plain = findings(tmp_path, tiny_model_dir, REFUSES_SYSTEM)
    assert any("System role not supported" in message for message in plain.values())
    folded = findings(tmp_path, tiny_model_dir, REFUSES_SYSTEM, fold_system=True)
    assert not any("System role not supported" in message for message in folded.values())


def test_a_chat_template_that_asks_the_clock_is_found_until_the_config_names_a_day(tmp_path: Path, tiny_model_dir: Path) -> None:
    assert "strftime_now" in findings(tmp_path, tiny_model_dir, DATED)["TPL904"]
    assert "TPL904" not in findings(tmp_path, tiny_model_dir, DATED, date="2026-01-31")
