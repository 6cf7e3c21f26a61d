"""A size or a quality to pitch and tokens per tile; never reads or writes a file."""
