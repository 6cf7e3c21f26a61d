"""The training tiles of a process: its share of the photographs, and the crops of each step."""

from __future__ import annotations

from collections.abc import Sequence, Set
from pathlib import Path

import numpy as np
import torch

from ...errors import PictureError
from ..data import load_pictures, random_crop
from .ranks import Ranks
from .settings import LEAST_PICTURES, Training1d


class Samples:
    """The training tiles of a process.

    Photograph i belongs to shard i modulo the number of shards. A step's batch is divided evenly among the shards, and
    the crop at each place depends on seed, step and place alone. So two processes train like one with twice the batch.

    Args:
        sources: folders, tar archives or Parquet files of photographs.
        exclude: digests of photographs that are left out.
        tile: samples along a tile's side.
        training: settings.
        ranks: this process.

    Raises:
        PictureError: there are fewer than LEAST_PICTURES usable photographs.
        ValueError: the batch cannot be divided among the shards.
    """

    def __init__(
        self, sources: Sequence[Path], exclude: Set[bytes], tile: int, training: Training1d, ranks: Ranks
    ) -> None:
        self.tile, self.training, self.ranks = tile, training, ranks
        self.batch = training.batch * ranks.world
        self.places = range(ranks.rank * training.batch, (ranks.rank + 1) * training.batch)
        shards = training.shards or ranks.world
        if self.batch % shards or shards % ranks.world:
            raise ValueError(f"{shards} shards do not fit {ranks.world} processes and batches of {self.batch}")
        self._per_shard = self.batch // shards
        own = range(self.places.start // self._per_shard, -(-self.places.stop // self._per_shard))
        self.pictures = {
            shard: load_pictures(sources, exclude, tile, part=(shard, shards), least=0) for shard in own
        }
        found = torch.tensor([sum(map(len, self.pictures.values()))], device=ranks.device)
        self.count = int(ranks.sum(found))
        if self.count < LEAST_PICTURES or not all(self.pictures.values()):
            raise PictureError(
                f"{', '.join(map(str, sources))}: {self.count} usable photographs (short side at least {tile} pixels); "
                f"training needs at least {LEAST_PICTURES}: give more, or a smaller --tile"
            )

    def crop(self, step: int, place: int) -> torch.Tensor:
        """The tile at a place of a step's batch: float32 3 x T x T in [0, 1]."""
        rng = np.random.default_rng([self.training.seed, 21, step, place])
        pictures = self.pictures[place // self._per_shard]
        picture = pictures[rng.integers(0, len(pictures))].to(self.ranks.device)  # a GPU crops it, too
        crop = random_crop(picture, rng, tile=self.tile).clamp_(0, 1)
        return crop.flip(-1) if rng.random() < 0.5 else crop

    def tiles(self, step: int) -> torch.Tensor:
        """The tiles of a step: float32 batch x 3 x T x T in [0, 1]."""
        return torch.stack([self.crop(step, place) for place in self.places])
