"""Training of the project's own models: data, losses, loops; takes no part in coding, and never imports the command."""
