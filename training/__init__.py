"""Training, honest evaluation and publishing of the zoo's networks: ``python -m training --help``."""
