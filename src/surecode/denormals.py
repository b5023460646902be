"""Numbers below 1e-38 count as zero within a block, and as before afterwards.

A code that attends to one place gives the other places attentions such as 1e-40. A CPU takes up to
a hundred times as long for such a number, which carries no evidence. The state is the thread's and
its later children's: trainings and attributions alone have it, lest a program that uses this
package finds its own arithmetic changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def without_denormals() -> Iterator[None]:
    """Flush denormal numbers to zero on this thread; what held before holds again afterwards."""
    # There is no way to ask, so it is tried out: 1e-40 times one stays, or becomes zero.
    kept = bool(torch.tensor(1e-40) * 1 != 0)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        if kept:
            torch.set_flush_denormal(False)
