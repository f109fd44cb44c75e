"""Running a method: its process, its limits, its training, its score maps."""
