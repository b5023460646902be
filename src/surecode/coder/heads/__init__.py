"""Heads: from the states of an encounter's tokens to one logit per code."""

from surecode.coder.heads.head import Head

__all__ = ["Head"]
