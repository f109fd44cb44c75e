"""One self-contained page per comparison."""
