"""Whether a stored run or leaderboard is right: every metric is recomputed from scans and score maps."""
