"""Command line: ``wzroi``, also ``python -m zoo``: list | describe | verify | transmit | pull | push | space."""

from zoo.cli import app


def main() -> None:
    """Run the command."""
    app()


if __name__ == "__main__":
    main()
