"""Changing single digits of tokens."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tokcodec.models.modelfile import Model  # noqa: E402
from tokcodec.search.moves import Moves  # noqa: E402
from tokcodec.tokenizers.cascade import CascadeTokenizer, load  # noqa: E402


@pytest.fixture
def tokenizer(tiny: Model) -> CascadeTokenizer:
    return load(tiny, torch.device("cpu"), torch.float32)


def test_groups_hold_every_token_once_and_share_no_coefficient(tokenizer: CascadeTokenizer) -> None:
    moves = Moves(tokenizer.codewords(0), tokenizer.n_tokens)
    assert sorted(torch.cat([group.tokens for group in moves.groups]).tolist()) == list(range(tokenizer.n_tokens))
    for group in moves.groups:
        assert len(group.dims.unique()) == group.dims.numel()


def test_vectors_are_the_tokenizers(tokenizer: CascadeTokenizer) -> None:
    tokens = torch.randint(tokenizer.radix**2, (3, tokenizer.n_tokens), generator=torch.Generator().manual_seed(0))
    moves = Moves(tokenizer.codewords(0), tokenizer.n_tokens)
    used = torch.arange(tokenizer.n_tokens) < torch.tensor([[1], [2], [tokenizer.n_tokens]])
    found = moves.vectors(tokens, used)
    for row, count in enumerate((1, 2, tokenizer.n_tokens)):
        expected = tokenizer.vectors(tokens[row : row + 1, :count], 0)
        np.testing.assert_allclose(found[row], expected[0], atol=1e-5)


def test_a_sweep_never_leaves_more_and_keeps_account_of_the_rest(tokenizer: CascadeTokenizer) -> None:
    count = tokenizer.n_tokens
    tokens = torch.randint(tokenizer.radix**2, (2, count), generator=torch.Generator().manual_seed(1))
    moves = Moves(tokenizer.codewords(0), count)
    used = torch.arange(count) < torch.tensor([[count], [max(1, count // 2)]])
    target = moves.vectors(tokens, used) + torch.randn(2, tokenizer.transform.size) * 0.3
    rest, before = target - moves.vectors(tokens, used), tokens.clone()
    first = rest.square().sum(1)
    moves.sweep(tokens, used, rest, torch.zeros(2))
    assert (rest.square().sum(1) <= first + 1e-4).all()
    assert torch.equal(tokens[~used], before[~used])
    np.testing.assert_allclose(rest, target - moves.vectors(tokens, used), atol=1e-4)


def test_a_held_prefix_moves_less_and_its_drift_is_kept_account_of(
    tokenizer: CascadeTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = tokenizer.n_tokens
    monkeypatch.setattr("tokcodec.search.moves.PREFIXES", (2, count))
    moves, used = Moves(tokenizer.codewords(0), count), torch.ones(1, count, dtype=torch.bool)
    begun = torch.randint(tokenizer.radix**2, (1, count), generator=torch.Generator().manual_seed(2))
    change = 100 * torch.randn(1, tokenizer.transform.size, generator=torch.Generator().manual_seed(3))
    moved = []
    for hold in (0.0, 1e6):
        tokens = begun.clone()
        drifts = moves.drifts(tokens, begun, used)
        assert not drifts.any()
        moves.sweep(tokens, used, change.clone(), torch.zeros(1), drifts, hold)
        np.testing.assert_allclose(drifts, moves.drifts(tokens, begun, used), atol=1e-4)
        moved.append((tokens != begun)[0])
    assert moved[0][:2].any() and moved[0][2:].any()
    assert not moved[1][:2].any() and moved[1][2:].any()  # no tile has more tokens than the second prefix


def test_a_high_price_takes_the_cheapest_words(tokenizer: CascadeTokenizer) -> None:
    count = tokenizer.n_tokens
    tokens = torch.zeros(1, count, dtype=torch.int64)
    moves, used = Moves(tokenizer.codewords(0), count), torch.ones(1, count, dtype=torch.bool)
    moves.sweep(tokens, used, torch.zeros(1, tokenizer.transform.size), torch.tensor([1e6]))
    cheapest = tokenizer.codewords(0).bits.amin(2).sum()
    assert float(moves.bits(tokens, used)) == pytest.approx(float(cheapest), rel=1e-4)


def test_a_sweep_lowers_the_weighted_error(tokenizer: CascadeTokenizer) -> None:
    codewords, count = tokenizer.codewords(0), tokenizer.n_tokens
    plain = Moves(codewords, count)
    codewords.weights = torch.linspace(0.1, 9, tokenizer.transform.size, dtype=torch.float64)
    weighted, weights = Moves(codewords, count), codewords.weights.float()
    start = torch.randint(tokenizer.radix**2, (2, count), generator=torch.Generator().manual_seed(1))
    used, left = torch.ones(2, count, dtype=torch.bool), []
    target = 8 * torch.randn(2, tokenizer.transform.size, generator=torch.Generator().manual_seed(2))
    for moves in (plain, weighted):
        tokens, rest = start.clone(), target - moves.vectors(start, used)
        moves.sweep(tokens, used, rest, torch.zeros(2))
        left.append((rest.square() * weights).sum(1))
    assert float(left[1].sum()) < float(left[0].sum())
