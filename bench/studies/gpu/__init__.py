"""What a GPU is for: CUDA tests, throughput of all families, and the training of a 1D tokenizer, in one run."""
