"""MLflow's room: runs, registered models, serving."""
