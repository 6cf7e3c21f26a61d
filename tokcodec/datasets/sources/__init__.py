"""What data sets are made from: which shards there are, and their samples in batches; never encodes anything."""
