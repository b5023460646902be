"""Code systems, their releases by date of service, and label spaces."""
