"""The ways to attribute a logit to tokens, one file for each idea."""
