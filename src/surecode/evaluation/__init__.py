"""What a coder is worth: metrics as pure functions, pictures, `evaluate` modules."""
