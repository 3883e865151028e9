"""What a visitor takes away: pictures, numbers, and Python lines."""
