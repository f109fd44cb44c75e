"""Patients, volumes, slices and splits."""
