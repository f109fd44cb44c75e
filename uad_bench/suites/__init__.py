"""Suites: the product of methods, seeds, modality pairs and tasks, executed locally or on Slurm."""
