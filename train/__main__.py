"""`python -m train`: the `train` command, where the folder of the commands is not on the path."""

from train.cli.app import main

if __name__ == "__main__":
    main()
