"""A result of a command, printed or written to a file."""

from pathlib import Path

from loopwright.console import notice, print_result


def deliver(text: str, out: Path | None, summary: str) -> None:
    """Prints a text, or writes it to a file that only its owner can read, and says so."""
    if out is None:
        print_result(text)
        return
    from loopwright.files import write_atomic

    write_atomic(out, text + "\n", private=True)
    notice(f"{summary}\nThe report is in {out}.")
