"""Which rows are where, and how often: splits by time, sources and labels in proportion, templates by weight, and a look at a few."""

import json
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.errors import UserError
from prep.build.lock import build_lock
from prep.build.progress import BuildProgress
from prep.build.row_store import RowStore
from prep.build.split import smallest_difference
from prep.build.split_by_time import cut_times, parse_time
from prep.build.summary import small_split_warning
from prep.config import SplitConfig
from tests.prep.helpers import Project, contents, make_project, reviews

OTHER = """---
name: mine/other
inputs: {text: str}
---
{% text %}{{ text }}{% endtext %}"""


def splits_by(project: Project, field: str) -> dict[str, list[str]]:
    """Split -> the values of a field, in the order of the examples."""
    found: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for row in project.examples():
        found[row["split"]].append(json.loads(row["fields"])[field])
    return found


def dated(number: int) -> list[dict[str, Any]]:
    return [{**row, "day": f"2024-{index // 28 + 1:02}-{index % 28 + 1:02}"} for index, row in enumerate(reviews(number))]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-03-01", "2024-03-01 00:00:00"),
        ("2024-03-01T10:00:00Z", "2024-03-01 10:00:00"),
        ("2024-03-01T10:00:00+02:00", "2024-03-01 08:00:00"),
        (" 2024-03-01 10:00:00.25 ", "2024-03-01 10:00:00.250000"),
        ("1.3.2024", "2024-03-01 00:00:00"),
        ("1709280000", "2024-03-01 08:00:00"),
        ("1709280000000", "2024-03-01 08:00:00"),
        ("03/01/2024", None),  # March or January, nobody knows
        ("2024-13-01", None),
        ("soon", None),
    ],
)
def test_dates_are_read_where_they_are_unmistakable(text: str, moment: str | None) -> None:
    read = pl.select(parse_time(pl.lit(text)).cast(pl.Datetime("us")).cast(pl.String)).item()
    assert (read and read.removesuffix(".000000")) == moment


def test_by_time_the_oldest_rows_train_and_the_newest_test(tmp_path: Path) -> None:
    rows = dated(100)
    project = make_project(tmp_path, rows[::-1], split={"by": "time", "column": "day"})
    project.build()
    days = {row["text"]: row["day"] for row in rows}
    seen = {split: sorted(days[text] for text in texts) for split, texts in splits_by(project, "text").items()}
    assert {split: len(found) for split, found in seen.items()} == {"train": 80, "validation": 10, "test": 10}
    assert seen["train"][-1] < seen["validation"][0] <= seen["validation"][-1] < seen["test"][0]


def test_rows_without_a_date_are_dropped_with_the_reason_unless_their_source_has_a_split(tmp_path: Path) -> None:
    sources = [{"path": "rows.jsonl"}, {"path": "held.jsonl", "split": "test"}]
    project = make_project(
        tmp_path, [*dated(20), {**reviews(1, 50)[0], "day": "soon"}], sources=sources, split={"by": "time", "column": "day"}
    )
    project.write_rows(reviews(3, 60), "held.jsonl")
    result = project.build()
    assert result.manifest.rows.dropped == {"bad_date": 1}
    assert [(row["line"], row["detail"]) for row in project.dropped()] == [(21, "'day' is no date: soon")]
    assert result.manifest.splits == {"train": 16, "validation": 2, "test": 2 + 3}


@given(st.lists(st.integers(0, 30), max_size=60), st.sampled_from([(0.8, 0.1, 0.1), (1, 0, 0), (0, 0.5, 0.5), (0, 0, 1)]))
def test_rows_of_one_moment_are_never_divided(times: list[int], shares: tuple[float, float, float]) -> None:
    config = SplitConfig(by="time", column="day", train=shares[0], validation=shares[1], test=shares[2])
    first, second = cut_times(pl.Series(times, dtype=pl.Int64), config)
    assert first <= second
    assert sum(time <= first for time in times) >= round(shares[0] * len(times))
    if shares[0] == 0:
        assert not any(time <= first for time in times)


def test_a_group_and_a_cut_by_time_do_not_go_together(tmp_path: Path) -> None:
    project = make_project(tmp_path, sources=[{"path": "rows.jsonl", "group": "who"}], split={"by": "time", "column": "day"})
    with pytest.raises(UserError, match="choose one of the two"):
        project.build()


def labels(project: Project, split: str) -> Counter[str]:
    return Counter(json.loads(row["fields"])["label"] for row in project.examples() if row["split"] == split)


UNEVEN = [{**row, "label": "negative" if index % 4 else "positive"} for index, row in enumerate(reviews(400))]


def test_under_sampling_balances_train_and_leaves_evaluation_as_it_is(tmp_path: Path) -> None:
    project = make_project(tmp_path, UNEVEN)
    project.build()
    before = {split: labels(project, split) for split in ("train", "validation", "test")}
    project.configure(resample={"by": "label"})
    result = project.build()
    after = {split: labels(project, split) for split in before}
    assert after["train"] == dict.fromkeys(("negative", "positive"), before["train"]["positive"])
    assert (after["validation"], after["test"]) == (before["validation"], before["test"])
    assert result.manifest.rows.dropped == {"resampled": before["train"]["negative"] - before["train"]["positive"]}


def test_over_sampling_renders_rare_rows_again_under_ids_of_their_own(tmp_path: Path) -> None:
    project = make_project(tmp_path, UNEVEN, resample={"by": "label", "how": "over"})
    result = project.build()
    counts = labels(project, "train")
    assert counts["positive"] == counts["negative"]
    rows = project.examples()
    assert len({row["id"] for row in rows}) == len(rows) > result.manifest.rows.kept == 400
    times = Counter(row["row_id"] for row in rows if row["split"] == "train" and row["label"] == 1)
    assert max(times.values()) - min(times.values()) <= 1  # spread evenly
    lines = [json.loads(line)["id"] for line in (project.out / "verbalizer/train.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines == [row["id"] for row in rows if row["split"] == "train"]


def test_a_named_share_is_kept_against_all_other_values(tmp_path: Path) -> None:
    project = make_project(tmp_path, UNEVEN, resample={"by": "label", "to": {"positive": 0.1}})
    project.build()
    counts = labels(project, "train")
    assert counts["positive"] / counts.total() == pytest.approx(0.1, abs=0.005)


def test_sources_stand_in_the_proportion_of_their_weights(tmp_path: Path) -> None:
    sources = [{"path": "rows.jsonl", "weight": 3}, {"path": "b.jsonl", "weight": 1}, {"path": "c.jsonl"}]
    project = make_project(tmp_path, reviews(300), sources=sources, split={"train": 1, "validation": 0, "test": 0})
    project.write_rows(reviews(200, 300), "b.jsonl")
    project.write_rows(reviews(7, 900), "c.jsonl")
    result = project.build()
    assert Counter(row["source"] for row in project.examples()) == {"rows.jsonl": 300, "b.jsonl": 100, "c.jsonl": 7}
    assert result.manifest.rows.dropped == {"mixture": 100}
    kept = {row["row_id"] for row in project.examples()}
    project.write_rows(reviews(310), "rows.jsonl")  # the mixture moves a little with it, and does not choose anew
    project.build()
    assert len(kept - {row["row_id"] for row in project.examples()}) == 0


def test_with_weights_each_row_goes_through_one_template(tmp_path: Path) -> None:
    templates = [{"path": "mine.jinja", "weight": 3}, {"path": "other.jinja"}]
    project = make_project(tmp_path, reviews(400), templates=templates)
    project.write("other.jinja", OTHER)
    result = project.build()
    rows = project.examples()
    assert len(rows) == len({row["row_id"] for row in rows}) == result.manifest.rows.kept == 400
    share = Counter(row["template"] for row in rows)["mine/sentiment"] / 400
    assert 0.68 < share < 0.82
    drawn = {row["row_id"]: row["template"] for row in rows}
    project.write_rows(reviews(500))
    project.build()
    assert all(drawn.get(row["row_id"], row["template"]) == row["template"] for row in project.examples())


def test_the_map_of_clusters_says_who_left_because_of_whom(tmp_path: Path) -> None:
    rows = reviews(30)
    project = make_project(tmp_path, [*rows, rows[3], rows[3]], dedup={"exact": True})
    project.build()
    clusters = pl.read_parquet(project.out / "clusters.parquet").to_dicts()
    (survivor,) = {row["row_id"] for row in project.examples() if row["line"] == 4}
    assert [(row["row_id"], row["survivor"], row["similarity"], row["reason"]) for row in clusters] == [
        (f"{survivor}-{number}", survivor, 1.0, "duplicate") for number in (2, 3)
    ]


def test_a_limit_reads_the_first_rows_of_each_file(tmp_path: Path) -> None:
    from prep.build.run import build

    project = make_project(tmp_path, [{"text": "No label."}, *reviews(100)], sources=[{"path": "rows.jsonl"}, {"path": "b.jsonl"}])
    project.write_rows(reviews(50, 200), "b.jsonl")
    result = build(project.config, project.out, limit=10)
    assert (result.manifest.rows.read, result.manifest.rows.kept) == (20, 19)
    assert not build(project.config, project.out).cached  # a look is not the dataset
    assert len(project.examples()) == 150


def test_two_builds_to_one_folder_do_not_run_at_once(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    left = tmp_path / ".out.new-killed"
    left.mkdir()
    with build_lock(project.out), pytest.raises(UserError, match="another build to this folder is at work"):
        project.build()
    project.build()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_of_many_who_want_the_lock_one_at_a_time_has_it(tmp_path: Path) -> None:
    inside, seen, refused = [0], [], []

    def work() -> None:
        for _ in range(50):
            try:
                with build_lock(tmp_path / "out"):
                    inside[0] += 1
                    seen.append(inside[0])
                    inside[0] -= 1
            except UserError:
                refused.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) == {1} and len(seen) + len(refused) == 200


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=5), max_size=6), st.booleans())
def test_copies_are_numbered_over_the_borders_of_frames(batches: list[list[str]], spills: bool) -> None:
    import tempfile

    import prep.build.row_store

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        if spills:
            patch.setattr(prep.build.row_store, "_MEMORY_BYTES", 0)
            patch.setattr(prep.build.row_store, "_FRAME_ROWS", 2)
        store = RowStore(Path(folder), ["text"])
        for ids in batches:
            store.append(store.align(pl.DataFrame({"#row_id": pl.Series(ids, dtype=pl.String)})))
        seen: Counter[str] = Counter()
        expected = []
        for row_id in (one for ids in batches for one in ids):
            seen[row_id] += 1
            expected.append(row_id if seen[row_id] == 1 else f"{row_id}-{seen[row_id]}")
        assert [row_id for frame in store.frames() for row_id in frame["#row_id"]] == expected
        assert store.lazy().select("#row_id").collect()["#row_id"].to_list() == expected


def test_rows_in_files_build_to_the_same_bytes_as_rows_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import prep.build.row_store

    rows = [*reviews(200), *reviews(20), {"text": "x"}]
    project = make_project(tmp_path, rows, dedup={"exact": True, "near": 0.9}, resample={"by": "label"})
    project.build()
    in_memory = contents(project.out)
    monkeypatch.setattr(prep.build.row_store, "_MEMORY_BYTES", 0)
    project.build(tmp_path / "again")
    in_files = contents(tmp_path / "again")
    # Row groups of the two differ; what is in them does not.
    assert {name: data for name, data in in_files.items() if name not in {"examples.parquet", "manifest.json"}} == {
        name: data for name, data in in_memory.items() if name not in {"examples.parquet", "manifest.json"}
    }
    assert project.examples() == project.examples(tmp_path / "again")


SHOTS = """---
name: mine/shown
inputs: {text: str, label: str}
shots: 2
verbalizer: {negative: bad, positive: good}
---
{% prompt %}
{% for shot in shots %}{{ shot.text }} = {{ shot.label | verbalize }}
{% endfor %}{{ text }} ={% endprompt %}
{% target %} {{ label | verbalize }}{% endtarget %}"""


def test_demonstrations_come_from_train_and_are_never_the_row(tmp_path: Path) -> None:
    words = ["soup", "bread", "waiter", "music", "table", "window", "wine", "bill", "garden", "plate", "spoon", "lamp"]
    rows = [{"text": f"The {one} by the {other} pleased us.", "label": "positive"} for one in words for other in words if one != other]
    project = make_project(tmp_path, rows, templates=[{"path": "shown.jinja", "shots": 3}])
    project.write("shown.jinja", SHOTS)
    result = project.build()
    assert result.paths == {"mine/shown": "fallback"}
    train = set(splits_by(project, "text")["train"])
    for row in project.examples():
        *shown, asked = row["prompt"].split("\n")
        texts = {line.removesuffix(" = good") for line in shown}
        assert len(texts) == 3 and texts <= train and asked.removesuffix(" =") not in texts
    first = {row["id"]: row["prompt"] for row in project.examples()}
    project.build(tmp_path / "again")
    assert {row["id"]: row["prompt"] for row in project.examples(tmp_path / "again")} == first


def test_rows_for_which_there_are_too_few_demonstrations_are_dropped_with_the_reason(tmp_path: Path) -> None:
    rows = [{"text": f"Room {number}.", "label": "positive"} for number in range(2)]
    project = make_project(tmp_path, rows, templates=[{"path": "shown.jinja"}, {"name": "general/text"}])
    project.write("shown.jinja", SHOTS)
    assert project.build().not_rendered == {"mine/shown": {"too_few_shots": 2}}


def test_a_long_field_becomes_pieces_with_ids_of_their_own(tmp_path: Path, tiny_model_dir: Path) -> None:
    long = " ".join(f"The guest at table {number} was pleased." for number in range(40))
    config = {"templates": [{"name": "general/text"}], "model": str(tiny_model_dir), "chunk": {"field": "text", "tokens": 60}}
    project = make_project(tmp_path, [{"text": long}, {"text": "Short."}], **config)
    result = project.build()
    rows = project.examples()
    pieces = [row for row in rows if row["line"] == 1]
    assert result.manifest.rows.kept == 2 and len(pieces) > 3
    assert [row["id"].rsplit("/", 1)[1] for row in pieces] == [str(number) for number in range(len(pieces))]
    assert len({row["split"] for row in pieces}) == 1
    assert " ".join(row["text"] for row in pieces) == long


def test_a_field_that_is_no_text_is_not_cut(tmp_path: Path, tiny_model_dir: Path) -> None:
    project = make_project(
        tmp_path,
        [{"turns": [{"speaker": "customer", "text": "Hello."}]}],
        templates=[{"name": "calls/next_turn"}],
        model=str(tiny_model_dir),
        chunk={"field": "turns", "tokens": 60},
    )
    with pytest.raises(UserError, match=r"chunk\.field: template 'calls/next_turn' takes 'turns' as turns, which cannot be cut"):
        project.build()


@pytest.mark.parametrize(("num_rows", "smallest"), [(0, 1.0), (100, 0.125), (10_000, 0.0125)])
def test_a_small_split_shows_large_differences_only(num_rows: int, smallest: float) -> None:
    assert smallest_difference(num_rows) == pytest.approx(smallest, abs=0.0005)
    warning = small_split_warning({"train": 9, "validation": 0, "test": num_rows})
    assert (warning is not None) == (num_rows == 100)


def test_templates_keep_their_shares_among_the_rows_that_a_mixture_keeps(tmp_path: Path) -> None:
    # Both are drawn by the row's id: from one draw, the rows that stay would all go through the first template.
    templates = [{"path": "mine.jinja", "weight": 1}, {"path": "other.jinja", "weight": 1}]
    rows = [{**row, "label": "negative" if index % 8 else "positive"} for index, row in enumerate(reviews(1600))]
    project = make_project(tmp_path, rows, templates=templates, resample={"by": "label"}, split={"train": 1, "validation": 0, "test": 0})
    project.write("other.jinja", OTHER.replace("inputs: {text: str}", "inputs: {text: str, label: str}"))
    project.build()
    drawn = Counter(row["template"] for row in project.examples() if json.loads(row["fields"])["label"] == "negative")
    assert drawn.total() == 200 and 75 < drawn["mine/other"] < 125


def test_load_dataset_sees_that_a_dataset_was_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datasets import load_dataset

    from prep.build.run import build

    project = make_project(tmp_path, reviews(60))
    sizes = []
    for limit in (20, 60):
        build(project.config, project.out, limit=limit)
        rows = load_dataset(str(project.out), "chat", cache_dir=str(tmp_path / "cache"))
        sizes.append(sum(len(part) for part in rows.values()))
    assert sizes == [20, 60]


def test_progress_says_rows_speed_and_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("prep.build.progress.time.perf_counter", lambda: now[0])
    progress = BuildProgress()
    progress.start("reading", None)
    now[0] += 2
    progress.advance(1000)
    assert progress.said() == "reading: 1,000 rows, 500 rows/s"
    progress.expect(46_000)
    assert progress.said() == "reading: 1,000 rows, 500 rows/s, 1:30 left"


def test_a_killed_build_leaves_no_stuck_lock(tmp_path: Path) -> None:
    holding = (
        "import sys, time\nfrom pathlib import Path\nfrom prep.build.lock import build_lock\n"
        "with build_lock(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(600)\n"
    )
    out = tmp_path / "out"
    process = subprocess.Popen([sys.executable, "-c", holding, str(out)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3])
    assert process.stdout is not None and process.stdout.readline() == b"held\n"
    with pytest.raises(UserError, match="another build to this folder is at work"), build_lock(out):
        pass
    process.kill()
    process.communicate()
    assert (tmp_path / ".out.lock").exists()
    with build_lock(out):
        pass
    assert list(tmp_path.iterdir()) == []
