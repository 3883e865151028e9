"""Checkpoints on disk: reading them strictly, the registry, golden tensors, model cards, and writing all of them."""
