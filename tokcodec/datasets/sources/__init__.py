"""Finds the shards of sources, and reads their samples in batches. Never encodes anything."""
