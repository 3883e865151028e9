"""Shared by all front ends: pairs to send, variants, and the range of every control."""
