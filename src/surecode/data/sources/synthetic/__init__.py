"""Synthetic notes with exact gold codes, exact evidence and a known reachable exact match."""

from surecode.data.sources.synthetic.generate import (
    SPECIALTIES,
    generate,
    reachable_exact_match,
)

__all__ = ["SPECIALTIES", "generate", "reachable_exact_match"]
