"""Static HTML pages that need no network and run nothing."""
