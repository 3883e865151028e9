"""Checkpoints on disk: strict reading, the registry, golden tensors, model cards, and writing."""
