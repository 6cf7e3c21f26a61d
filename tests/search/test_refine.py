"""The search for tokens by the drawn picture."""

import logging
import re

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
skimage_data = pytest.importorskip("skimage.data")

import tokcodec  # noqa: E402
from tokcodec.models.registry import find_model  # noqa: E402
from tokcodec.options import TUNES as NAMES  # noqa: E402
from tokcodec.pictures.tiling import Grid  # noqa: E402
from tokcodec.ratecontrol.quality import psnr  # noqa: E402
from tokcodec.refining import tile_weights  # noqa: E402
from tokcodec.search.refine import ROUNDS, TUNES, refine  # noqa: E402
from tokcodec.tokenizers import MANY_DRAWN, load_tokenizer  # noqa: E402
from tokcodec.tokenizers.cascade import CascadeTokenizer  # noqa: E402
from tokcodec.tokenizers.cascade_file import read_cascade  # noqa: E402
from tokcodec.tokenizers.tiles import pixels  # noqa: E402
from tokcodec.tokenizers.transform import COLOURS  # noqa: E402


@pytest.fixture(scope="module")
def tile() -> "np.ndarray":
    picture = Image.fromarray(skimage_data.coffee()).crop((100, 50, 420, 370)).resize((256, 256))
    return pixels(np.asarray(picture)[None])


def test_tunes_and_rounds_fit_the_options() -> None:
    assert tuple(TUNES) == NAMES
    assert len(ROUNDS) == 10 and list(ROUNDS) == sorted(set(ROUNDS))


@pytest.mark.weights
def test_fidelity_gains(tile: "np.ndarray") -> None:
    """By the squared error of RGB, which is what base-2's tokens are chosen by."""
    tokenizer = load_tokenizer("base-2", drawing=MANY_DRAWN)
    tokens = tokenizer.encode(tile, 64)
    found, saved = refine(tokenizer, tile, tokens, np.array([64]), rounds=3, tune=TUNES["fidelity"])
    before, after = (np.square(tokenizer.decode(row, "fidelity") - tile).mean() for row in (tokens, found))
    assert after < 0.99 * before and saved[0] > 0.01
    first = (np.square(tokenizer.decode(row[:, :16], "fidelity") - tile).mean() for row in (tokens, found))
    was, now = first
    assert now < 1.03 * was


@pytest.mark.weights
def test_colour_counts_as_the_model_says(tile: "np.ndarray") -> None:
    weighed, model = (1.0, 2.0, 4.0), find_model()
    tensors, looks = read_cascade(model)
    plain, tokenizer = (
        CascadeTokenizer(tensors, looks, model.tables, torch.device("cpu"), weights=given) for given in ((), weighed)
    )
    tokens = plain.encode(tile, 64)
    found, _ = refine(tokenizer, tile, tokens, np.array([64]), rounds=3, tune=TUNES["fidelity"])

    def error(tokens: "np.ndarray") -> float:
        planes = np.einsum("cd,ndhw->nchw", COLOURS, tokenizer.decode(tokens, "fidelity") - tile)
        return float((np.square(planes).mean((0, 2, 3)) * weighed).sum())

    assert error(found) < 0.99 * error(tokens)


@pytest.mark.weights
def test_tokens_beyond_the_count_stay_and_no_round_changes_nothing(tile: "np.ndarray") -> None:
    tokenizer = load_tokenizer(drawing=MANY_DRAWN)
    tokens = tokenizer.encode(np.concatenate([tile, tile[:, :, ::-1]]), 8)
    same, saved = refine(tokenizer, np.concatenate([tile, tile[:, :, ::-1]]), tokens, np.array([8, 3]), rounds=0,
                  tune=TUNES["fidelity"])  # fmt: skip
    assert np.array_equal(same, tokens) and not saved.any()
    found, _ = refine(tokenizer, tile, tokens[:1], np.array([3]), rounds=1, tune=TUNES["light"])
    assert np.array_equal(found[:, 3:], tokens[:1, 3:])


@pytest.mark.weights
def test_prefixes_stay_as_good(tile: "np.ndarray") -> None:
    tokenizer = load_tokenizer(drawing=MANY_DRAWN)
    tokens = tokenizer.encode(tile, 256)
    found, _ = refine(tokenizer, tile, tokens, np.array([256]), rounds=2, tune=TUNES["perceptual"])
    assert not np.array_equal(found[:, :128], tokens[:, :128])
    was, now = (np.square(tokenizer.decode(row[:, :128], "perceptual") - tile).mean() for row in (tokens, found))
    assert now < 1.01 * was


@pytest.mark.weights
def test_files_keep_their_tokens_pitch_and_size() -> None:
    picture = Image.fromarray(skimage_data.coffee()).resize((300, 200))
    plain, better = (tokcodec.encode(picture, target_size=150, effort=effort) for effort in (0, 1))
    assert len(better) <= 150 and better != plain
    a, b = tokcodec.info(plain), tokcodec.info(better)
    assert (a.tokens, a.pitch, a.declared) == (b.tokens, b.pitch, b.declared)


@pytest.mark.weights
def test_a_psnr_that_was_reached_still_is() -> None:
    picture = Image.fromarray(skimage_data.coffee()).resize((256, 256))
    better = tokcodec.encode(picture, target_psnr=21, pitch="fit", effort=1)
    assert psnr(picture, tokcodec.decode(better, look="fidelity")) >= 21


@pytest.mark.weights
def test_the_log_says_rounds_and_gain(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tokcodec.refining")
    tokcodec.encode(Image.fromarray(skimage_data.coffee()).resize((64, 64)), tokens=32, pitch="fit", effort=1)
    assert re.fullmatch(r"effort 1 for perceptual: 1 rounds, error -\d+\.\d %", caplog.messages[0])


@pytest.mark.weights
def test_bare_and_adaptive_files() -> None:
    picture = Image.fromarray(skimage_data.coffee()).resize((300, 200))
    bare = tokcodec.encode(picture, tokens=4, container="bare", effort=1)
    assert tokcodec.decode(bare, container="bare", size=picture.size).size == picture.size
    equal, adaptive = (tokcodec.encode(picture, tokens=4, pitch=128, adaptive=True, effort=n) for n in (0, 1))
    assert len(adaptive) <= len(equal)


def test_weights_of_neighbours_sum_to_one_where_they_overlap() -> None:
    grid = Grid.for_picture(512, 256, 256)
    left, right = tile_weights(grid, range(2), 256)
    np.testing.assert_allclose(left[:, -16:] + right[:, :16], 1, atol=1e-6)
    assert left[:, :240].min() == 1
    assert tile_weights(Grid.for_picture(256, 256, 256), range(1), 256) is None


WRONG = {"effort": 10}, {"effort": -1}, {"tune": "fidelity"}, {"effort": 1, "tune": "x"}


@pytest.mark.parametrize("arguments", WRONG)
def test_wrong_arguments(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        tokcodec.encode(Image.new("RGB", (8, 8)), **arguments)


def test_without_torch_an_effort_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokcodec.options.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"effort 3 needs PyTorch: pip install 'tokcodec\[torch\]'"):
        tokcodec.encode(Image.new("RGB", (8, 8)), effort=3)
