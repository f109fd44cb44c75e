"""What is kept on disk, whole or not at all, and whether it is still what was stored."""
