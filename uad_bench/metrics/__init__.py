"""Voxel, overlap, lesion and surface metrics: pure functions of arrays."""
