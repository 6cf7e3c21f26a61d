"""What every tokenizer offers: square tiles to ordered tokens and back."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..pictures.tiling import TILE
from .arrays import Array


class Tokenizer(ABC):
    """A trained model. Takes NumPy arrays or torch tensors and returns the same kind, on the same device.

    Encoding may differ between devices; decoding the same tokens differs by rounding. scale: which of the model's sets
    of codewords, see `tiling.Grid.scale`; a model without such sets takes any.
    """

    n_tokens: int
    """Tokens of a whole tile."""

    tile: int = TILE
    """Samples along a tile's side, T below: one of `limits.TILE_SIDES`, and as the model's manifest says."""
    device: str = "cpu"
    """Where it computes, in torch's words."""
    looks: tuple[str, ...] = ("fidelity",)
    """How tokens can be drawn, the default first: `perceptual` pleases the eye, `fidelity` has the least error."""
    model_name: str = ""
    """Set when it is loaded, as the next one: of the model in error messages."""
    token_values: int | None = None
    """Values that a token of the model can have."""
    tile_by_tile: bool = False
    """Whether several threads may call it at once, and a batch of tiles is drawn no faster than single ones."""
    package: str = ""
    """The family, if another package brings it; set when it is loaded."""
    mends: bool = False
    """Whether the fidelity look has a smaller error than `encode_curves` predicts, thanks to its network.

    Plug-ins may set it.
    """

    @abstractmethod
    def encode(self, x: Array, count: int | None = None, scale: int = 0) -> Array:
        """Turn tiles into their first `count` tokens: float N x 3 x T x T in [0, 1] -> int64 N x count.

        count: 1..n_tokens (None: all), ValueError for another; fewer may take less time.
        """

    def encode_curves(self, x: Array, count: int | None = None, scale: int = 0) -> tuple[Array, Array] | None:
        """Tokens as `encode` makes them, and what every one of them is worth; None where that would take decoding.

        Returns int64 N x count, and float32 N x (count + 1): the squared error of a tile, summed over pixels and
        channels in [0, 1], after the first 0, 1, ... count tokens.
        """
        return None

    @abstractmethod
    def decode(self, tokens: Array, look: str | None = None, scale: int = 0) -> Array:
        """Draw the first k tokens of tiles: int N x k, 1 <= k <= n_tokens -> float32 N x 3 x T x T in [0, 1].

        look: one of `looks` (None: the first). Raises ValueError for another look or shape, or a token outside the
        codebook.
        """

    def decode_strip(self, tokens: Array, look: str | None = None, scale: int = 0, axis: int = 2) -> Array:
        """Draw tiles of which one line of pixels is shown: as `decode`, perhaps with less work.

        axis: the axis across the line, 2 for a row of pixels and 3 for a column. Plug-ins may override it.
        """
        return self.decode(tokens, look, scale)

    def check_tiles(self, x: Array) -> None:
        """Raise ValueError unless `x` is float N x 3 x T x T."""
        if x.ndim != 4 or tuple(x.shape[1:]) != (3, self.tile, self.tile) or not _is_float(x):
            raise ValueError(f"tiles must be float N x 3 x {self.tile} x {self.tile}, not {x.dtype} {tuple(x.shape)}")

    def check_count(self, count: int | None) -> int:
        """The number of tokens that is meant. Raises ValueError outside of 1..n_tokens."""
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
        """The look that is meant. Raises ValueError for one that the model does not have."""
        if look is not None and look not in self.looks:
            raise ValueError(f"look must be {' or '.join(self.looks)} for this model, not {look!r}")
        return look or self.looks[0]


def _is_float(x: Array) -> bool:
    return "float" in str(x.dtype)
