"""Training: the loop, what each network learns, finished runs, campaigns, and publishing."""
