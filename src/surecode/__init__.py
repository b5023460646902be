"""surecode: medical coders that know when they are sure.

>>> import surecode
>>> coder = surecode.load("models:/surecode-radiology@challenger")
>>> record = coder.code("...the text of a note...")
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from surecode.coding import Coder
    from surecode.encounter import Encounter
    from surecode.loading import load

__all__ = ["Coder", "Encounter", "__version__", "load"]
__version__ = version("surecode")

# No module may have a public name: importing it would put it in the name's place.
_HOMES = {
    "Coder": "surecode.coding",
    "Encounter": "surecode.encounter",
    "load": "surecode.loading",
}


def __getattr__(name: str) -> Any:
    """Import the public names when they are asked for: a coder brings torch along."""
    if name not in _HOMES:
        raise AttributeError(f"module 'surecode' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
