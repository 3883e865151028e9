"""Baselines for the networks: linear analog schemes, and codecs at capacity and over 5G LDPC."""
