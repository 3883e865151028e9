"""Command line: ``python -m zoo list | describe | verify | transmit | pull | push``."""

from zoo.cli import app

if __name__ == "__main__":
    app()
