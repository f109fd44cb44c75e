"""From score maps to numbers: protocols, thresholds, post-processing, measurements, comparisons."""
