"""Processes one shard, from its source to its output, in the same way for every engine. Never chooses the worker."""
