"""Published tokenizers, a module for what is published of each family and one for its networks. `catalogue` lists them.

The networks are our own code, written from descriptions of the architectures. They have the parameter names of the
published checkpoints, need torch alone, and are for inference only.
"""

LOOKS_OF_FLUX2 = ("sharp", "base")
"""The looks of flux2-1d-tokenizer, the names of its two checkpoints."""
FAMILIES = ("titok", "flux2-1d", "flextok", "cod-lite", "karl", "restok")
"""Names of the families in manifests."""
