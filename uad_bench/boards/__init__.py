"""Leaderboards: from records to ranked rows, sheets of cells, and files in every format."""
