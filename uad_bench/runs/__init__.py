"""What is kept on disk: run folders, records, events, checkpoints and bundles."""
