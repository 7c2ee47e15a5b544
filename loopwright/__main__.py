"""`python -m loopwright`: the `loopwright` command, where the folder of the commands is not on the path."""

from loopwright.cli import main

if __name__ == "__main__":
    main()
