"""What is run of `prep`: builds, lint and the tools around them, over samples, corpora and cases."""

from collections.abc import Callable, Iterable
from pathlib import Path

from checkouts.inputs import Inputs
from checkouts.side import Shell, Task
from checkouts.variants import CONFIGS, LINTED_FILES, VALIDATED_FILES

TARGETS = ("openai", "azure", "together", "fireworks", "trl", "llamafactory", "axolotl", "hf")
_FILE_TARGETS = ("openai", "trl", "llamafactory", "hf")
_VALIDATED_FOLDERS = frozenset({"formats", "chat", "preference"})
_EXPORTED_FILES = frozenset({"dpo_en_demo", "glaive_toolcall_en_demo", "kto_en_demo", "alpaca_zh_demo", "reason_tool_use_demo_50"})
_FIXED_SAMPLES = frozenset({"reviews", "legal"})
# A corpus, and the file that is taken for its later rows.
_DRIFT = {
    "banking77_train": "banking77_test.csv",
    "tweetsumm_train": "tweetsumm_validation.csv",
    "csl_title_dev": "csl_title_test.tsv",
}
_RAW = frozenset({".csv", ".tsv", ".jsonl", ".parquet", ".zst", ".txt", ".json"})
_NUM_CASE_ROWS = 2000
# The dictionary that this rule loads takes longer than all else in a small file; it is looked at in samples and whole corpora.
_QUICK = ("--ignore", "GRM951")


def data_tasks(inputs: Inputs) -> list[Task]:
    """Returns all tasks of `prep`, each after those that it needs."""
    tasks = [*_sample_tasks(inputs), *_foreign_tasks(inputs), *_variant_tasks(inputs), *_library_tasks(inputs)]
    if inputs.data is not None and inputs.heads is not None:
        tasks += _corpus_tasks(inputs.data, inputs.heads)
    if inputs.cases is not None:
        tasks += _case_tasks(inputs.cases)
    return tasks


def _sample_tasks(inputs: Inputs) -> Iterable[Task]:
    for config in sorted(inputs.samples.glob("*/*.yaml")):
        name, folder = f"sample-{config.parent.name}", config.parent
        needs = (f"build/{name}",)
        raw = next(path.name for path in sorted(folder.iterdir()) if path.suffix in _RAW and path.name not in _NO_ROWS)
        yield Task("build", name, _build_sample(folder.name, config.name), (folder,))
        yield Task("lint", name, _lint_sample(name, folder.name, raw), (folder, inputs.model), needs)
        if folder.name == "reviews":
            yield Task("lint", f"{name}-formats", _lint_formats(name), (), needs)
            yield Task("tools", f"{name}-preview", _preview, (), needs)
        yield Task("tools", f"{name}-export", _export(f"build/{name}/ds"), (), needs)
        yield Task("tools", f"{name}-propose", _propose(f"build/{name}/ds"), (inputs.model,), needs)
        if folder.name in _FIXED_SAMPLES:
            yield Task("tools", f"{name}-fix", _fix(folder.name, config.name), (folder,))
        yield Task("tools", f"{name}-look", _look(name, folder.name, raw), (folder, inputs.model), needs)


_NO_ROWS = frozenset({"answer_key.jsonl", "holdout.jsonl"})


def _build_sample(folder: str, config: str) -> Callable[[Shell], None]:
    def run(shell: Shell) -> None:
        shell("build", "prep", "build", f"@input/{folder}/{config}", "--out", "@ds", "--json", stdout="json")
        shell("again", "prep", "build", f"@input/{folder}/{config}", "--out", "@ds", "--json", stdout="json")
        shell("init", "prep", "init", f"@input/{folder}", "--out", "@init.yaml")

    return run


def _lint_sample(name: str, folder: str, raw: str) -> Callable[[Shell], None]:
    """The counts come from the report that the first command keeps in the cache."""

    def run(shell: Shell) -> None:
        arguments = (f"build/{name}/ds", "--model", "@input/model")
        shell("built", "prep", "lint", *arguments, "--format", "json", stdout="lint.json")
        shell("statistics", "prep", "lint", *arguments, "--statistics", "--format", "json", stdout="json")
        shell("raw", "prep", "lint", f"@input/{folder}/{raw}", "--format", "json", stdout="lint.json")

    return run


def _lint_formats(name: str) -> Callable[[Shell], None]:
    """Every way in which a report is printed, a baseline, and the scores of ranked rows."""

    def run(shell: Shell) -> None:
        ds = f"build/{name}/ds"
        shell("scores", "prep", "lint", ds, "--scores", "@scores.parquet", "--format", "json", "--out", "@report.json")
        shell("baseline", "prep", "lint", ds, "--baseline", "@report.json", "--select", "CON,DUP", "--format", "json", stdout="lint.json")
        shell("text", "prep", "lint", ds)
        shell("sarif", "prep", "lint", ds, "--format", "sarif")
        shell("github", "prep", "lint", ds, "--format", "github", "--fail-on", "never")
        shell("html", "prep", "lint", ds, "--format", "html", "--out", "@report.html")

    return run


def _propose(dataset: str) -> Callable[[Shell], None]:
    def run(shell: Shell) -> None:
        arguments = ("--model", "@input/model", "--out", "@drafts.jsonl", "--json")
        shell("propose", "prep", "fix", "propose", dataset, *arguments, stdout="json")

    return run


def _fix(folder: str, config: str) -> Callable[[Shell], None]:
    """Fixes of all kinds, on a copy of the sample: drafts, their table, what is applied, `lint --fix`, and the builds that follow."""

    def run(shell: Shell) -> None:
        told = f"@input/{folder}/{config}"
        shell("build", "prep", "build", told, "--out", "@ds", "--json", stdout="json")
        shell("propose", "prep", "fix", "propose", "@ds", "--out", "@drafts.jsonl", "--json", stdout="json")
        shell("diff", "prep", "lint", "@ds", "--config", told, "--diff", "--unsafe-fixes")
        shell("apply", "prep", "fix", "apply", "@drafts.jsonl", told, "--safe", "--json", stdout="json")
        shell("build_applied", "prep", "build", told, "--out", "@applied", "--json", stdout="json")
        shell("fix", "prep", "lint", "@ds", "--config", told, "--fix", "--unsafe-fixes", "--format", "json", stdout="lint.json")
        shell("compare", "prep", "diff", "@applied", "@ds", "--json", stdout="json")

    return run


def _export(dataset: str, targets: tuple[str, ...] = TARGETS) -> Callable[[Shell], None]:
    def run(shell: Shell) -> None:
        for target in targets:
            label = f"export_{target}"
            if shell(label, "prep", "export", dataset, "--target", target, "--out", f"@{target}", "--json", stdout="json"):
                continue
            for file in [*shell.files(f"{target}/*train*.jsonl"), *shell.files(f"{target}/data/train*.parquet")][:1]:
                shell(f"validate_{target}", "prep", "validate", file, "--target", target, "--format", "json", stdout="json")

    return run


def _look(name: str, folder: str, raw: str) -> Callable[[Shell], None]:
    def run(shell: Shell) -> None:
        ds = f"build/{name}/ds"
        shell("show", "prep", "show", ds, "-n", 50, "--json", stdout="json")
        shell("show_tokens", "prep", "show", ds, "-n", 20, "--tokens", "@input/model", "--json", stdout="json")
        shell("show_text", "prep", "show", ds, "-n", 3)
        shell("drift", "prep", "drift", ds, f"@input/{folder}/{raw}", "--json", stdout="json")
        if shell.path(f"input/{folder}/holdout.jsonl").exists():
            shell("drift_holdout", "prep", "drift", ds, f"@input/{folder}/holdout.jsonl", "--json", stdout="json")

    return run


def _preview(shell: Shell) -> None:
    """What an edited template would change, and what is published of a dataset."""
    dataset = "build/sample-reviews/ds"
    shell("template", "prep", "templates", "show", "reviews/sentiment")
    text = shell.path("template.stdout.txt").read_text(encoding="utf-8")
    shell.path("edited.jinja").write_text(text.replace("Answer with one word", "Say one word"), encoding="utf-8")
    shell("check", "prep", "templates", "check", "@edited.jinja", "--json", stdout="json")
    shell("preview", "prep", "show", dataset, "--diff", "--template", "@edited.jinja", "-n", 5, "--json", stdout="json")
    shell("push", "prep", "push", dataset, "--to", f"./{shell.at}/pushed", "--json", stdout="json")


def _foreign_tasks(inputs: Inputs) -> Iterable[Task]:
    def lint(shell: Shell) -> None:
        train, test = "@input/foreign/train.jsonl", "@input/foreign/test.jsonl"
        shell("train", "prep", "lint", train, "--format", "json", stdout="lint.json")
        shell("with_test", "prep", "lint", train, "--test", test, "--model", "@input/model", "--format", "json", stdout="lint.json")

    def tools(shell: Shell) -> None:
        for target in TARGETS:
            command = ("validate", "@input/foreign/train.jsonl", "--validation", "@input/foreign/test.jsonl", "--target", target)
            shell(f"validate_{target}", "prep", *command, "--format", "json", stdout="json")

    yield Task("lint", "sample-foreign", lint, (inputs.samples / "foreign", inputs.model))
    yield Task("tools", "sample-foreign", tools, (inputs.samples / "foreign",))


def _variant_tasks(inputs: Inputs) -> Iterable[Task]:
    def build(shell: Shell) -> None:
        for name in CONFIGS:
            shell(f"build_{name}", "prep", "build", f"@input/variants/{name}.yaml", "--out", f"@{name}", "--json", stdout="json")

    def show(shell: Shell) -> None:
        for name in CONFIGS:
            arguments = (f"build/variants/{name}", "-n", 60, "--tokens", "@input/model", "--json")
            shell(f"show_{name}", "prep", "show", *arguments, stdout="json")

    def lint(shell: Shell) -> None:
        for name in CONFIGS:
            shell(f"built_{name}", "prep", "lint", f"build/variants/{name}", *_QUICK, "--format", "json", stdout="lint.json")

    def lint_raw(shell: Shell) -> None:
        for name in LINTED_FILES:
            shell(f"raw_{name}", "prep", "lint", f"@input/variants/{name}", *_QUICK, "--format", "json", stdout="lint.json")

    def tools(shell: Shell) -> None:
        for name in VALIDATED_FILES:
            for target in TARGETS:
                arguments = (f"@input/variants/{name}", "--target", target, "--format", "json")
                shell(f"validate_{target}_{name}", "prep", "validate", *arguments, stdout="json")

    yield Task("build", "variants", build, (inputs.variants, inputs.model))
    yield Task("lint", "variants", lint, (), ("build/variants",))
    yield Task("lint", "variants-raw", lint_raw, (inputs.variants,))
    yield Task("tools", "variants", tools, (inputs.variants,))
    yield Task("tools", "variants-show", show, (inputs.model,), ("build/variants",))
    for name in ("tools", "pairs"):
        yield Task("tools", f"variants-export-{name}", _export(f"build/variants/{name}"), (), ("build/variants",))


def _library_tasks(inputs: Inputs) -> Iterable[Task]:
    def run(shell: Shell) -> None:
        shell("templates", "prep", "templates", "list", "--json", stdout="json")
        shell("rules", "prep", "rule")
        if shell.path("input/promptsource").exists():
            shell(
                "import",
                "prep",
                "templates",
                "import",
                "promptsource",
                "@input/promptsource",
                "--out",
                "@imported",
                "--json",
                stdout="json",
            )

    sources = () if inputs.data is None else tuple(sorted(inputs.data.glob("templates/promptsource")))
    yield Task("tools", "library", run, sources)


def _corpus_tasks(data: Path, heads: Path) -> Iterable[Task]:
    """The config that `prep init` guesses, its build of the whole file, and lint of the first rows as they are and built."""
    for path in sorted(data.glob("*/*")):
        if path.is_dir():
            continue
        name, beginning = f"data-{path.parent.name}-{path.stem}", heads / path.relative_to(data)
        yield Task("build", name, _build_corpus(path.name), (path,))
        yield Task("lint", name, _lint_corpus(path.name, not _is_sibling(path)), (beginning,))
        if path.parent.name in _VALIDATED_FOLDERS:
            yield Task("tools", f"{name}-validate", _validate(path.name), (path,))
        if path.stem in _DRIFT:
            later, needs = path.with_name(_DRIFT[path.stem]), (f"build/{name}",)
            yield Task("tools", f"{name}-drift", _drift(f"build/{name}/ds", later.name), (later,), needs)
        if path.stem in _EXPORTED_FILES:
            yield Task("tools", f"{name}-export", _export(f"build/{name}/ds", _FILE_TARGETS), (), (f"build/{name}",))


def _is_sibling(path: Path) -> bool:
    """Says whether another file of the folder is of the same kind, so that its built rows say the same of lint."""
    return path.stem.endswith(("_validation", "_test", "_zh_demo")) or path.stem in {"tldrlegal_v1", "v1_dpo_demo", "identity"}


def _build_corpus(file: str) -> Callable[[Shell], None]:
    def run(shell: Shell) -> None:
        shell("init", "prep", "init", f"@input/{file}", "--out", "@c.yaml")
        shell("build", "prep", "build", "@c.yaml", "--out", "@ds", "--json", stdout="json")

    return run


def _lint_corpus(file: str, built_too: bool) -> Callable[[Shell], None]:
    def run(shell: Shell) -> None:
        shell("raw", "prep", "lint", f"@input/{file}", *_QUICK, "--format", "json", stdout="lint.json")
        if built_too and shell("init", "prep", "init", f"@input/{file}", "--out", "@c.yaml") == 0:
            shell("build", "prep", "build", "@c.yaml", "--out", "@ds", "--json", stdout="json")
            shell("built", "prep", "lint", "@ds", "--format", "json", stdout="lint.json")

    return run


def _drift(dataset: str, later: str) -> Callable[[Shell], None]:
    def run(shell: Shell) -> None:
        shell("drift", "prep", "drift", dataset, f"@input/{later}", "--json", stdout="json")

    return run


def _validate(file: str) -> Callable[[Shell], None]:
    def run(shell: Shell) -> None:
        for target in _FILE_TARGETS:
            shell(target, "prep", "validate", f"@input/{file}", "--target", target, "--format", "json", stdout="json")

    return run


def _case_tasks(cases: Path) -> Iterable[Task]:
    """Every config of a case built and its dataset linted; files that no config of the case reads as a beginner would take them."""
    for folder in sorted(path for path in cases.iterdir() if path.name.startswith("F") and path.is_dir()):
        configs = sorted(path.name for path in folder.glob("*.yaml"))
        told = " ".join((folder / name).read_text() for name in configs)
        files = sorted(path.name for path in folder.iterdir() if path.suffix in _RAW)
        loose = [name for name in files if name not in told]
        yield Task("build", f"case-{folder.name}", _build_case(folder.name, configs, loose), (folder,))
        names = [Path(name).stem for name in (*configs, *loose)]
        lint = _lint_case(f"build/case-{folder.name}", folder.name, names, [name for name in files if not name.endswith(".zst")])
        yield Task("lint", f"case-{folder.name}", lint, (), (f"build/case-{folder.name}",))


def _build_case(folder: str, configs: list[str], loose: list[str]) -> Callable[[Shell], None]:
    def run(shell: Shell) -> None:
        for name in loose:
            shell(f"init_{name}", "prep", "init", f"@input/{folder}/{name}", "--out", f"@input/{folder}/{Path(name).stem}.yaml")
        for name in (*configs, *(f"{Path(name).stem}.yaml" for name in loose)):
            arguments = ("--out", f"@ds_{Path(name).stem}", "--limit", _NUM_CASE_ROWS, "--json")
            shell(f"build_{name}", "prep", "build", f"@input/{folder}/{name}", *arguments, stdout="json")

    return run


def _lint_case(at: str, folder: str, names: list[str], files: list[str]) -> Callable[[Shell], None]:
    def run(shell: Shell) -> None:
        for name in names:
            if (shell.side.folder / at / f"ds_{name}/manifest.json").exists():
                shell(f"built_{name}", "prep", "lint", f"{at}/ds_{name}", *_QUICK, "--format", "json", stdout="lint.json")
        for name in files:
            shell(f"raw_{name}", "prep", "lint", f"{at}/input/{folder}/{name}", *_QUICK, "--format", "json", stdout="lint.json")

    return run
