"""`python -m loop`: the `loop` command, where the folder of the commands is not on the path."""

from loop.cli import main

if __name__ == "__main__":
    main()
