"""WebVTT: the captions of a recording."""

from collections.abc import Iterator

from prep.sources.raw_file import RawFile
from prep.sources.source import RawRows, Source, gather
from prep.sources.source_config import TurnsConfig
from prep.sources.transcripts.turns import add_turns


class WebVtt(Source):
    """One file, one row: its `text`, and the `turns` that its cues hold."""

    name = "vtt"
    suffixes = (".vtt",)

    def read(self, file: RawFile) -> Iterator[RawRows]:
        """Reads the file whole; a source with a `turns:` of its own makes them by that."""
        return transcript(file, TurnsConfig(style="webvtt"))


def transcript(file: RawFile, config: TurnsConfig) -> Iterator[RawRows]:
    """Yields the one row of a file that is a transcript as a whole."""
    for rows in gather([(1, {"text": file.text()})]):
        yield rows if file.options.turns is not None else add_turns(rows, config.model_copy(update={"roles": file.options.speakers}))
