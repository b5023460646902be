"""Terms of codes, and what they mean where they stand."""
