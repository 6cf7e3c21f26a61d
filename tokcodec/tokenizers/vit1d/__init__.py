"""The family `vit1d`: our own 1D transformer tokenizers, which `tokcodec train 1d` makes."""
