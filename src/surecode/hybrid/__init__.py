"""Signals beside the network's logits that rank codes, and how they are joined."""
