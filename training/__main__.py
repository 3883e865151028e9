"""Command line: ``wzroi-train``, also ``python -m training``: judge | train | evaluate | campaign | publish | data."""

from zoo.console import reporting
from zoo.extras import need_extra


def main() -> None:
    """Run the command; without the packages of the extra ``train``, a sentence that names it."""
    with reporting(SystemExit):
        need_extra("train", "training")
    from training.cli import app

    app()


if __name__ == "__main__":
    main()
