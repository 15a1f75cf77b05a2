"""``python -m ews``: the command line, where its script is not on the path."""

from ews.cli import main

if __name__ == "__main__":
    main()
