"""The tables of the results page and the README, made from the results files."""
