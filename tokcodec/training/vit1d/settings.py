"""Settings of the training, their defaults and the presets; imports nothing, for a fast `--help`."""

from __future__ import annotations

from dataclasses import dataclass

TAIL_DROPS = ("uniform", "powers", "none")
"""Ways to choose how many first tokens a tile is drawn from, see `tail_drop.kept_tokens`."""
LEAST_PICTURES = 100
"""Fewest usable photographs."""
LEAST_USE = 0.1
"""Smallest share of the codes that a window of steps must use, and of the bits that the tokens at one place can have.
The second is needed because all codes can be in use although every tile has the same ones."""


@dataclass(frozen=True)
class Size:
    """Sizes of a tokenizer. Its layout has a codebook of `codebook` codes, unless levels are given."""

    tile: int
    """Samples along a tile's side, one of `limits.TILE_SIDES`."""
    patch: int
    """Side of a patch in samples, even, a divisor of the tile's side."""
    width: int
    """Channels of the transformers, a multiple of 64."""
    encoder_layers: int
    """Blocks of the encoder, at least 1."""
    decoder_layers: int
    """Blocks of the decoder, at least 1."""
    n_tokens: int
    """Tokens of a tile, 1..256."""
    codebook: int
    """Codes of the codebook, 2..65,536. Ignored if there are levels."""
    hidden: int
    """Channels of the convolutional upsampler."""
    levels: tuple[int, ...] = ()
    """Levels of each number of a code, for finite scalars (FSQ) instead of a codebook."""
    code_width: int = 12
    """Numbers in a code of the codebook."""


PRESETS = {
    # Finite scalars do not depend on moving sums. In short trials they were as good as a codebook.
    "tiny": Size(128, 16, 256, 4, 4, 64, 1024, 32, levels=(8, 5, 5, 5)),
    "small": Size(256, 16, 512, 8, 8, 256, 4096, 64),
    "base": Size(256, 16, 768, 12, 12, 256, 4096, 96),
}
"""Sizes by name: `tiny` for a few hours of a CPU, the transformers of `small` and `base` are those of One-D-Piece."""


@dataclass(frozen=True)
class Training1d:
    """How a 1D tokenizer is trained."""

    steps: int = 50000
    """Steps in all, at least 1. The learning rate falls until the last one."""
    batch: int = 16
    """Tiles per step in each process, at least 1."""
    rate: float = 5e-4
    """Largest learning rate of AdamW."""
    warm_up: int = 500
    """Steps until the largest learning rate."""
    tail_drop: str = "uniform"
    """One of TAIL_DROPS."""
    full: int = 4
    """One in this number of tiles is drawn from all tokens, at least 1."""
    padding: int = 0
    """Further latent tokens behind those that are kept, from which tiles are drawn in training too (redundant token
    padding of ReToK, arXiv 2601.01535): late tokens take part more often. 0: none."""
    semantic: float = 0.0
    """Weight of the distance of the decoder's features from those of the first classifier for few tokens, which fades
    towards all tokens (hierarchical semantic regularisation of ReToK, arXiv 2601.01535)."""
    squared: float = 1.0
    """Weight of the squared error."""
    lpips: float = 0.0
    """Weight of LPIPS."""
    feature: float = 0.0
    """Weight of the distance of features of the classifiers, in turn."""
    classifiers: tuple[str, ...] = ()
    """Names of the classifiers, see `settings.NETWORKS`."""
    fading: float = 0.5
    """Power of the share of tokens that multiplies the weights of LPIPS and features: few tokens give little to draw
    from."""
    commitment: float = 0.25
    """Weight of the squared distance of the encoder's output from its code."""
    adversary: float = 0.0
    """Weight of the patch discriminator, relative to the other losses. 0: none."""
    adversary_from: int = 20000
    """Step at which the discriminator starts."""
    soft: int = 1000
    """Steps in which codes take the place of the encoder's output little by little, and the weight of the commitment
    grows. With codes from the first step on, the commitment makes all tiles alike before the decoder needs them."""
    decay: float = 0.99
    """Decay of the moving sums that make the codes."""
    dead: float = 0.03
    """A code whose moving count is below this share of the mean is replaced by an output of the encoder."""
    window: int = 200
    """Steps over which the use of the codes is measured."""
    patience: int = 2000
    """Steps before a small use ends the training."""
    average: float = 0.999
    """Largest decay of the averaged weights, which are the ones of the model."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    precision: str = "auto"
    """"float32", "bfloat16", or "auto": bfloat16 on CUDA."""
    compiled: bool | None = None
    """Whether `torch.compile` is used. None: on CUDA."""
    shards: int | None = None
    """Parts of the photographs, a multiple of the number of processes. Each process reads its own parts. None: one for
    each process."""
    seed: int = 0
    """Seed of everything random."""
