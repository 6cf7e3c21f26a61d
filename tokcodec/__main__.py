"""The command, for `tokcodec` and `python -m tokcodec`."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command. While it loads, Ctrl-C ends the process without a message, since no work has started."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # `cli` sets its own
    from .cli.main import cli

    cli(prog_name="tokcodec")


if __name__ == "__main__":
    main()
