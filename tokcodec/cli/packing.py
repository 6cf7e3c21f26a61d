"""The command `tokcodec pack`: packs many files into one array file, and unpacks them."""

from __future__ import annotations

import os
from pathlib import Path

import click

from .console import PATH, STDIO, Bar, Report, report_options
from .inputs import expand
from .jobs import TOK_SUFFIX, Files, Job, read_tok, run


@click.command("pack")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=PATH)
@click.option("-o", "--output", metavar="PATH", type=PATH, help="Path of the pack, ending in .npz or .safetensors.")
@click.option("--unpack", is_flag=True, help="Write the files of the pack INPUT.")
@click.option("--output-dir", metavar="DIR", type=PATH, help="With --unpack: write the files to DIR.")
@click.option("-f", "--force", is_flag=True, help="Overwrite existing files.")
@click.option("--model", metavar="NAME", help="Name or folder of a model; see `tokcodec models list`.")
@report_options
def pack_command(
    inputs: tuple[str, ...],
    output: str | None,
    unpack: bool,
    output_dir: str | None,
    force: bool,
    model: str | None,
    report: Report,
) -> None:
    """Put the tokens of many files into one array file, for training.

    \b
      tokcodec pack toks -o tokens.npz
      tokcodec pack --unpack tokens.npz --output-dir toks

    Folders are searched for .tok files. np.load or safetensors reads the pack: tokens, counts, sizes and names.
    Use tokcodec dataset encode for millions of pictures.
    """
    if unpack:
        if output is not None or output_dir is None or len(inputs) != 1:
            raise click.UsageError("--unpack needs one pack, and --output-dir for its files.")
        if inputs[0] == STDIO:
            raise click.UsageError("--unpack needs a file: stdin ('-') cannot be searched.")
        with report.guard(inputs[0]):
            _unpack(inputs[0], Files(inputs, output_dir=output_dir, force=force), model, report)
        return
    if output is None or output_dir is not None:
        raise click.UsageError("Give --output.")
    from ..datasets.pack import SUFFIXES

    if Path(output).suffix not in SUFFIXES:
        raise click.UsageError(f"The name of a pack must end in {' or '.join(SUFFIXES)}, unlike {output!r}.")
    _pack(inputs, output, force, model, report)


def _pack(inputs: tuple[str, ...], output: str, force: bool, model: str | None, report: Report) -> None:
    from ..datasets.pack import Packer, write
    from ..models.registry import find_model
    from ..pictures.files import check_output
    from ..tokfile import read

    with report.guard(output, output):
        check_output(output, force=force)
    if report.failed:
        return
    paths = list(expand(inputs, report, [TOK_SUFFIX], recursive=True))
    packer = Packer()
    given_model = None if model is None else find_model(model)
    with Bar(len(paths), report) as bar:
        for path, name in paths:
            contents = None
            with report.guard(path):
                contents = read(read_tok(path), given_model)
                if contents.held != contents.declared:
                    report.note(path, contents.shortfall())
            if contents is not None:  # outside the guard: files of two models end the run
                packer.add(name.replace(os.sep, "/"), contents)
            bar.next()
    content = packer.finish()
    with report.guard(output, output):
        write(output, content, force=force)
        tiles, tokens = len(content.arrays["tokens"]), int(content.arrays["counts"].sum())
        report.say(f"{output} ({len(content)} files, {tiles} tiles, {tokens} tokens, {os.path.getsize(output)} bytes)")


def _unpack(source: str, files: Files, model: str | None, report: Report) -> None:
    from ..datasets.pack import find_packed_model, read
    from ..models.registry import find_model

    content = read(source)
    used_model = find_packed_model(content) if model is None else find_model(model)
    targets = [os.path.join(files.output_dir or "", name) for name in content.names]
    numbers = {target: number for number, target in enumerate(targets)}

    def work(job: Job, bar: Bar) -> tuple[bytes, str]:
        data = content.file(numbers[job.target], used_model)
        return data, f"{len(data)} bytes"

    run([Job(source, target) for target in targets], files, report, work)
