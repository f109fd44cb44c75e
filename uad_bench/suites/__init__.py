"""The whole matrix: methods x seeds x pairs x tasks, each cell a run like any other."""
