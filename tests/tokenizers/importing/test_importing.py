"""Importing checkpoints: accepted and refused files, and the written model."""

from __future__ import annotations

import argparse
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, safe_open, save_file  # noqa: E402

from tests.tokenizers.importing.tiny import torch_file  # noqa: E402
from tokcodec.container.tables import FrequencyTables  # noqa: E402
from tokcodec.errors import ModelFileError, OutputError, PictureError, TokError, UnknownModelError  # noqa: E402
from tokcodec.models import registry  # noqa: E402
from tokcodec.models.registry import describe, remove_model  # noqa: E402
from tokcodec.tensorfile import read_about  # noqa: E402
from tokcodec.tokenizers import importing  # noqa: E402
from tokcodec.tokenizers.importing import import_model  # noqa: E402
from tokcodec.tokenizers.published.catalogue import load  # noqa: E402
from tokcodec.tokenizers.published.titok import Titok  # noqa: E402

# ---- what is written


def test_a_folder_becomes_a_model(checkpoint: Path, weights: Any, place: Path) -> None:
    (checkpoint / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Tiny\n")
    model = import_model(checkpoint, "tiny")
    assert model.path == place / "tiny"
    assert (model.family, model.n_tokens, model.radices) == ("titok", 4, (4096,))
    assert (model.ordered, model.default_tokens, model.licence) == (True, 3, "apache-2.0")
    assert "three tokens are kept by default" in model.description
    assert registry.find_model("tiny") == model
    model.verify()
    assert model.tables[0].to_bytes() == FrequencyTables.uniform(4, (4096,)).to_bytes()

    stored = load_file(model.weights_path)
    assert stored.keys() == weights.keys()
    assert all(torch.equal(stored[name], weights[name]) for name in weights)
    with safe_open(model.weights_path, framework="pt") as file:
        metadata = file.metadata()
    assert read_about(metadata) == {
        "family": "titok", "variant": "tiny", "tokens": "4", "codebook": "4096x12", "licence": "apache-2.0",
        "source": "Tiny",
    }  # fmt: skip


def test_safetensors_and_pickle_give_the_same_model(checkpoint: Path, weights: Any, tmp_path: Path) -> None:
    one = import_model(checkpoint / "model.safetensors", "one", licence="mine")
    two = import_model(torch_file(tmp_path, weights), "two")
    assert one.hash == two.hash
    assert (one.licence, two.licence) == ("mine", "not stated")
    tiles = torch.rand(1, 3, 256, 256)
    assert torch.equal(load(one, torch.device("cpu"), torch.float32).encode(tiles), Titok(weights).encode(tiles))


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "_orig_mod.module.", "module._orig_mod."])
def test_the_prefixes_of_wrappers_are_left_out(checkpoint: Path, weights: Any, tmp_path: Path, prefix: str) -> None:
    plain = import_model(checkpoint, "plain")
    wrapped = import_model(torch_file(tmp_path, {prefix + name: entry for name, entry in weights.items()}), "wrapped")
    assert wrapped.hash == plain.hash
    part = {name.replace("decoder.", f"decoder.{prefix}", 1): entry for name, entry in weights.items()}
    assert import_model(torch_file(tmp_path, part), "part").hash == plain.hash


def test_entries_with_and_without_a_prefix_are_refused(weights: Any, tmp_path: Path) -> None:
    twice = {**weights, "module.latent_tokens": weights["latent_tokens"]}
    with pytest.raises(ModelFileError, match="entries twice"):
        import_model(torch_file(tmp_path, twice), "twice")


def test_only_decoding_weights_make_the_hash(weights: Any, tmp_path: Path) -> None:
    base = import_model(torch_file(tmp_path, weights), "base").hash
    for entry, same in (("encoder.conv_out.bias", True), ("latent_tokens", True), ("decoder.mask_token", False),
                        ("quantize.embedding.weight", False), ("pixel_quantize.embedding.weight", False),
                        ("pixel_decoder.conv_out.bias", False)):  # fmt: skip
        changed = {**weights, entry: weights[entry] + 1}
        hash_ = import_model(torch_file(tmp_path, changed), "changed", overwrite=True).hash
        assert (hash_ == base) == same, entry


def test_precision_is_kept_where_numpy_has_it(weights: Any, tmp_path: Path) -> None:
    for dtype, stored in (
        (torch.float16, torch.float16),
        (torch.bfloat16, torch.float32),
        (torch.float64, torch.float32),
    ):
        half = {name: entry.to(dtype) for name, entry in weights.items()}
        model = import_model(torch_file(tmp_path, half), "half", overwrite=True)
        assert {entry.dtype for entry in load_file(model.weights_path).values()} == {stored}
        assert (
            load(model, torch.device("cpu"), torch.float32).decode(torch.zeros(1, 1, dtype=torch.int64)).dtype
            == torch.float32
        )


def test_views_and_shared_memory_are_written_whole(weights: Any, tmp_path: Path) -> None:
    tangled = {**weights, "encoder.ln_pre.weight": weights["encoder.ln_post.weight"]}
    tangled["decoder.decoder_embed.weight"] = weights["decoder.decoder_embed.weight"].T.contiguous().T
    stored = load_file(import_model(torch_file(tmp_path, tangled), "tangled").weights_path)
    assert all(torch.equal(stored[name], tangled[name]) for name in tangled)


def test_tables_are_fitted_on_pictures(checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    random = np.random.default_rng(0)
    for i, name in enumerate(("a.png", "b.png", "more/c.png")):
        picture = random.integers(0, 256, (3 + i, 4, 3), dtype=np.uint8)
        Image.fromarray(picture).resize((300, 270 + 40 * i)).save(folder / name)
    (folder / "broken.png").write_bytes((folder / "a.png").read_bytes()[:100])
    (folder / ".hidden").write_bytes(b"ignored")
    model = import_model(checkpoint, "fitted", fit_tables=folder)
    assert "broken.png: skipped" in caplog.text and "hidden" not in caplog.text

    square = Image.open(folder / "more/c.png").crop((0, 25, 300, 325)).resize((256, 256), Image.Resampling.BICUBIC)
    tile = torch.from_numpy(np.array(square)).permute(2, 0, 1)[None].float() / 255
    tokens = load(model, torch.device("cpu"), torch.float32).encode(tile).numpy()
    uniform = FrequencyTables.uniform(4, (4096,))
    assert (model.tables[0].bits(tokens) < uniform.bits(tokens) - 1).all()  # all of its tokens were seen once in three
    assert model.hash != import_model(checkpoint, "uniform").hash


def test_tables_need_a_picture(checkpoint: Path, tmp_path: Path, place: Path) -> None:
    with pytest.raises(PictureError, match="no picture to fit tables on"):
        import_model(checkpoint, "tiny", fit_tables=tmp_path / "nowhere")
    assert not place.exists()


# ---- what is refused


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    ("protocol", "reason"),
    [("zip", r"names \w+\.mkdir"), ("legacy", r"names \w+\.mkdir"), ("plain", ".*would run code")],
)
def test_a_pickle_that_would_run_code_is_refused(
    weights: Any, tmp_path: Path, place: Path, protocol: str, reason: str
) -> None:
    content = {**weights, "hook": Evil(tmp_path / "was-here")}
    file = tmp_path / "pytorch_model.bin"
    if protocol == "plain":
        file.write_bytes(pickle.dumps({"hook": content["hook"]}))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=protocol == "zip")
    with pytest.raises(ModelFileError, match=r"pytorch_model\.bin: refused: the pickle " + reason):
        import_model(file, "evil")
    assert not (tmp_path / "was-here").exists()
    assert not place.exists()


@pytest.mark.parametrize("content", [[1, 2], {"latent_tokens": 3}, {"state_dict": {}}, {1: 2}, {}])
def test_a_pickle_of_other_things_is_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(ModelFileError, match=r"pytorch_model\.bin: (not a state dict|holds a list|not a known)"):
        import_model(torch_file(tmp_path, content), "other")


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 100, 1000, 100_000, -100_000, -100, -1])
def test_cut_files_are_refused(checkpoint: Path, weights: Any, name: str, length: int) -> None:
    file = checkpoint / name if name.endswith("safetensors") else torch_file(checkpoint, weights)
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(ModelFileError, match=f"{name}: (not readable as|refused: the pickle is damaged)"):
        import_model(file, "cut")


@pytest.mark.parametrize("name", ["x.safetensors", "x.bin"])
@pytest.mark.parametrize("seed", range(5))
def test_garbage_is_refused(tmp_path: Path, name: str, seed: int) -> None:
    (tmp_path / name).write_bytes(np.random.default_rng(seed).bytes(300))
    with pytest.raises(ModelFileError):
        import_model(tmp_path / name, "garbage")


def test_a_misfit_is_named(weights: Any, tmp_path: Path) -> None:
    misfit = {name: entry for name, entry in weights.items() if name != "decoder.mask_token"}
    with pytest.raises(ModelFileError, match=r"bin: does not fit Tiny-4: missing: decoder\.mask_token$"):
        import_model(torch_file(tmp_path, misfit), "misfit")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("GPSToken", "its tokens are real numbers"),
        ("semanticist-l", "its tokens are real numbers"),
        ("VibeToken", "96 bits, and a token of the format has at most 31 bits"),
        ("SelftokTokenizer", "a tile has 512 or 1024 tokens, and the format has at most 256"),
        ("BitDance", "its tokens have 32 to 256 bits"),
    ],
)
def test_what_breaks_a_limit_says_which(tmp_path: Path, name: str, reason: str) -> None:
    save_file({"encoder.weight": torch.zeros(2)}, tmp_path / f"{name}.safetensors")
    with pytest.raises(ModelFileError, match=f"does not fit into .tok files: .*{reason}"):
        import_model(tmp_path / f"{name}.safetensors", "large")


def test_what_breaks_a_limit_is_not_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "download", lambda source: pytest.fail("fetched"))
    with pytest.raises(ModelFileError, match="VibeToken does not fit"):
        import_model("hf:someone/VibeToken", "large")


def test_a_single_file_of_any_name_is_found_and_several_are_listed(tmp_path: Path, weights: Any) -> None:
    torch.save({"state_dict": weights}, tmp_path / "epoch-3.pt")
    model = import_model(tmp_path, "one")
    assert model.hash == import_model(torch_file(tmp_path, weights), "same").hash
    (tmp_path / "pytorch_model.bin").rename(tmp_path / "other.pth")
    with pytest.raises(UnknownModelError, match=r"holds several checkpoints: give one of epoch-3\.pt, other\.pth"):
        import_model(tmp_path, "two")


@pytest.mark.parametrize("root", ["net.", "ema_denoiser."])
def test_the_inference_network_of_a_training_is_taken(tmp_path: Path, weights: Any, root: str) -> None:
    plain = import_model(torch_file(tmp_path, weights), "plain").hash
    content = {root + name: entry for name, entry in weights.items()} | {"discriminator.weight": torch.zeros(1)}
    assert import_model(torch_file(tmp_path, content), "inside").hash == plain


def test_the_averaged_network_is_taken_from_a_file_with_options(tmp_path: Path, weights: Any) -> None:
    plain = import_model(torch_file(tmp_path, weights), "plain").hash
    other = {name: entry + 1 for name, entry in weights.items()}
    options = argparse.Namespace(epochs=3, path=["a"])
    content = {"model": other, "ema": weights, "epoch": 2, "args": options}
    assert import_model(torch_file(tmp_path, content), "averaged").hash == plain


def test_vectors_may_have_axes_of_length_1(tmp_path: Path, weights: Any) -> None:
    content = {**weights, "encoder.class_embedding": weights["encoder.class_embedding"][None]}
    plain, other = (import_model(torch_file(tmp_path, part), name) for part, name in ((weights, "a"), (content, "b")))
    assert plain.hash == other.hash
    load(other, torch.device("cpu"), torch.float32)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_must_be_finite(weights: Any, tmp_path: Path, value: float) -> None:
    broken = {**weights, "latent_tokens": weights["latent_tokens"].clone()}
    broken["latent_tokens"][1, 2] = value
    with pytest.raises(ModelFileError, match="`latent_tokens` holds values that are not finite"):
        import_model(torch_file(tmp_path, broken), "broken")


def test_sources_without_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="no such file or folder"):
        import_model(tmp_path / "nowhere", "x")
    with pytest.raises(UnknownModelError, match=r"holds neither model\.safetensors nor pytorch_model\.bin"):
        import_model(tmp_path, "x")
    (tmp_path / "model.safetensors.index.json").touch()
    with pytest.raises(ModelFileError, match="split into several files"):
        import_model(tmp_path, "x")


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a b", "x" * 65])
def test_bad_names_are_refused_first(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="name") as caught:
        import_model(tmp_path / "nowhere", name)
    assert not isinstance(caught.value, TokError)


def test_a_taken_name_is_kept(checkpoint: Path, place: Path, tmp_path: Path) -> None:
    import_model(checkpoint, "tiny", licence="first")
    with pytest.raises(OutputError, match="exists already"):
        import_model(checkpoint, "tiny")
    with pytest.raises(OutputError, match="exists already"):  # it would hide the other one, or be hidden by it
        import_model(checkpoint, "tiny", dest=tmp_path / "elsewhere")
    assert registry.find_model("tiny").licence == "first"
    assert import_model(checkpoint, "tiny", overwrite=True, licence="second").licence == "second"
    (place / "in-the-way").mkdir()
    with pytest.raises(OutputError, match="exists already"):
        import_model(checkpoint, "in-the-way")


def test_dest_is_the_folder_of_models(checkpoint: Path, tmp_path: Path) -> None:
    assert import_model(checkpoint, "tiny", dest=tmp_path / "here").path == tmp_path / "here" / "tiny"


# ---- show and remove


def test_describe(checkpoint: Path) -> None:
    model = import_model(checkpoint, "tiny", licence="mine")
    told = describe(model)
    assert told["name"] == "tiny" and told["hash"] == model.hash.hex() and told["id"] == told["hash"][:2]
    assert told["tokens"] == 4 and told["default_tokens"] == 3 and told["ordered"] is True
    assert told["bytes"] == sum(file.stat().st_size for file in model.path.iterdir())


def test_remove(checkpoint: Path, place: Path) -> None:
    import_model(checkpoint, "tiny")
    import_model(checkpoint, "other")
    assert remove_model("tiny") == place / "tiny"
    assert not (place / "tiny").exists() and (place / "other").exists()
    with pytest.raises(UnknownModelError, match="no model named 'tiny'"):
        remove_model("tiny")


def test_remove_a_damaged_model(checkpoint: Path, place: Path) -> None:
    import_model(checkpoint, "tiny")
    (place / "tiny" / "model.json").write_text("{")
    assert remove_model("tiny") == place / "tiny"
    assert not (place / "tiny").exists()


def test_models_of_others_are_not_removed(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = import_model(checkpoint, "tiny", dest=tmp_path / "package")
    monkeypatch.setattr(registry, "search_path", lambda: [tmp_path / "package"])
    with pytest.raises(OutputError, match="is part of tokcodec"):
        remove_model("tiny")
    assert model.weights_path.exists()


def test_a_link_is_removed_and_not_its_target(checkpoint: Path, place: Path, tmp_path: Path) -> None:
    model = import_model(checkpoint, "tiny", dest=tmp_path / "elsewhere")
    place.mkdir()
    (place / "tiny").symlink_to(model.path)
    remove_model("tiny")
    assert model.weights_path.exists() and not (place / "tiny").exists()
