"""Verify stored runs and leaderboards by recomputing every metric from scans and score maps."""
