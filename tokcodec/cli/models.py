"""The commands `tokcodec models ...`, which list, show, import, export and remove models."""

from __future__ import annotations

import json
import logging
from typing import Any

import click

from ..errors import printable
from .console import PATH, STDIO, Bar, Report, need_stdout, report_options
from .jobs import check_stdout, write_stdout
from .options import device_option, force_option, output_option, tokens_type

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")


@click.group()
def models() -> None:
    """List, show, import and remove models."""


@models.command("list")
@json_option
@report_options
def list_models(as_json: bool, report: Report) -> None:
    """Print a line for every installed model."""
    from ..models.registry import DEFAULT_MODEL, damaged, describe, installed

    need_stdout()
    for model in installed():
        if as_json:
            click.echo(json.dumps(describe(model)))
        else:
            default = ", the default" if model.name == DEFAULT_MODEL else ""
            line = f"{model.name} (id {model.id:02x}{default}): {model.n_tokens} tokens, {model.description}"
            click.echo(printable(line))
    for text in damaged().values():
        report.error(None, text)


@models.command("show")
@click.argument("name")
@json_option
@report_options
def show_model(name: str, as_json: bool, report: Report) -> None:
    """Print the properties of a model, and check that its files are intact."""
    from ..models.registry import describe, find_model

    need_stdout()
    model = find_model(name)
    facts = describe(model)
    click.echo(json.dumps(facts) if as_json else _listing(facts))
    with report.guard(name):
        model.verify()


def _listing(facts: dict[str, Any]) -> str:
    def text(value: Any) -> str:
        if isinstance(value, bool):
            return "yes" if value else "no"
        return " x ".join(map(str, value)) if isinstance(value, list) else str(value)

    return "\n".join(printable(f"{key.replace('_', ' ') + ':':16}{text(value)}") for key, value in facts.items())


@models.command("import")
@click.argument("source")
@click.option("--name", required=True, help="Name of the model.")
@click.option("--vae", metavar="SOURCE", help="The autoencoder of FLUX.2, for flux2-1d-tokenizer.")
@click.option("--base", "other_look", metavar="SOURCE", help="Its checkpoint `base`, where SOURCE is `sharp`: a look.")
@click.option(
    "--target-error",
    type=click.FloatRange(0, 1),
    metavar="ERROR",
    help="Mean absolute error of pixels in 0..1 for which KARL keeps tokens; default: 0.05.",
)
@click.option("--fit-tables", metavar="DIR", type=PATH, help="Fit the entropy tables to these pictures.")
@click.option("--licence", help="Licence of the weights; default: the one in their card.")
@click.option("-f", "--force", is_flag=True, help="Replace an imported model of the same name.")
@report_options
def import_model(
    source: str,
    name: str,
    vae: str | None,
    other_look: str | None,
    target_error: float | None,
    fit_tables: str | None,
    licence: str | None,
    force: bool,
    report: Report,
) -> None:
    """Import a published tokenizer: One-D-Piece, TiTok, FlexTok, flux2-1d-tokenizer, CoD-Lite, KARL or ResTok.

    SOURCE is a folder with one checkpoint, such a file (safetensors, or a state dict of PyTorch), or hf:ORG/NAME or
    hf:ORG/NAME:FILE, which is downloaded. The kind of tokenizer is found from the entries of the checkpoint.
    """
    from pathlib import Path

    from ..tokenizers import importing

    logging.basicConfig(format="tokcodec: %(message)s", level=logging.ERROR if report.quiet else logging.WARNING)
    try:
        model = importing.import_model(
            source,
            name,
            vae=vae,
            other_look=other_look,
            target_error=target_error,
            fit_tables=Path(fit_tables) if fit_tables else None,
            licence=licence,
            overwrite=force,
        )
    except ValueError as error:
        from ..errors import TokError

        raise error if isinstance(error, TokError) else click.UsageError(str(error)) from error
    report.say(f"{source} -> {model.path} ({model.description})")


@models.command("fit-tables")
@click.argument("pictures", type=PATH, metavar="PHOTOS")
@click.option("--model", "source", required=True, metavar="NAME", help="Model whose tables are learned.")
@click.option("--name", help="Name of the new model; default: that of the old one, which needs --force.")
@device_option
@click.option("-f", "--force", is_flag=True, help="Replace the model: its files need the old tables to be read.")
@report_options
def fit_tables(pictures: str, source: str, name: str | None, device: str, force: bool, report: Report) -> None:
    """Learn the entropy tables of a model from a folder of photographs, so that its files become smaller.

    The result is another model: files that were made with the old one still need the old one.

    \b
      tokcodec models fit-tables PHOTOS --model odp-s --name odp-s-fitted
    """
    from pathlib import Path

    from ..models.registry import find_model
    from ..tokenizers.fitting import refit

    logging.basicConfig(format="tokcodec: %(message)s", level=logging.ERROR if report.quiet else logging.WARNING)
    with Bar(1, report) as bar:
        model, before, after = refit(
            find_model(source), Path(pictures), name, device=device, overwrite=force, progress=bar
        )
    report.say(f"{source} -> {model.path} ({before:.2f} -> {after:.2f} bits per token on these pictures)")


@models.command("export-web")
@click.argument("name")
@click.option(
    "--tokens", type=tokens_type, metavar="N", help="Export the first N tokens of a tile; default: the model's default."
)
@click.option(
    "--scales",
    type=click.Choice(["first", "all"]),
    default="first",
    show_default=True,
    help="first: large tiles only (previews); all: small tiles too.",
)
@click.option(
    "--network/--no-network", default=None, help="Include the network of a look; default: if the model has a light one."
)
@click.option("--look", metavar="LOOK", help="Look of the network; default: light.")
@click.option(
    "--first",
    type=tokens_type,
    metavar="N",
    help="Write parts, which a page fetches when it needs them: the first N tokens, the rest, and the network.",
)
@output_option
@force_option
@report_options
def export_web(
    name: str,
    tokens: int | None,
    scales: str,
    network: bool | None,
    look: str | None,
    first: int | None,
    output: str | None,
    force: bool,
    report: Report,
) -> None:
    """Write a model for tok.js, to decode and encode in browsers.

    \b
      tokcodec models export-web base-3 --tokens 64 -o base-3-64.tokm
      tokcodec models export-web base-3 --tokens 64 --first 8
          # writes base-3-64.first.tokm, base-3-64.rest.tokm and base-3-64.network.tokm
    """
    from ..models.registry import find_model
    from ..pictures.files import check_output, write_atomic
    from ..tokenizers.look import LIGHT
    from ..tokenizers.web import looks_of, pack_web, pack_web_parts

    model = find_model(name)
    count = model.default_tokens if tokens is None else tokens
    target = output or f"{model.name}-{count}.tokm"
    if look is not None and network is False:
        raise click.UsageError("--look cannot be used with --no-network.")
    if first is not None and target == STDIO:
        raise click.UsageError("--first writes several files: give -o a path.")
    if first is not None and first > count:
        raise click.UsageError(f"--first must be 1..{count}, the tokens of all parts.")
    if target == STDIO:
        check_stdout(force)
    if network is None:
        network = look is not None or LIGHT in looks_of(model)
    chosen = (look or LIGHT) if network else None
    files: dict[str, bytes] = {}
    note = f", {count} tokens" if first is None else ""
    with report.guard(target, target):
        if first is None:
            files[target] = pack_web(model, count, all_scales=scales == "all", look=chosen)
        else:
            parts = pack_web_parts(model, first, count, all_scales=scales == "all", look=chosen)
            files = {f"{target.removesuffix('.tokm')}.{part}.tokm": data for part, data in parts.items()}
    if target == STDIO and files:
        with report.guard(target, target):
            write_stdout(files[target])
        return
    for path in files:
        with report.guard(path, path):
            check_output(path, force=force)
    for path, data in files.items() if not report.failed else ():
        with report.guard(path, path):
            write_atomic(path, data, force=force)
            report.say(f"{model.name} -> {path} ({len(data)} bytes{note})")


@models.command("remove")
@click.argument("name")
@report_options
def remove_model(name: str, report: Report) -> None:
    """Delete a model that was imported."""
    from ..models import registry

    report.say(f"removed {registry.remove_model(name)}")
