"""Measuring on the test set: networks, ablations, speed."""
