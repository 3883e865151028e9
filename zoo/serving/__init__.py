"""What every front end shares: pairs to send, variants, the range of every control."""
