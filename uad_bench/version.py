"""The installed version of uad-bench."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("uad-bench")
except PackageNotFoundError:  # a source tree that was never installed
    VERSION = "unknown"
