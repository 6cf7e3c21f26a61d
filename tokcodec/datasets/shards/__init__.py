"""The work on one shard, from its file to its file, the same by every engine; never decides what is done where."""
