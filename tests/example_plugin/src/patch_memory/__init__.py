"""A memory of healthy patches, described by hand."""
