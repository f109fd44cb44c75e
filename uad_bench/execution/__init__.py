"""Running a method: process, limits, training and score maps."""
