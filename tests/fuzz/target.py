"""A target for atheris, the coverage-guided fuzzer for Python: see the README beside this file."""

from __future__ import annotations

import sys


def check_one(data: bytes) -> None:
    """Read the bytes as a file, unchanged and with a valid header. Anything but a TokError is a bug."""
    from bench.studies.fuzz.mutants import repair  # here, where their imports can be instrumented first
    from bench.studies.fuzz.outcomes import examine
    from tokcodec.models.registry import find_model

    examine(data)
    examine(repair(data, find_model().hash))


def main() -> None:
    """Run atheris with the arguments of the command line."""
    import atheris

    with atheris.instrument_imports(include=["tokcodec"]):
        import tokcodec.codec
        import tokcodec.container.entropy  # noqa: F401
    atheris.Setup(sys.argv, check_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
