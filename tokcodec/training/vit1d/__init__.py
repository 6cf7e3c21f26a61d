"""Training of a 1D transformer tokenizer with Tail Token Drop, by one process or several (torchrun)."""
