"""Pictures and their geometry: reads, writes, cuts into tiles and blends. Never uses tokens, models or torch."""
