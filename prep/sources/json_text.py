"""The text of a file that is one JSON document, read value by value so that each knows its line and a file of any size fits."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from loopwright.files import is_utf8
from prep.sources.raw_file import MAX_LINE_BYTES, RawFile
from prep.sources.strict_json import Decoder, Flaw, JsonDefect, JsonRecord, NoJsonError, undecoded

_SPACE = re.compile(r"[ \t\r\n,]*")
_MAX_SKIPPED_DEPTH = 1_000_000
_LONGEST_TOKEN = 16  # that a text may be cut within: -Infinity, or an escaped pair of surrogates
_TOKEN = re.compile(r'\\.|["\[\]{},]', re.DOTALL)
_LENIENT = Decoder(takes_constants=True)
# A value that is JSON by its brackets: it is passed over, and the reading goes on behind it.
_PASSED_OVER = frozenset({Flaw.CONSTANT, Flaw.DIGITS, Flaw.DEPTH, Flaw.TOO_LONG})
_COMMA = JsonDefect(Flaw.SEPARATOR, "values are parted by one comma each, and none stands at the ends")


class JsonText:
    """A file's text from where it has been read to, which grows as far as the next value needs."""

    def __init__(self, file: RawFile) -> None:
        self._pieces = file.pieces()
        self._text = ""
        self._position = 0
        self.line = 1

    @property
    def is_over(self) -> bool:
        """Whether nothing is left; to be asked after `skip_space`."""
        return self._position == len(self._text)

    def starts_with(self, character: str) -> bool:
        """Whether the text goes on with a character; to be asked after `skip_space`."""
        return self._text.startswith(character, self._position)

    def skip(self, num_characters: int) -> None:
        """Passes over some characters."""
        self._move(self._position + num_characters)

    def skip_space(self) -> int:
        """Passes over white space and commas; returns how many commas there were."""
        num_commas = 0
        while True:
            space = _SPACE.match(self._text, self._position)
            assert space is not None
            num_commas += space[0].count(",")
            self._move(space.end())
            if self._position < len(self._text) or not self._grow():
                return num_commas

    def record(self, decoder: Decoder) -> JsonRecord:
        """Reads the next value; one that is JSON by its brackets and cannot be read is passed over.

        Behind a record with the flaw `Flaw.SYNTAX` nothing more can be read.
        """
        line = self.line
        try:
            value, end = self._value(decoder)
        except NoJsonError as error:
            defect = error.defect
            if defect.position is not None:
                defect = replace(defect, position=defect.position - self._position)
            return JsonRecord(line, None, [self._pass_over(defect)])
        start, text = self._position, self._text
        self._move(end)
        if decoder.watches and not is_utf8(text[start:end]):
            defect = undecoded(text, start, end)
            return JsonRecord(line + text.count("\n", start, start + (defect.position or 0)), None, [defect])
        return JsonRecord(line, value, decoder.hidden(value, text, start, end))

    def lenient_value(self) -> Any:
        """Returns the next value, NaN and Infinity allowed: one that is no row.

        Raises:
            NoJsonError: there is none that can be read.
        """
        try:
            value, end = self._value(_LENIENT)
        except NoJsonError as error:
            raise NoJsonError(Flaw.SYNTAX, error.defect.cause) from error
        self._move(end)
        return value

    def read_all(self) -> "JsonText":
        """Reads the rest of the file, for a value that is as long as the file."""
        self._text = "".join([self._text, *self._pieces])
        return self

    def _value(self, decoder: Decoder) -> tuple[Any, int]:
        while True:
            try:
                value, end = decoder.value_at(self._text, self._position)
            except NoJsonError as error:
                if error.defect.flaw is not Flaw.SYNTAX:
                    raise
                # It may only be cut, and go on in the next piece.
                if len(self._text) - self._position > MAX_LINE_BYTES:
                    if self._is_cut(error.defect):
                        raise NoJsonError(Flaw.TOO_LONG, f"the row is longer than {MAX_LINE_BYTES >> 20} MiB") from None
                    raise
                if not self._grow():
                    raise
                continue
            if end == len(self._text) and self._grow():
                continue  # a number may go on
            return value, end

    def _pass_over(self, defect: JsonDefect) -> JsonDefect:
        """Goes on behind a value that cannot be read; returns what is wrong, which is its syntax where it has no end."""
        if defect.flaw not in _PASSED_OVER:
            return defect
        try:
            if defect.flaw is Flaw.CONSTANT:
                self.lenient_value()
            else:
                self._skip_value()
        except NoJsonError as error:
            why = error.defect.cause if defect.flaw is Flaw.CONSTANT else defect.cause
            return JsonDefect(Flaw.SYNTAX, why, error.defect.position)
        return defect

    def _skip_value(self) -> None:
        """Skips a value however deep it is nested and however long it is, a piece at a time.

        Raises:
            NoJsonError: it does not end, or is nested so deeply that it is made never to.
        """
        depth, is_text = 0, False
        while True:
            # Nothing is left open at a piece's end but half of an escape, which waits for the other half.
            end = self._position
            for token in _TOKEN.finditer(self._text, self._position):
                end = token.end()
                if token[0] == '"':
                    is_text = not is_text
                elif is_text or token[0][0] == "\\":
                    continue
                elif token[0] in "]}," and not depth:  # the end of what the value, a number, stands in
                    self._move(token.start())
                    return
                else:
                    depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
                    if depth > _MAX_SKIPPED_DEPTH:
                        raise NoJsonError(Flaw.SYNTAX, "it does not end")
                if not depth and not is_text and token[0] != ",":
                    self._move(end)
                    return
            self._move(len(self._text) - (self._text.endswith("\\") and end < len(self._text)))
            if not self._grow():
                raise NoJsonError(Flaw.SYNTAX, "it does not end")

    def _is_cut(self, defect: JsonDefect) -> bool:
        """Says whether a value is wrong for no other reason than that the text read so far ends within it."""
        assert defect.position is not None
        return defect.cause.startswith("Unterminated string") or defect.position > len(self._text) - _LONGEST_TOKEN

    def _move(self, position: int) -> None:
        self.line += self._text.count("\n", self._position, position)
        self._position = position

    def _grow(self) -> bool:
        for piece in self._pieces:
            if piece:
                self._text = self._text[self._position :] + piece
                self._position = 0
                return True
        return False


def read_array(text: JsonText, decoder: Decoder) -> Iterator[JsonRecord]:
    """Yields the values of an array that is about to begin.

    The last record says what ends the reading early: `Flaw.SYNTAX` behind which nothing can be read, or `Flaw.UNCLOSED`.
    """
    text.skip(1)
    is_amiss = text.skip_space() > 0
    while not text.starts_with("]"):
        if text.is_over:
            yield JsonRecord(text.line, None, [JsonDefect(Flaw.UNCLOSED, "Expecting value")])
            return
        record = text.record(decoder)
        if record.error is not None and record.error.flaw is Flaw.SYNTAX:
            yield record
            return
        num_commas = text.skip_space()
        if is_amiss or (not text.is_over and num_commas != (not text.starts_with("]"))):
            record.defects.append(_COMMA)
        is_amiss = False
        yield record
    text.skip(1)


def read_document(file: RawFile, decoder: Decoder) -> Iterator[JsonRecord]:
    """Yields the values of an array that is all of a file, or those that stand in it one after the other over several lines each.

    Behind an array that does not end the file stands a record with `Flaw.TRAILING`.
    """
    text = JsonText(file)
    text.skip_space()
    if text.starts_with("["):
        record = JsonRecord(0)
        for record in read_array(text, decoder):
            yield record
        if record.error is not None and record.error.flaw in {Flaw.SYNTAX, Flaw.UNCLOSED}:
            return
        num_commas = text.skip_space()
        if num_commas or not text.is_over:
            yield JsonRecord(text.line, None, [JsonDefect(Flaw.TRAILING, "something follows the array")])
        return
    record = JsonRecord(0)
    while not text.is_over and (record.error is None or record.error.flaw is not Flaw.SYNTAX):
        record = text.record(decoder)
        yield record
        text.skip_space()
