"""Models as files: which there are, what they say of themselves; never runs one, and never imports torch."""
