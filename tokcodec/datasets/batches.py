"""Turns batches of samples into batches of tokens and back, for `ray.data.Dataset.map_batches` and for loops.

    pictures.map_batches(Encoder, batch_format="pyarrow", fn_constructor_kwargs={"tokens": 64})
    for batch in pq.ParquetFile("pictures.parquet").iter_batches(128): table = encoder(batch)

The column `error` describes the error of a sample. The module `columns` describes all columns.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, TypeAlias

import pyarrow as pa

from ..codec import decode, encode
from ..errors import DeviceError, MissingPackageError, ModelFileError, UnknownModelError
from ..models.modelfile import Model
from ..models.registry import find_model
from ..options import DecodeOptions, EncodeOptions
from ..options import check_tokens as check_options_tokens
from ..pictures.images import picture_format, read_picture, write_picture
from ..pictures.limits import DEFAULT_MAX_PIXELS
from ..tokenizers import DTYPES, load_tokenizer
from ..tokenizers.look import LOOKS
from ..tokfile import read
from .bulk import encode_many
from .columns import ERROR, KEY, TOK, Coded, check_tokens, error_line, image_table, token_table
from .limits import DEFAULT_MAX_SAMPLE_BYTES
from .pack import token_dtype
from .sources.parquet import samples_of
from .sources.picture_column import find_column
from .sources.samples import Picture, Samples

Batch: TypeAlias = pa.Table | pa.RecordBatch
FATAL_ERRORS = DeviceError, MissingPackageError, ModelFileError, MemoryError
"""Errors not caused by a sample: raised instead of stored in its `error` column."""


class Encoder:
    """Pictures to tokens: turns a pyarrow table with a column of picture files into the table that `columns` describes.

    A column `key` names the samples.

    Args:
        column: column of the picture files, binary or a struct with `bytes` (None: found automatically).
        max_pixels: pixels of a picture at most; a larger one is an error of its sample.
        max_sample_bytes: bytes of a picture file at most; a larger one is an error of its sample.
        jobs: threads that read ahead, 0..64 (0: none, for processes that share the cores).
        options: the fields of `options.EncodeOptions`, such as `tokens` and `model`; only the container "tok".

    Raises:
        ValueError, TypeError: wrong arguments; TypeError also for a batch that is not a pyarrow table.
        UnknownModelError, ModelFileError: the model is not installed, or is damaged.
        SourceError: a batch has no column of pictures.
        DeviceError, MissingPackageError, MemoryError: the work cannot be done here.
    """

    def __init__(
        self,
        *,
        column: str | None = None,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        max_sample_bytes: int = DEFAULT_MAX_SAMPLE_BYTES,
        jobs: int = 0,
        **options: Any,
    ) -> None:
        self.column, self.max_pixels, self.max_sample_bytes, self.jobs = column, max_pixels, max_sample_bytes, jobs
        self.options = EncodeOptions(**options)
        if self.options.container != "tok":
            raise ValueError("data sets hold .tok files, not bare ones")
        self.settings = self.options.resolve()
        self.model = self.settings.model
        self.dtype = token_dtype(self.model)

    def __call__(self, batch: Batch) -> pa.Table:
        _check_batch(batch)
        column = find_column(batch.schema, self.column)
        return self.encode(samples_of(batch, column, max_sample_bytes=self.max_sample_bytes))

    def encode(self, samples: Samples) -> pa.Table:
        """Encode samples to a table, in their order. Raises FATAL_ERRORS."""
        coded = self._coded([picture for picture in samples.pictures if not isinstance(picture, Exception)])
        rows = []
        for key, picture in zip(samples.keys, samples.pictures, strict=True):
            found = picture if isinstance(picture, Exception) else next(coded)
            if isinstance(found, FATAL_ERRORS):
                raise found
            rows.append(Coded(error=error_line(key, found)) if isinstance(found, Exception) else found)
        return token_table(samples.keys, rows, samples.carried, self.dtype)

    def _coded(self, pictures: list[bytes]) -> Iterator[Coded | Exception]:
        if not self.settings.plain:
            yield from map(self._one, pictures)
            return
        streams = map(io.BytesIO, pictures)
        for found in encode_many(streams, self.options, max_pixels=self.max_pixels, jobs=self.jobs):
            if found.coded is None:
                yield found.error or RuntimeError("no tokens")
            else:
                flat = found.coded.reshape(-1).astype(self.dtype)
                yield Coded(found.data, found.width, found.height, found.tiles, flat)

    def _one(self, data: bytes) -> Coded | Exception:
        """Encode one picture, since a target needs a search for each."""
        try:
            picture = read_picture(
                io.BytesIO(data), max_pixels=self.max_pixels, background=self.options.background, warn=_silent
            )
            made = encode(picture, **vars(self.options), warn=_silent)
            contents = read(made, self.model)
            # -1, where a tile has fewer tokens, becomes the largest value of the type: that is FILL
            flat = contents.coded.astype(self.dtype).reshape(-1)
            return Coded(made, *picture.size, contents.tiles, flat)
        except Exception as error:  # `encode` knows which ones to raise
            return error


class Decoder:
    """Tokens to pictures: turns a table with a column `tok` into one with `image`, a struct of `bytes` and `path`.

    Width, height, key and the other columns stay.

    Args:
        format: format of the pictures: "png", "webp" (lossless), "jpg", or another that `decode` writes.
        options: the fields of `options.DecodeOptions`, such as `look` and `device`.

    Raises:
        ValueError, TypeError: wrong arguments; TypeError also for a batch that is not a pyarrow table.
        UnknownModelError, ModelFileError: the model is not installed, or is damaged; without `model` also when called.
        SourceError: a batch has no column `tok`.
        DeviceError, MissingPackageError, MemoryError: the work cannot be done here.
    """

    def __init__(self, *, format: str = "png", **options: Any) -> None:
        self.suffix = picture_format(None, format)
        self.options = DecodeOptions(**options)
        model = None if self.options.model is None else find_model(self.options.model)
        check_decoding(self.options, model)
        self.installed = model is not None  # then a file that needs another model is at fault

    def __call__(self, batch: Batch) -> pa.Table:
        _check_batch(batch)
        check_tokens(batch.schema)
        columns = {name: batch.column(name) for name in batch.schema.names}
        size = len(batch)
        keys = columns[KEY].to_pylist() if KEY in columns else [None] * size
        errors = columns[ERROR].to_pylist() if ERROR in columns else [None] * size
        pictures: list[bytes | None] = []
        for i, (key, data) in enumerate(zip(keys, columns[TOK].to_pylist(), strict=True)):
            picture: Picture | None = None
            if errors[i] is None:
                picture = self._one(data)
            if isinstance(picture, Exception):
                errors[i], picture = error_line(key or "", picture), None
            pictures.append(picture)
        return image_table(columns, pictures, errors, self.suffix)

    def _one(self, data: bytes | None) -> Picture:
        try:
            picture = decode(data or b"", **vars(self.options), warn=_silent)
            stream = io.BytesIO()
            write_picture(picture, stream, self.suffix)
            return stream.getvalue()
        except FATAL_ERRORS:
            raise
        except UnknownModelError as error:
            if not self.installed:
                raise
            return error
        except Exception as error:
            return error


def check_decoding(options: DecodeOptions, model: Model | None) -> None:
    """Raise ValueError for options with which no file can be decoded. `model`: that of the files, if known."""
    if options.container != "tok" or options.size is not None:
        raise ValueError("data sets hold .tok files, not bare ones")
    if options.dtype not in DTYPES:
        raise ValueError(f"dtype must be {' or '.join(DTYPES)}, not {options.dtype!r}")
    if options.look not in (None, *LOOKS):
        raise ValueError(f"look must be {' or '.join(LOOKS)}, not {options.look!r}")
    if options.tokens is not None and options.tokens < 1:
        raise ValueError(f"tokens must be at least 1, not {options.tokens}")
    if model is not None:
        check_options_tokens(options.tokens, model)
        if options.look is not None:
            with suppress(MissingPackageError):  # workers elsewhere may have it
                load_tokenizer(model, "cpu").check_look(options.look)


def _check_batch(batch: object) -> None:
    if not isinstance(batch, (pa.Table, pa.RecordBatch)):
        raise TypeError(f"batches are pyarrow tables, not {type(batch).__name__}: map_batches(batch_format='pyarrow')")


def _silent(text: str) -> None:
    pass
