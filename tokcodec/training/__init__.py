"""Training of the project's own models: data, losses, loops."""
