"""From source files to encounters, splits, windows and batches."""
