"""What a look at a file's columns shows: which hold text, labels, answers, turns, ids, dates, and which are better left out."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from prep.infer.labels import are_labels, num_words
from prep.pii import find_pii

TRAIN_SHARE = 0.8
"""Of the rows, what the split of a first config makes train rows."""
_MIN_FILLED = 0.5  # share of the rows in which a label stands: a remark that is mostly blank would drop most rows
_NEARLY_ALL = 0.8
_FREE_WORDS = 3
_MOSTLY = 0.7
_MAX_NUMBERS = 20  # different numbers that may be classes, such as stars; more of them measure something
_ENOUGH = 200  # values that are looked into
GROUP_NAMES = ("customer", "patient", "user", "author", "contract", "client", "account", "speaker", "group", "doc", "thread", "tree")
LABEL_NAMES = ("label", "sentiment", "class", "category", "intent", "liked", "rating", "stars", "specialty", "topic", "target", "type")
# What a column is called that says where its rows are from, when, by whom or how they are kept: nothing that a text would tell.
_ABOUT_ROWS = re.compile(
    "source|origin|dataset|corpus|file|filename|path|folder|url|link|website|lang|language|locale|split|fold|subset|partition|licen[sc]e"
    "|ids?|uu?id|guid|key|hash|date|time|timestamp|datetime|year|month|day|hour|week|created|updated|modified|version|revision|author"
    "|annotators?|worker|rater|user|username|customer|patient|index|idx|row|line|page|position|rank|turn|batch|platform|device|channel"
    "|country|region"
)
# Words behind these and behind the names of labels: `created_at`, `source_type`, `intent_id`.
_NAME_ENDINGS = frozenset({"id", "ids", "at", "on", "by", "of", "name", "code", "number", "no", "type", "kind"})
ANSWER_NAMES = (
    "summary", "summaries", "reply", "response", "output", "answer", "completion", "plain", "target", "rewrite", "translation", "title",
)  # fmt: skip

_ID_NAME = re.compile(r"(?:^|[_\W])(?:id|uid|uuid|key|guid)$|[a-z]Id$|ID$|^_?id[_\W]?|^uid", re.ASCII)
_DATE = re.compile(
    r"\s*(?:\d{4}-\d{1,2}-\d{1,2}|\d{4}/\d{1,2}/\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{4})(?:[T ]\d{1,2}:\d{2}\S*(?: ?[AP]M)?)?\s*"
)
_NUMBER = re.compile(r"\s*[-+]?[\d.,]*\d[\d.,]*(?:[eE][-+]?\d+)?%?\s*")
_URL = re.compile(r"\s*(?:https?://|www\.)\S+\s*")
_MARK = re.compile(r"^[^\W\d_][\w .#'-]{0,30}:\s", re.MULTILINE)
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_NAME_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


@dataclass(frozen=True, eq=False)
class Column:
    """One column of a file.

    Attributes:
        name: its name.
        values: its values, without nulls and blanks.
        num_rows: how many rows were looked at.
        place: which column of the file it is.
        made_of: the transcript that its turns were made of; None for a column of the file.
    """

    name: str
    values: Sequence[str]
    num_rows: int
    place: int = 0
    made_of: str | None = None

    @cached_property
    def name_words(self) -> tuple[str, ...]:
        """The words of its name: `createdAt` and `created_at` are both created and at."""
        return tuple(word.lower() for word in _NAME_WORD.findall(self.name))

    @cached_property
    def counts(self) -> Counter[str]:
        """Value -> how often it stands."""
        return Counter(self.values)

    @property
    def num_distinct(self) -> int:
        """How many different values there are."""
        return len(self.counts)

    @cached_property
    def mean_words(self) -> float:
        """Words a value; two Han characters count for a word."""
        return sum(map(num_words, self.some)) / max(len(self.some), 1)

    @cached_property
    def some(self) -> Sequence[str]:
        """Some of its values, of all of the file."""
        # Spread over the file, as many a file is sorted.
        return self.values[:: max(1, len(self.values) // _ENOUGH)]

    def share(self, pattern: re.Pattern[str]) -> float:
        """Returns the share of values that a pattern matches as a whole."""
        return sum(pattern.fullmatch(value) is not None for value in self.some) / max(len(self.some), 1)

    def share_with(self, pattern: re.Pattern[str]) -> float:
        """Returns the share of values in which a pattern is found."""
        return sum(pattern.search(value) is not None for value in self.some) / max(len(self.some), 1)

    @property
    def is_filled(self) -> bool:
        """Whether it has a value in nearly every row."""
        return len(self.values) >= _NEARLY_ALL * self.num_rows

    @property
    def is_unique(self) -> bool:
        """Whether no value stands twice."""
        return self.num_distinct == len(self.values)

    @property
    def is_id(self) -> bool:
        """Whether it names rows: by its name, and by having another short value in each row."""
        return self.is_unique and self.mean_words <= 1 and len(self.values) == self.num_rows and _ID_NAME.search(self.name) is not None

    @property
    def is_group(self) -> bool:
        """Whether rows that share its value belong together: by its name, and because values recur."""
        named = any(name in self.name.lower() for name in GROUP_NAMES)
        return named and self.mean_words <= 8 and 1 < self.num_distinct < len(self.values) and not self.is_turns

    @property
    def is_label(self) -> bool:
        """Whether a text's label stands in it: it sorts rows, and by what they say."""
        measures = self.num_distinct > _MAX_NUMBERS and self.holds_numbers and not named([self], LABEL_NAMES)
        return self.sorts_rows and not (self.is_about_row or measures or self.share(_DATE) >= 0.5)

    @cached_property
    def sorts_rows(self) -> bool:
        """Whether it has few values that are short, each of them several times."""
        return len(self.values) >= _MIN_FILLED * self.num_rows and are_labels(self.counts, train_share=TRAIN_SHARE)

    @property
    def is_about_row(self) -> bool:
        """Whether its name says that it tells of the row and not of the text: `source`, `lang`, `created_at`; not `source_category`."""
        words = list(self.name_words)
        last = words[-1:]
        while len(words) > 1 and words[-1] in _NAME_ENDINGS:
            words.pop()
        if words and words[-1] in LABEL_NAMES:
            return False
        return any(_ABOUT_ROWS.fullmatch(word) for word in (*last, *words[-1:]))

    @property
    def holds_numbers(self) -> bool:
        """Whether nearly all of its values are numbers."""
        return self.share(_NUMBER) > 0.9

    @property
    def is_date(self) -> bool:
        """Whether it holds dates, with or without the time."""
        return self.share(_DATE) > 0.9

    @property
    def is_turns(self) -> bool:
        """Whether it holds lists of turns, as JSON."""
        return bool(self.values) and all(
            value.startswith("[{") and any(f'"{key}"' in value for key in ("text", "content", "value")) for value in self.values[:8]
        )

    @property
    def is_json(self) -> bool:
        """Whether it holds lists or objects, as JSON."""
        return bool(self.values) and all(value.startswith(("[", "{")) for value in self.values[:8])

    @cached_property
    def is_transcript(self) -> bool:
        """Whether its texts are conversations: marked lines such as `Doctor: ...`, or `<BR>` between turns."""
        talks = sum(len(_MARK.findall(value)) >= 2 or len(_BREAK.findall(value)) >= 2 for value in self.some)
        return talks > 0.6 * max(len(self.some), 1)

    @property
    def is_free_text(self) -> bool:
        """Whether it holds texts of their own: several words, distinct in most rows."""
        return self.is_text and self.mean_words >= _FREE_WORDS and self.num_distinct > _MOSTLY * len(self.values)

    @property
    def has_breaks(self) -> bool:
        """Whether marks such as `<BR>` divide its turns, which no model is to read."""
        return self.share_with(_BREAK) > 0.5

    @property
    def is_text(self) -> bool:
        """Whether a model could read it or write it."""
        return not (self.is_json or self.unusable())

    def unusable(self) -> str | None:
        """Returns why no model should see the column, None where it may."""
        reasons: dict[str, Callable[[], bool]] = {
            "it is blank": lambda: not self.values,
            "it is the same in each row": lambda: self.num_distinct == 1 and self.num_rows > 1,
            "it holds addresses of web pages": lambda: self.share(_URL) > 0.9,
            "it looks like personal data": lambda: self._names_people,
            "it holds dates": lambda: self.is_date,
            "it holds numbers": lambda: not self.is_label and self.holds_numbers,
            "it names rows": lambda: self.is_unique and self.mean_words <= 1 and _ID_NAME.search(self.name) is not None,
        }
        return next((reason for reason, holds in reasons.items() if holds()), None)

    @property
    def _names_people(self) -> bool:
        if self.mean_words > 6:  # a text that quotes an address is no column of addresses
            return False
        return sum(any(one.kind != "URL" for one in find_pii(value)) for value in self.some) > len(self.some) / 2


def look_at(frame: pl.DataFrame, names: Sequence[str]) -> list[Column]:
    """Returns what some columns of a frame hold."""
    values = ([value for value in frame[name].alias("values").cast(pl.String).drop_nulls() if value.strip()] for name in names)
    return [Column(name, some, frame.height, place) for place, (name, some) in enumerate(zip(names, values, strict=True))]


def named(columns: Sequence[Column], names: Sequence[str]) -> list[Column]:
    """Returns the columns of whose name's words one begins or ends with one of these, in the order of these: no `plain` in `complaint`."""
    return list(dict.fromkeys(_named(columns, names)))


def _named(columns: Sequence[Column], names: Sequence[str]) -> Iterator[Column]:
    for name in names:
        yield from (column for column in columns if any(word.startswith(name) or word.endswith(name) for word in column.name_words))


def invent_names(columns: Sequence[Column]) -> list[str]:
    """Returns names for the columns of a table without a header: `text`, `title` for a much shorter text, `label`, else `column_1`."""
    names = [f"column_{number}" for number in range(1, len(columns) + 1)]
    texts = sorted(
        (place for place, one in enumerate(columns) if one.is_text and not one.is_label), key=lambda place: -columns[place].mean_words
    )
    labels = [place for place, one in enumerate(columns) if one.is_label]
    if texts:
        names[texts[0]] = "text"
    if len(texts) == 2 and columns[texts[1]].mean_words < columns[texts[0]].mean_words / 2:
        names[texts[1]] = "title"
    if len(labels) == 1:
        names[labels[0]] = "label"
    return names
