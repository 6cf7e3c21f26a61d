"""`python -m tokcodec`: the command."""

from __future__ import annotations

from .cli.main import cli

if __name__ == "__main__":
    cli(prog_name="tokcodec")
