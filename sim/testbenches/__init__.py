"""What drives each block and compares it with its golden twin."""
