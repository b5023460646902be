"""From windows of text to codes."""
