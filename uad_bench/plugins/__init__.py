"""Methods and datasets from installed packages, plugin files, Python sessions and commands."""
