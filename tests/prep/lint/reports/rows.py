"""Rows for the tests of the page, and a parser of what it says."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

HOSTILE = (
    '</script><script>window.pwned=1</script><img src=x onerror="window.pwned=2"><style>*{display:none}</style>'
    " {{ 7 * 7 }} &amp; \u202e\x07"
)

# Of several kinds in each label, so that nothing of them passes for the words of a task.
BEGINNINGS = ("Letter", "Note", "Call", "Word", "Message")


def chat(question: str, answer: str) -> dict[str, Any]:
    system = {"role": "system", "content": "You sort messages: ham or spam."}
    return {"messages": [system, {"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def make_rows() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    train = [
        chat(f"{BEGINNINGS[index * index % 5]} number {index} about the weather in town {index * 7}", "spam" if index % 4 == 0 else "ham")
        for index in range(80)
    ]
    train += [train[3], train[3], train[5]]  # copies
    train += [chat(f"{HOSTILE} write to jane.doe@example.com", "ham"), chat("An empty one", "")]
    train += [chat("אנא כתבו אל dana@example.com היום", "ham")]
    test = [chat(f"{BEGINNINGS[index * index % 5]} the {index}th, of quite other words", "ham") for index in range(20)] + [train[7]]
    return train, test


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


class Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": []}
        self._in: str | None = None
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in = tag if tag in self.inside else None
        if self._in:
            self.inside[self._in].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._in:
            self._in = None

    def handle_data(self, data: str) -> None:
        if self._in:
            self.inside[self._in][-1] += data
        else:
            self.text += data
