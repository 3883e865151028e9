"""Command line: ``python -m training judge | train | evaluate | campaign | publish | data``."""

from training.cli import app

if __name__ == "__main__":
    app()
