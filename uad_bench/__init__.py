"""uad-bench compares unsupervised anomaly-segmentation methods on brain MRI."""

__version__ = "0.1.0"
