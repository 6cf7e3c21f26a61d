"""Turns tokens into the bytes of a file and back. Never looks for a model, and never imports torch."""
