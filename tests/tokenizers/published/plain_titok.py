"""The One-D-Piece and TiTok networks as a plain transcription of the published recipes, and weights for them.

It does what the recipe does and nothing else: `nn.MultiheadAttention` over sequence-first tensors, NCHW convolutions
over padded copies, nearest up-sampling followed by a convolution, no folding.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tokcodec.pictures.tiling import TILE
from tokcodec.tokenizers.published.maskgit import CHANNEL_MULTIPLIERS
from tokcodec.tokenizers.published.titok_modules import GRID, PATCHES

Weights = dict[str, Tensor]


def random_weights(net: torch.nn.Module, seed: int = 0) -> Weights:
    """Weights for the shapes of `net`, float32, scaled so that activations keep their size."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, entry in net.state_dict().items():
        x = torch.randn(entry.shape, generator=generator)
        if name.endswith("weight") and "embedding" not in name:
            x = x / entry[0].numel() ** 0.5 if entry.dim() >= 2 else 1 + 0.1 * x
        elif name.endswith("bias"):
            x *= 0.1
        else:
            x *= 0.5
        weights[name] = x
    return weights


class PlainTransformer:
    """The blocks of one side as the published code has them: sequence-first, `nn.MultiheadAttention`, all positions."""

    def __init__(self, weights: Weights, side: str, heads: int) -> None:
        self.w, self.side = weights, side
        self.width = weights[f"{side}.class_embedding"].shape[1]
        self.attention: list[torch.nn.MultiheadAttention] = []
        while f"{side}.transformer.{len(self.attention)}.ln_1.weight" in weights:
            prefix = f"{side}.transformer.{len(self.attention)}.attn."
            layer = torch.nn.MultiheadAttention(self.width, heads)
            layer.load_state_dict({k[len(prefix) :]: v for k, v in weights.items() if k.startswith(prefix)})
            self.attention.append(layer.eval())

    def norm(self, x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, (self.width,), self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def __call__(self, x: Tensor) -> Tensor:
        """float [N, L, D] -> float [N, L, D]."""
        x = self.norm(x, f"{self.side}.ln_pre").permute(1, 0, 2)
        for i, attention in enumerate(self.attention):
            name = f"{self.side}.transformer.{i}"
            y = self.norm(x, f"{name}.ln_1")
            x = x + attention(y, y, y, need_weights=False)[0]
            y = F.gelu(self.linear(self.norm(x, f"{name}.ln_2"), f"{name}.mlp.c_fc"))
            x = x + self.linear(y, f"{name}.mlp.c_proj")
        return x.permute(1, 0, 2)


class PlainTokenizer:
    """The published two-stage networks, step by step."""

    def __init__(self, weights: Weights, heads: int) -> None:
        self.w = weights
        self.encoder = PlainTransformer(weights, "encoder", heads)
        self.decoder = PlainTransformer(weights, "decoder", weights["decoder.class_embedding"].shape[1] // 64)

    def _positions(self, x: Tensor, side: str) -> Tensor:
        cls = self.w[f"{side}.class_embedding"].expand(len(x), 1, -1)
        return torch.cat((cls, x), dim=1) + self.w[f"{side}.positional_embedding"]

    def cosines(self, tiles: Tensor) -> Tensor:
        """float [N, 3, 256, 256] -> float [N, n_tokens, 4096], of every code with every codebook row."""
        w = self.w
        patches = F.conv2d(tiles, w["encoder.patch_embed.weight"], w["encoder.patch_embed.bias"], stride=TILE // GRID)
        latents = (w["latent_tokens"] + w["encoder.latent_token_positional_embedding"]).expand(len(tiles), -1, -1)
        x = torch.cat((self._positions(patches.flatten(2).transpose(1, 2), "encoder"), latents), dim=1)
        x = self.encoder.norm(self.encoder(x)[:, 1 + PATCHES :], "encoder.ln_post")
        x = x.reshape(len(tiles), self.encoder.width, -1, 1)
        z = F.conv2d(x, w["encoder.conv_out.weight"], w["encoder.conv_out.bias"])[..., 0].transpose(1, 2)
        return F.normalize(z, dim=-1) @ F.normalize(w["quantize.embedding.weight"], dim=-1).T

    def encode(self, tiles: Tensor) -> Tensor:
        """float [N, 3, 256, 256] -> int64 [N, n_tokens]."""
        return self.cosines(tiles).argmax(dim=-1)

    def decode(self, tokens: Tensor) -> Tensor:
        """int64 [N, k] -> float [N, 3, 256, 256], not clamped."""
        w, n = self.w, len(tokens)
        codes = F.normalize(w["quantize.embedding.weight"], dim=-1)[tokens]
        positions = w["decoder.latent_token_positional_embedding"][: tokens.shape[1]]
        latents = self.decoder.linear(codes, "decoder.decoder_embed") + positions
        masks = self._positions(w["decoder.mask_token"].repeat(n, PATCHES, 1), "decoder")
        x = self.decoder(torch.cat((masks, latents), dim=1))[:, 1 : 1 + PATCHES]
        x = self.decoder.norm(x, "decoder.ln_post").permute(0, 2, 1).reshape(n, -1, GRID, GRID)
        x = F.conv2d(x, w["decoder.ffn.0.weight"], w["decoder.ffn.0.bias"]).tanh()
        x = F.conv2d(x, w["decoder.ffn.2.weight"], w["decoder.ffn.2.bias"])
        x = torch.einsum("nchw,cd->ndhw", x.softmax(1), w["pixel_quantize.embedding.weight"])
        return self._pixels(x)

    def _conv(self, x: Tensor, name: str, padding: int = 1) -> Tensor:
        if padding:
            x = F.pad(x, (padding,) * 4)
        return F.conv2d(x, self.w[f"{name}.weight"], self.w.get(f"{name}.bias"))

    def _norm_silu(self, x: Tensor, name: str) -> Tensor:
        return F.silu(F.group_norm(x, 32, self.w[f"{name}.weight"], self.w[f"{name}.bias"], 1e-6))

    def _block(self, x: Tensor, name: str) -> Tensor:
        h = self._conv(self._norm_silu(x, f"{name}.norm1"), f"{name}.conv1")
        h = self._conv(self._norm_silu(h, f"{name}.norm2"), f"{name}.conv2")
        if f"{name}.nin_shortcut.weight" in self.w:
            x = self._conv(h, f"{name}.nin_shortcut", 0)
        return h + x

    def _pixels(self, x: Tensor) -> Tensor:
        x = self._conv(x, "pixel_decoder.conv_in")
        for i in range(2):
            x = self._block(x, f"pixel_decoder.mid.{i}")
        for level in reversed(range(len(CHANNEL_MULTIPLIERS))):
            for i in range(2):
                x = self._block(x, f"pixel_decoder.up.{level}.block.{i}")
            if level:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
                x = self._conv(x, f"pixel_decoder.up.{level}.upsample_conv")
        return self._conv(self._norm_silu(x, "pixel_decoder.norm_out"), "pixel_decoder.conv_out")


class PlainOneStage(PlainTokenizer):
    """The published one-stage networks, step by step: no reshape of latents, plain codes, pixels from each patch."""

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights, 1)

    def distances(self, tiles: Tensor) -> Tensor:
        """float [N, 3, 256, 256] -> float [N, n_tokens, 8192], squared, of every code to every codebook row."""
        w = self.w
        patches = F.conv2d(tiles, w["encoder.patch_embed.weight"], w["encoder.patch_embed.bias"], stride=TILE // GRID)
        latents = (w["latent_tokens"] + w["encoder.latent_token_positional_embedding"]).expand(len(tiles), -1, -1)
        x = torch.cat((self._positions(patches.flatten(2).transpose(1, 2), "encoder"), latents), dim=1)
        x = self.encoder.norm(self.encoder(x)[:, 1 + PATCHES :], "encoder.ln_post")
        x = x.transpose(1, 2)[..., None]  # channels of a latent stay together
        z = F.conv2d(x, w["encoder.conv_out.weight"], w["encoder.conv_out.bias"])[..., 0].transpose(1, 2)
        return torch.cdist(z, w["quantize.embedding.weight"][None]).square()

    def decode(self, tokens: Tensor) -> Tensor:
        """int64 [N, n_tokens] -> float [N, 3, 256, 256], not clamped."""
        w, n = self.w, len(tokens)
        codes = w["quantize.embedding.weight"][tokens]
        latents = self.decoder.linear(codes, "decoder.decoder_embed") + w["decoder.latent_token_positional_embedding"]
        masks = self._positions(w["decoder.mask_token"].repeat(n, PATCHES, 1), "decoder")
        x = self.decoder(torch.cat((masks, latents), dim=1))[:, 1 : 1 + PATCHES]
        x = self.decoder.norm(x, "decoder.ln_post").permute(0, 2, 1).reshape(n, -1, GRID, GRID)
        x = F.conv2d(x, w["decoder.ffn.0.weight"], w["decoder.ffn.0.bias"])
        # Channels go from slow to fast through rows, columns and colours, while pixel_shuffle wants colours first.
        side = TILE // GRID
        x = x.view(n, side * side, 3, GRID, GRID).transpose(1, 2).reshape(n, -1, GRID, GRID)
        return self._conv(F.pixel_shuffle(x, side), "decoder.conv_out")
