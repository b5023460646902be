"""The verbs of a run, one file each: they join the rooms and hold no idea of their own."""
