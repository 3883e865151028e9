"""The server's own routes, and what goes on beside its start."""
