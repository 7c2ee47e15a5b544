"""`python -m evals`: the `evals` command, where the folder of the commands is not on the path."""

from evals.cli import main

if __name__ == "__main__":
    main()
