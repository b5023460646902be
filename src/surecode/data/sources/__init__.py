"""Readers of encounters, one module for each source."""
