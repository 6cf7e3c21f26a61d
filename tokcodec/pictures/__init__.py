"""Pictures and their geometry: reading, writing, cutting into tiles and blending; never tokens, models or torch."""
