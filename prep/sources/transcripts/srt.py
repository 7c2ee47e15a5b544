"""SRT: the subtitles of a recording."""

from collections.abc import Iterator

from prep.sources.raw_file import RawFile
from prep.sources.source import RawRows, Source
from prep.sources.source_config import TurnsConfig
from prep.sources.transcripts.vtt import transcript


class SubRip(Source):
    """One file, one row: its `text`, and the `turns` that its cues hold."""

    name = "srt"
    suffixes = (".srt",)

    def read(self, file: RawFile) -> Iterator[RawRows]:
        """Reads the file whole; a source with a `turns:` of its own makes them by that."""
        return transcript(file, TurnsConfig(style="srt"))
