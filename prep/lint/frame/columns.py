"""What is added to the rows as they were read: their task and body, keys by which texts are compared, and what each task's rows share."""

from pathlib import Path

import polars as pl

from loopwright.errors import UserError
from prep.lint.frame.tasks import (
    MIN_TASK_ROWS,
    Instruction,
    asks_anything,
    canonical_tasks,
    find_instructions,
    mixed_task,
    tasks_by_shape,
    varied_body,
)
from prep.text.normalise import hash_column, normalise_expr
from templates.form import JUDGED, Form

TERMINAL = r"""[.!?\u{2026}\u{3002}\u{ff01}\u{ff1f}\u{0964}][\s"'\u{201d}\u{2019}\u{00bb})\]*_\u{300d}]*$"""
"""Ends as a sentence does: a final stop, then at most closing quotes and brackets."""

LOOKS_LIKE_JSON = r"^\s*(?:\{\s*(?:[\"}]|\w{1,40}\"\s*:|$)|\[\s*(?:[\[{\"\]0-9]|$))"
"""Begins as a JSON object or array does, whether or not it goes on as one."""

# Whole groups are held while they are written and read: of a million chats 1.3 GB instead of 1.8 with Polars' own quarter of a million.
_ROW_GROUP = 20_000
_SAMPLE_ROWS = 4_000
_SAMPLE_CHARACTERS = 4_000
_MAX_TASKS = 200
_TASKS_A_PASS = 10  # each holds up to 8,000 texts of 4,000 characters
# Answers from a fixed set: few different ones that come back, and that hold nearly all rows. The rest may be drifted, empty or refused.
_CLOSED_SHARE = 0.85
_MIN_REPEATS = 5
_MAX_CLASSES = 100
_MAX_WORD = 40
_TURN = pl.struct(
    is_system=pl.element().struct.field("role").eq_missing(pl.lit("system")),
    characters=pl.element().struct.field("content").str.len_chars().fill_null(0),
)
_WANTED = pl.when(pl.col("form") == Form.UNPAIRED).then(pl.col("answer").fill_null("")).otherwise(pl.col("answer"))
_CUT = pl.Struct({"named": pl.String, "input_body": pl.String, "around": pl.String})
# One shape is a task's own where all but the odd answer have it.
_MAJORITY = 0.8


def add_columns(frame: pl.LazyFrame, folder: Path) -> pl.LazyFrame:
    """Returns the lint frame, kept in `folder` once, so that no rule computes any of it again.

    Adds to `LINT_SCHEMA`, and to its `task`, which then is inferred:
        position: order of reading.
        input_body: the input without the constant words that the rows of its task share; inputs are compared by it.
        instruction: the system message or instruction, and those constant words: what the task says, not the row.
        turns: of each message whether it `is_system`, and its `characters`: enough to tell a place in the joined texts.
        input_key, answer_key: 128-bit hashes of the normalised texts; null where a text is empty, as nothing can be said to equal it.
        task_rows: the number of the task's rows.
        is_closed_set: whether the task's answers come from a fixed set of words.
        task_shape: "label", "json", "prose", or "mixed": what the task's answers look like.
        punctuated_share: the share of the task's answers that end in punctuation.
        median_characters: the middle length of the task's answers.

    Raises:
        UserError: the rows cannot be read.
    """
    try:
        _name_tasks(frame).sink_parquet(folder / "named.parquet", row_group_size=_ROW_GROUP)
        named = _by_shape(pl.scan_parquet(folder / "named.parquet", glob=False))
        counts = named.group_by("task").agg(pl.len().alias("rows")).filter(pl.col("rows") >= MIN_TASK_ROWS)
        keyed = (
            named.join(counts, on="task", how="left", maintain_order="left")
            .with_columns(
                task=pl.when(pl.col("rows").is_null()).then(pl.lit("")).otherwise(pl.col("task")),
                turns=pl.col("messages").list.eval(_TURN),
                input_key=_key(pl.concat_str(["context", pl.lit("\n"), "input_body"])),
                # Of an answer that nobody wants there is but the rejected one.
                answer_key=_key(pl.concat_str([_WANTED, pl.lit("\0"), pl.col("rejected").fill_null("")])),
            )
            .drop("rows", "context")
        )
        keyed.sink_parquet(folder / "keyed.parquet", row_group_size=_ROW_GROUP)
        (folder / "named.parquet").unlink()
        frame = pl.scan_parquet(folder / "keyed.parquet", glob=False)
        profile = _profile(frame).collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        raise UserError(f"the examples cannot be read: {str(error).splitlines()[0]}", "examples.parquet", "Build it again.") from error
    return frame.join(profile.lazy(), on="task", how="left")


def _name_tasks(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Adds `position`, `input_body`, `instruction` and `context` (what else decides an answer), and sets `task` by what rows share."""
    frame = frame.with_row_index("position")
    told = (
        frame.group_by(told="task")
        .agg(
            pl.len().alias("rows"),
            pl.col("system").first(),
            (pl.col("template") != "").first().alias("built"),
            pl.col("label").is_null().all().alias("free"),
        )
        .collect(engine="streaming")
    )
    canonical = canonical_tasks(told.filter(~pl.col("built")))
    tasks = {old: new for old, (new, _) in canonical.items()}
    systems = {old: system for old, (_, system) in canonical.items()}
    # A row's own system message decides its answer; a variant is replaced by the message that it varies.
    frame = frame.with_columns(
        context=pl.coalesce(pl.col("task").replace_strict(systems, default=None, return_dtype=pl.String), "system"),
        task=pl.col("task").replace(tasks),
    )
    known = told.with_columns(task=pl.col("told").replace(tasks)).group_by("task").agg(pl.col("rows").sum(), pl.exclude("rows").first())
    frequent = known.filter(pl.col("rows") >= MIN_TASK_ROWS).sort("rows", descending=True).head(_MAX_TASKS)
    instructions: dict[str, list[Instruction]] = {}
    for tasks_of_pass in frequent.iter_slices(_TASKS_A_PASS):
        instructions |= _instructions(frame, tasks_of_pass)
    unnamed = (pl.col("system") == "") | asks_anything(pl.col("system"))
    mixed = known.filter(~pl.col("built") & pl.col("free") & unnamed)["task"].to_list()
    return _with_bodies(frame, instructions).with_columns(
        task=pl.col("task").replace({task: mixed_task(task) for task in mixed if task not in instructions})
    )


def _instructions(frame: pl.LazyFrame, tasks: pl.DataFrame) -> dict[str, list[Instruction]]:
    """Returns the instructions of those tasks that have any, as one pass over the data shows them (columns `task`, `rows`, `built`)."""
    every = {row["task"]: max(row["rows"] // _SAMPLE_ROWS, 1) for row in tasks.iter_rows(named=True)}
    text, sampled_at = pl.col("input"), pl.col("task").replace_strict(every, default=None, return_dtype=pl.Int64)
    cut = (
        pl.when(text.str.len_chars() > _SAMPLE_CHARACTERS)
        .then(text.str.head(_SAMPLE_CHARACTERS // 2) + text.str.tail(_SAMPLE_CHARACTERS // 2))
        .otherwise(text)
    )
    sample = frame.filter(pl.col("task").is_in(list(every)), text != "").filter(pl.col("position") % sampled_at == 0)
    inputs = sample.select("task", cut).collect(engine="streaming").partition_by("task", as_dict=True, include_key=False)
    built = dict(tasks.select("task", "built").iter_rows())
    found = {}
    for (task,), texts in inputs.items():
        if texts.height >= MIN_TASK_ROWS:
            found[task] = find_instructions(task, texts["input"].to_list(), split=not built[task])
    return {task: instructions for task, instructions in found.items() if instructions}


def _with_bodies(frame: pl.LazyFrame, instructions: dict[str, list[Instruction]]) -> pl.LazyFrame:
    """Cuts each input to its body, and gives the row the task of the instruction that was cut."""
    if not instructions:
        return frame.with_columns(input_body="input", instruction="system")
    text, task = pl.col("input"), pl.col("task")
    plain = ~task.is_in(list(instructions))
    body: pl.Expr = pl.when(plain).then(text)
    named: pl.Expr = pl.when(plain).then(task)
    around: pl.Expr = pl.when(plain).then(pl.lit(""))
    for rank in range(max(map(len, instructions.values()))):
        at_rank = {key: found[rank] for key, found in instructions.items() if rank < len(found)}
        prefix = _of_task({key: one.prefix for key, one in at_rank.items()})
        suffix = _of_task({key: one.suffix for key, one in at_rank.items()})
        length = text.str.len_chars().cast(pl.Int64) - prefix.str.len_chars() - suffix.str.len_chars()
        holds = text.str.starts_with(prefix) & text.str.ends_with(suffix) & (length > 0)
        body = pl.coalesce(body, pl.when(holds).then(text.str.slice(prefix.str.len_chars(), length)))
        named = pl.coalesce(named, pl.when(holds).then(_of_task({key: one.task for key, one in at_rank.items()})))
        around = pl.coalesce(around, pl.when(holds).then(prefix + suffix))
    cut = pl.struct("task", "input", input_body=body, named=named, around=around).map_batches(
        lambda rows: _vary(rows, instructions), return_dtype=_CUT, is_elementwise=True
    )
    return (
        frame.with_columns(cut=cut)
        .with_columns(task=pl.col("cut").struct.field("named"), input_body=pl.col("cut").struct.field("input_body"))
        .with_columns(around=pl.col("cut").struct.field("around"))
        .with_columns(instruction=pl.concat_str("system", _BREAK, "around"))
        .drop("cut", "around")
    )


# Else the last word of the one and the first of the other would be one word, which a variant of either changes.
_BREAK = pl.when((pl.col("system") != "") & (pl.col("around") != "")).then(pl.lit("\n")).otherwise(pl.lit(""))


def _of_task(values: dict[str, str]) -> pl.Expr:
    return pl.col("task").replace_strict(values, default=None, return_dtype=pl.String)


def _vary(rows: pl.Series, instructions: dict[str, list[Instruction]]) -> pl.Series:
    """Completes the rows that no instruction fits to the letter: few are left, those in which somebody changed it."""
    frame = rows.struct.unnest()
    left = frame["input_body"].is_null()
    found = []
    for task, text in frame.filter(left).select("task", "input").iter_rows():
        varied = ((one.task, body) for one in instructions[task] if (body := varied_body(text, one)) is not None)
        named, body = next(varied, (task, text))
        found.append((named, body, text.replace(body, "", 1)))
    columns = zip(_CUT.fields, zip(*found, strict=True), strict=True) if found else ()
    places = left.arg_true()
    completed = {one.name: frame[one.name].scatter(places, list(values)) for one, values in columns}
    return frame.select(one.name for one in _CUT.fields).with_columns(**completed).to_struct(rows.name)


def _by_shape(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Divides the tasks of foreign rows whose answers are of several shapes: two tasks without a word to tell them apart."""
    rows = frame.filter((pl.col("template") == "") & ~pl.col("form").is_in(JUDGED)).with_columns(shape=_shape())
    tasks = tasks_by_shape(_closed(rows, "task", "shape").collect(engine="streaming"))
    if not tasks:
        return frame
    key = pl.concat_str("task", pl.lit("\0"), _shape())
    renamed = key.replace_strict({f"{task}\0{shape}": new for (task, shape), new in tasks.items()}, default=None, return_dtype=pl.String)
    return frame.with_columns(task=pl.coalesce(pl.when(pl.col("template") == "").then(renamed), "task"))


def _shape() -> pl.Expr:
    answer = pl.col("answer").str.strip_chars()
    return (
        pl.when(answer.str.contains(LOOKS_LIKE_JSON))
        .then(pl.lit("json"))
        .when((answer.str.len_chars() <= _MAX_WORD) & ~answer.str.contains("\n"))
        .then(pl.lit("short"))
        .otherwise(pl.lit("prose"))
    )


def _closed(frame: pl.LazyFrame, *keys: str) -> pl.LazyFrame:
    """Returns, for each value of the keys, the answered `rows` and `is_closed_set`: whether their answers are from a fixed set of words."""
    answer = pl.col("answer").str.strip_chars()
    frequent = (pl.col("count") >= _MIN_REPEATS) & (pl.col("characters") <= _MAX_WORD) & ~pl.col("json")
    num_frequent = frequent.sum()
    few = (num_frequent <= _MAX_CLASSES) & (num_frequent * _MIN_REPEATS <= pl.col("count").sum())
    return (
        frame.filter(answer != "")
        # Counted by a number of their own, not by their texts: a million different answers would all be held.
        .group_by(*keys, word=answer.str.to_lowercase().hash())
        .agg(
            pl.len().alias("count"),
            answer.str.len_chars().first().alias("characters"),
            answer.str.contains(LOOKS_LIKE_JSON).first().alias("json"),
            pl.col("label").is_not_null().all().alias("given"),
        )
        .group_by(*keys)
        .agg(
            pl.col("count").sum().alias("rows"),
            is_closed_set=pl.col("given").all() | (few & (pl.col("count").filter(frequent).sum() >= _CLOSED_SHARE * pl.col("count").sum())),
        )
    )


def _profile(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Returns what the rows of each task have in common."""
    answer = pl.col("answer")
    answered = answer.str.strip_chars() != ""
    json_share = answer.filter(answered).str.contains(LOOKS_LIKE_JSON).mean().fill_null(0.0)
    facts = frame.group_by("task").agg(
        pl.len().alias("task_rows"),
        json_share.alias("json_share"),
        answer.filter(answer != "").str.contains(TERMINAL).mean().fill_null(0.0).alias("punctuated_share"),
        answer.str.len_chars().median().fill_null(0.0).alias("median_characters"),
    )
    closed = _closed(frame.filter(~pl.col("form").is_in(JUDGED)), "task").drop("rows")
    shape = (
        pl.when("is_closed_set")
        .then(pl.lit("label"))
        .when(pl.col("json_share") >= _MAJORITY)
        .then(pl.lit("json"))
        .when(pl.col("json_share") <= 1 - _MAJORITY)
        .then(pl.lit("prose"))
        .otherwise(pl.lit("mixed"))
    )
    return (
        facts.join(closed, on="task", how="left")
        .with_columns(pl.col("is_closed_set").fill_null(False))
        .with_columns(task_shape=shape)
        .drop("json_share")
    )


def _key(text: pl.Expr) -> pl.Expr:
    normal = normalise_expr(text)
    return pl.when(normal.str.strip_chars("\0") != "").then(hash_column(normal.fill_null("")))
