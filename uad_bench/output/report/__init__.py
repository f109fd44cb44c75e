"""One self-contained page: what was measured, how sure it is, and the slices behind it."""
