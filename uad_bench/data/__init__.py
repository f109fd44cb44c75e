"""Patients, volumes, slices, splits and the checks before a run."""
