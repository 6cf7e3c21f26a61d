"""The work on one shard, from its source to its output, the same in every engine; never decides where it is done."""
