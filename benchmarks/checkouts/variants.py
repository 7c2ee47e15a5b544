"""Files and configs for what the samples do not use: containers, shapes of records, transcripts, damage, and keys of the config."""

import csv
import gzip
import io
import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl

# name -> the config's text behind `name:`. Files beside it are those of `write_variants`; `samples/` holds the sample data.
CONFIGS = {
    "near": """
        sources: [{path: samples/reviews/reviews.tsv, name: reviews, key: review_id, fields: {text: review, label: liked}}]
        templates: [{name: reviews/sentiment}, {name: reviews/sentiment_cloze}]
        labels: {0: negative, 1: positive}
        dedup: {exact: true, near: 0.6}
        lint: {severities: {CON: info}, thresholds: {DUP302.similarity: 0.5}, expect: {slices: {stars: {5: 900}}, languages: [de]}}
        """,
    "time": """
        sources: [{path: samples/reviews/reviews.tsv, name: reviews, fields: {text: review, label: liked}}]
        templates: [{name: reviews/sentiment_shots, shots: 2}]
        labels: {0: negative, 1: positive}
        split: {by: time, column: date, train: 0.6, validation: 0.2, test: 0.2}
        """,
    "resample": """
        sources: [{path: samples/finance/notes.json, name: notes, key: id}]
        templates: [{name: finance/sentiment, weight: 3}, {name: finance/sentiment_cloze, weight: 1}]
        resample: {by: sentiment, to: balanced, how: over}
        """,
    "chunk": """
        sources: [{path: samples/legal/clauses.jsonl, name: clauses, group: contract}]
        templates: [{name: legal/clause_type}]
        model: MODEL
        chunk: {field: clause, tokens: 160, overlap: 60}
        """,
    "mixture": """
        sources:
          - {path: samples/calls/calls.jsonl, name: calls, weight: 2}
          - {path: samples/calls/holdout.jsonl, name: holdout, weight: 1}
        templates: [{name: calls/summary}, {name: calls/intent}]
        """,
    "medical": """
        sources: [{path: samples/medical/notes.csv, name: notes, group: patient}]
        templates: [{name: medical/plain_language}, {name: medical/specialty}]
        lint: {profile: medical, per_source_ignores: {"notes*": [LEN]}}
        """,
    "containers": """
        sources:
          - {path: reviews.parquet, name: a, fields: {text: review, label: liked}}
          - {path: reviews.arrow, name: b, fields: {text: review, label: liked}}
          - {path: semicolons.csv, name: c, fields: {text: review, label: liked}, encoding: latin-1}
          - {path: bare.tsv, name: d, columns: [review_id, text, label]}
          - {path: reviews.jsonl.gz, name: e, fields: {text: review, label: liked}}
        templates: [{name: reviews/sentiment}]
        labels: {0: negative, 1: positive}
        """,
    "paragraphs": """
        sources: [{path: paragraphs.txt, unit: paragraph}, {path: paragraphs.txt, name: lines}]
        templates: [{name: general/text}]
        """,
    "chats": """
        sources:
          - {path: openai.jsonl, name: openai}
          - {path: sharegpt.jsonl, name: sharegpt}
          - {path: alpaca.jsonl, name: alpaca}
          - {path: completions.jsonl, name: completions}
          - {path: trees.jsonl, name: trees}
        templates: [{name: general/chat}]
        """,
    "tools": """
        sources: [{path: tools.jsonl}]
        templates: [{name: general/tool_chat}]
        """,
    "damaged": """
        sources: [{path: damaged.jsonl}]
        templates: [{name: general/chat}]
        """,
    "pairs": """
        sources: [{path: pairs.jsonl, name: pairs}, {path: openai_pairs.jsonl, name: openai}]
        templates: [{name: preference/turns}]
        """,
    "wanted": """
        sources: [{path: kto.jsonl}]
        templates: [{name: preference/wanted}, {name: preference/judge}]
        """,
    "captions": """
        sources: [{path: call.vtt, name: vtt}, {path: call.srt, name: srt}]
        templates: [{name: calls/next_turn}]
        """,
    "transcripts": """
        sources:
          - {path: marks.jsonl, name: marks, turns: {field: talk, roles: {doctor: assistant, patient: user}}}
          - {path: breaks.jsonl, name: breaks, turns: {field: talk, style: separator}}
        templates: [{name: calls/summary}, {name: calls/next_turn}]
        """,
}
LINTED_FILES = (
    "openai.jsonl",
    "sharegpt.jsonl",
    "alpaca.jsonl",
    "completions.jsonl",
    "tools.jsonl",
    "damaged.jsonl",
    "pairs.jsonl",
    "kto.jsonl",
)
VALIDATED_FILES = ("damaged.jsonl", "tools.jsonl", "pairs.jsonl", "kto.jsonl")


MODEL = "build/variants/input/model"  # where the task that builds them finds a tokenizer


def write_variants(samples: Path, folder: Path) -> None:
    """Writes the files and configs; their texts are those of the samples."""
    shutil.copytree(samples, folder / "samples")
    for name, text in CONFIGS.items():
        lines = [line.removeprefix(" " * 8) for line in text.strip("\n").rstrip().split("\n")]
        place = folder / f"{name}.yaml"
        place.write_text(f"name: {name}\n" + "\n".join(lines).replace("model: MODEL", f"model: {MODEL}") + "\n", encoding="utf-8")
    with (samples / "reviews/reviews.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    _write_containers([row for row in rows if None not in row and None not in row.values()][:60], folder)
    replies = [json.loads(line) for line in (samples / "voice/replies.jsonl").read_text(encoding="utf-8").splitlines()][:40]
    _write_shapes([(row["message"], row["reply"]) for row in replies], folder)
    _write_transcripts(folder)


def _write_containers(rows: list[dict[str, str]], folder: Path) -> None:
    table = pl.DataFrame([{name: row[name] for name in ("review_id", "liked", "review")} for row in rows])
    table.write_parquet(folder / "reviews.parquet")
    table.write_ipc(folder / "reviews.arrow")
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, table.columns, delimiter=";")
    writer.writeheader()
    writer.writerows(table.to_dicts())
    (folder / "semicolons.csv").write_bytes(buffer.getvalue().encode("latin-1", errors="ignore"))
    bare = "".join(f"{row['review_id']}\t{row['review']}\t{row['liked']}\n" for row in rows)
    (folder / "bare.tsv").write_text(bare, encoding="utf-8")
    packed = "".join(json.dumps(row) + "\n" for row in table.to_dicts()).encode()
    (folder / "reviews.jsonl.gz").write_bytes(gzip.compress(packed, mtime=0))
    (folder / "paragraphs.txt").write_text("\n\n".join(f"{row['review']}\n{row['review_id']}" for row in rows), encoding="utf-8")


def _write_lines(path: Path, rows: list[Any]) -> None:
    """Writes JSON Lines; a text stands as it is."""
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")


def _chat(question: str, answer: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer, **more}]}


def _write_shapes(replies: list[tuple[str, str]], folder: Path) -> None:
    system = {"role": "system", "content": "Answer in one voice."}
    _write_lines(folder / "openai.jsonl", [{"messages": [system, *_chat(*pair)["messages"]]} for pair in replies])
    sharegpt = [{"conversations": [{"from": "human", "value": ask}, {"from": "gpt", "value": answer}]} for ask, answer in replies]
    _write_lines(folder / "sharegpt.jsonl", sharegpt)
    _write_lines(folder / "alpaca.jsonl", [{"instruction": "Reply.", "input": ask, "output": answer} for ask, answer in replies])
    _write_lines(folder / "completions.jsonl", [{"prompt": ask, "completion": answer} for ask, answer in replies])
    others = [answer for _, answer in replies[1:]] + [replies[0][1]]
    pairs = [{"prompt": ask, "chosen": yes, "rejected": no} for (ask, yes), no in zip(replies, others, strict=True)]
    _write_lines(folder / "pairs.jsonl", [*pairs, {**pairs[0], "chosen": pairs[0]["rejected"], "rejected": pairs[0]["chosen"]}])
    preferred = [
        {
            "input": {"messages": [{"role": "user", "content": one["prompt"]}]},
            "preferred_output": [{"role": "assistant", "content": one["chosen"]}],
            "non_preferred_output": [{"role": "assistant", "content": one["rejected"]}],
        }
        for one in pairs
    ]
    _write_lines(folder / "openai_pairs.jsonl", preferred)
    _write_lines(folder / "kto.jsonl", [{**_chat(*pair), "label": number % 3 > 0} for number, pair in enumerate(replies)])
    _write_lines(folder / "trees.jsonl", [message for number, pair in enumerate(replies[:12]) for message in _tree(number, *pair)])
    _write_lines(folder / "tools.jsonl", [_call(number, ask) for number, (ask, _) in enumerate(replies[:24])])
    _write_lines(folder / "damaged.jsonl", _damaged(replies))


def _tree(number: int, question: str, answer: str) -> list[dict[str, Any]]:
    common = {"message_tree_id": f"t{number}", "lang": "en"}
    return [
        {**common, "message_id": f"q{number}", "parent_id": None, "text": question, "role": "prompter", "rank": None},
        {**common, "message_id": f"a{number}", "parent_id": f"q{number}", "text": answer, "role": "assistant", "rank": 0},
        {**common, "message_id": f"b{number}", "parent_id": f"q{number}", "text": answer.upper(), "role": "assistant", "rank": 1},
    ]


def _call(number: int, question: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {"day": {"type": "string"}, "guests": {"type": "integer"}}, "required": ["day"]}
    arguments = {"day": f"2025-01-{number % 28 + 1:02}"} | ({"guests": number if number % 5 else "two"} if number % 2 else {})
    name = "book_table" if number % 7 else "book_tabel"
    call = {"id": f"c{number}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    return {
        "tools": [{"type": "function", "function": {"name": "book_table", "description": "Books a table.", "parameters": parameters}}],
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{number}" if number % 6 else "c0", "content": '{"booked": true}'},
            {"role": "assistant", "content": f"Done, table {number}."},
        ],
    }


def _damaged(replies: list[tuple[str, str]]) -> list[Any]:
    """Chats of which each readable one but the last is odd in its own way, and lines that are no records, among sound ones."""
    (ask, answer), sound = replies[0], [_chat(*pair) for pair in replies[1:21]]
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    return [
        *sound[:8],
        {"messages": [{"role": "user", "content": [{"type": "text", "text": ask}, image]}, {"role": "assistant", "content": answer}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": ask}]}, {"role": "assistant", "content": answer}]},
        _chat(ask, answer, weight=2),
        _chat(ask, answer, weight=0),
        {"messages": [{"role": "moderator", "content": "Be kind."}, *_chat(ask, answer)["messages"]]},
        {**_chat(ask, answer), "annotator": "a7", "source_url": "https://example.org"},
        _chat(ask, answer, reasoning_content="First I think."),
        _chat(ask, answer, thinking="First I think."),
        _chat(ask, ""),
        {"messages": []},
        {"messages": None},
        {"messages": [{"role": "user", "content": ask}]},
        {"messages": [{"role": "assistant", "content": answer}, {"role": "user", "content": ask}]},
        {"messages": "none"},
        {"prompt": ask, "completion": answer},
        "",
        "{not json}",
        "[1, 2]",
        '{"messages": [{"role": "user", "content": "a", "content": "b"}, {"role": "assistant", "content": "c"}]}',
        '{"messages": [{"role": "user", "content": "half \\ud83d"}, {"role": "assistant", "content": "character"}]}',
        '{"messages": [{"role": "user", "content": "number"}, {"role": "assistant", "content": NaN}]}',
        '{"messages": [{"role": "user", "content": "cut',
        *sound[8:],
        _chat(ask, answer),
    ]


def _write_transcripts(folder: Path) -> None:
    turns = [
        ("Doctor", "What brings you in?"),
        ("Patient", "My knee hurts: badly."),
        ("Doctor", "Since when?"),
        ("Patient", "Since May 3rd."),
    ]
    talks = [[*turns[: 2 + number % 3], ("Doctor", f"Take {number + 1} tablets a day.")] for number in range(24)]
    summary = "The knee hurts; tablets."
    marked = ["\n".join(f"[00:0{at}:00] {who}: {said}" for at, (who, said) in enumerate(talk)) for talk in talks]
    _write_lines(
        folder / "marks.jsonl", [{"talk": talk, "summary": f"{summary} {number}"} for number, talk in enumerate([*marked, "no marks"])]
    )
    broken = ["<BR>".join(said for _, said in talk) for talk in talks]
    _write_lines(folder / "breaks.jsonl", [{"talk": talk, "summary": f"{summary} {number}"} for number, talk in enumerate(broken)])
    cues = [(f"00:00:{at:02}", f"00:00:{at + 1:02}", who, said) for at, (who, said) in enumerate(turns)]
    vtt = "".join(f"{start}.000 --> {end}.000\n<v {who}>{said}</v>\n\n" for start, end, who, said in cues)
    srt = "".join(f"{at}\n{start},000 --> {end},000\n{who}: {said}\n\n" for at, (start, end, who, said) in enumerate(cues, start=1))
    (folder / "call.vtt").write_text(f"WEBVTT\n\n{vtt}", encoding="utf-8")
    (folder / "call.srt").write_text(srt, encoding="utf-8")
