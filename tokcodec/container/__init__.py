"""Tokens to the bytes of a file and back; never looks for a model, and never imports torch."""
