"""The command `tokcodec`: files to files, options to arguments; never codes anything itself."""

from __future__ import annotations

from .main import cli

__all__ = ["cli"]
