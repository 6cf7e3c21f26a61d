"""Finds, describes, writes and removes models. Never runs one, and never imports torch."""
