"""`python -m prep`: the `prep` command, where the folder of the commands is not on the path."""

from prep.cli.app import main

if __name__ == "__main__":
    main()
