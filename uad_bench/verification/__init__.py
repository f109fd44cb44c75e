"""Whether stored numbers are right: every one again by a second road, and every file against its digest."""
