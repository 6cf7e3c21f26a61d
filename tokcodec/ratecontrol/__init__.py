"""Rate control: chooses pitch and token counts for a target size or quality. Never reads or writes a file."""
