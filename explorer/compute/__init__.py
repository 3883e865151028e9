"""What only the explorer computes."""
