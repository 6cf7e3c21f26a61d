"""The interface of tokenizers, which turn square tiles into ordered tokens and back."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..pictures.tiling import TILE
from .arrays import Array


class Tokenizer(ABC):
    """A trained model. Takes NumPy arrays or torch tensors and returns the same kind, on the same device.

    Encoding may give other tokens on another device. Decoding the same tokens differs by rounding only.
    """

    n_tokens: int
    """Tokens of a whole tile."""

    tile: int = TILE
    """Samples along a tile's side, T below: one of `limits.TILE_SIDES`. The model's manifest has the same."""
    device: str = "cpu"
    """Device of the arithmetic, as torch names it."""
    looks: tuple[str, ...] = ("fidelity",)
    """Ways to draw tokens, the default first: `perceptual` looks most natural, `fidelity` has the least error."""
    model_name: str = ""
    """Name of the model in error messages. Set when it is loaded."""
    token_values: int | None = None
    """Number of values of a token. Set when it is loaded."""
    batch: int = 32
    """Number of tiles coded between two reports of progress. Models that take seconds for a tile set fewer."""
    tile_by_tile: bool = False
    """Whether several threads may call it at once, and a batch of tiles is drawn no faster than single tiles."""
    package: str = ""
    """The family, if it is part of another package. Set when it is loaded."""
    mends: bool = False
    """Whether the fidelity look has a smaller error than `encode_curves` predicts. Plug-ins may set it."""

    @abstractmethod
    def encode(self, x: Array, count: int | None = None, scale: int = 0) -> Array:
        """Turn tiles into tokens.

        Args:
            x: tiles, float N x 3 x T x T in [0, 1].
            count: number of first tokens, 1..n_tokens (None: all). Fewer may take less time.
            scale: the model's set of codewords, see `tiling.Grid.scale`. Ignored by a model with a single set.

        Returns:
            Tokens, int64 N x count.

        Raises:
            ValueError: another shape or count.
        """

    def encode_curves(self, x: Array, count: int | None = None, scale: int = 0) -> tuple[Array, Array] | None:
        """Turn tiles into tokens, and give the error after each token.

        Args:
            x: as in `encode`.
            count: as in `encode`.
            scale: as in `encode`.

        Returns:
            Tokens, int64 N x count, and errors, float32 N x (count + 1): the squared error of a tile, summed over
            pixels and channels in [0, 1], after its first 0, 1, ... count tokens. None if the errors cannot be known
            without decoding.
        """
        return None

    @abstractmethod
    def decode(self, tokens: Array, look: str | None = None, scale: int = 0) -> Array:
        """Draw tiles from their first tokens.

        Args:
            tokens: int N x k, 1 <= k <= n_tokens.
            look: one of `looks` (None: the first).
            scale: as in `encode`.

        Returns:
            Tiles, float32 N x 3 x T x T in [0, 1].

        Raises:
            ValueError: another look or shape, or a token outside the codebook.
        """

    def decode_strip(self, tokens: Array, look: str | None = None, scale: int = 0, axis: int = 2) -> Array:
        """Draw tiles as `decode` does, of which only one line of pixels is shown. Tokenizers may do less work for it.

        Args:
            tokens: as in `decode`.
            look: as in `decode`.
            scale: as in `decode`.
            axis: the axis across the line: 2 for a row of pixels, 3 for a column.
        """
        return self.decode(tokens, look, scale)

    def check_tiles(self, x: Array) -> None:
        """Raise ValueError unless `x` is float N x 3 x T x T."""
        if x.ndim != 4 or tuple(x.shape[1:]) != (3, self.tile, self.tile) or not _is_float(x):
            raise ValueError(f"tiles must be float N x 3 x {self.tile} x {self.tile}, not {x.dtype} {tuple(x.shape)}")

    def check_count(self, count: int | None) -> int:
        """`count`, or n_tokens for None. Raises ValueError outside 1..n_tokens."""
        if count is not None and not 1 <= count <= self.n_tokens:
            raise ValueError(f"count must be 1..{self.n_tokens}, not {count}")
        return self.n_tokens if count is None else count

    def check_tokens(self, tokens: Array, vocabulary: int) -> None:
        """Raise ValueError unless `tokens` is integer N x k, 1 <= k <= n_tokens, with values in [0, vocabulary)."""
        if tokens.ndim != 2 or not 1 <= tokens.shape[1] <= self.n_tokens or _is_float(tokens):
            raise ValueError(
                f"tokens must be integer N x k, 1 <= k <= {self.n_tokens}, not {tokens.dtype} {tuple(tokens.shape)}"
            )
        if len(tokens) and not 0 <= int(tokens.min()) <= int(tokens.max()) < vocabulary:
            raise ValueError(f"tokens must lie in 0..{vocabulary - 1}")

    def check_look(self, look: str | None) -> str:
        """`look`, or the first look for None. Raises ValueError if the model does not have it."""
        if look is not None and look not in self.looks:
            raise ValueError(f"look must be {' or '.join(self.looks)} for this model, not {look!r}")
        return look or self.looks[0]


def _is_float(x: Array) -> bool:
    return "float" in str(x.dtype)
