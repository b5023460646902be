"""The unit of release: adapter, head, label space, calibrator, certificate and their hashes."""
