"""Leaderboards and comparisons: runs grouped into rows, ranked, and stored."""
