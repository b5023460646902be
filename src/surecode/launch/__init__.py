"""Starting a training that takes several processes: on this machine, or as a SLURM job."""
