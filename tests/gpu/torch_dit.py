"""A diffusion transformer in PyTorch as its users run it on a GPU: weights, stream and products in one type, PyTorch's fused
attention. Its weights are the numbers of hashed.py, computed on the device itself; full_size.py says which tensors there are.
Letters: B items, C channels, D width, H heads, N tokens, p patch.
"""
import math
import os
import pathlib
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "reference"))
import full_size  # noqa: E402
import hashed  # noqa: E402

CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")
TINY = os.environ.get("PM_GPU_TINY") == "1"
if TINY:
    full_size.DEPTH, full_size.D, full_size.HEADS = 2, 64, 2
SIDES = {256: 8, 512: 16} if TINY else {256: 32, 512: 64}  # of the latent


def signed(value):
    return value - 2**64 if value >= 2**63 else value


def shifted(z, bits):
    """The unsigned shift of signed numbers."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def hashed_tensor(name, entry):
    """hashed.values, on the device."""
    n = math.prod(entry["shape"])
    z = torch.arange(1, n + 1, dtype=torch.int64, device=DEVICE) * signed(0x9E3779B97F4A7C15) + signed(hashed.fnv1a(name))
    z = (z ^ shifted(z, 30)) * signed(0xBF58476D1CE4E5B9)
    z = (z ^ shifted(z, 27)) * signed(0x94D049BB133111EB)
    z = z ^ shifted(z, 31)
    u = shifted(z, 40).float() * 2.0**-24
    scale, offset = (torch.tensor(entry[k], dtype=torch.float32, device=DEVICE) for k in ("scale", "offset"))
    return (offset + scale * (2 * u - 1)).view(entry["shape"])


def hashed_weights(pixels):
    entries = full_size.make_entries((SIDES[pixels] // full_size.P) ** 2)
    return {name: hashed_tensor(name, entry) for name, entry in entries.items()}


class Dit:
    def __init__(self, weights, dtype, heads=None):
        self.w = {k: v.to(DEVICE, dtype) for k, v in weights.items()}
        self.dtype, self.heads = dtype, heads or full_size.HEADS
        self.D, self.C, self.p, _ = self.w["x_embedder.proj.weight"].shape
        self.N = self.w["pos_embed"].shape[1]
        self.grid = math.isqrt(self.N)
        self.depth = 1 + max(int(k.split(".")[1]) for k in self.w if k.startswith("blocks."))
        exponents = -math.log(10000) * torch.arange(128, dtype=torch.float32) / 128
        self.frequencies = torch.exp(exponents.double()).float().to(DEVICE)

    def linear(self, x, key):
        return F.linear(x, self.w[key + ".weight"], self.w[key + ".bias"])

    def condition(self, t, y):
        angle = t[:, None] * self.frequencies
        e = torch.cat([angle.cos(), angle.sin()], dim=1).to(self.dtype)
        e = self.linear(F.silu(self.linear(e, "t_embedder.mlp.0")), "t_embedder.mlp.2")
        return F.silu(e + self.w["y_embedder.embedding_table.weight"][y])

    def normed(self, x, shift, scale):
        return F.layer_norm(x, (self.D,), eps=1e-6) * (1 + scale[:, None]) + shift[:, None]

    def attention(self, h, i):
        B, N, D = h.shape
        qkv = self.linear(h, f"blocks.{i}.attn.qkv").view(B, N, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(*qkv.unbind(0))
        return self.linear(out.transpose(1, 2).reshape(B, N, D), f"blocks.{i}.attn.proj")

    def denoise(self, x, t, y):
        """x [B,C,h,w], t [B] f32, y [B] -> [B,C',h,w] in the type of the weights."""
        B, g, p = len(x), self.grid, self.p
        patches = x.to(self.dtype).view(B, self.C, g, p, g, p).permute(0, 2, 4, 1, 3, 5).reshape(B, self.N, -1)
        weight = self.w["x_embedder.proj.weight"].view(self.D, -1)
        h = F.linear(patches, weight, self.w["x_embedder.proj.bias"]) + self.w["pos_embed"]
        c = self.condition(t, y)
        for i in range(self.depth):
            m = self.linear(c, f"blocks.{i}.adaLN_modulation.1").chunk(6, dim=1)
            h = h + m[2][:, None] * self.attention(self.normed(h, m[0], m[1]), i)
            u = F.gelu(self.linear(self.normed(h, m[3], m[4]), f"blocks.{i}.mlp.fc1"), approximate="tanh")
            h = h + m[5][:, None] * self.linear(u, f"blocks.{i}.mlp.fc2")
        shift, scale = self.linear(c, "final_layer.adaLN_modulation.1").chunk(2, dim=1)
        out = self.linear(self.normed(h, shift, scale), "final_layer.linear")
        return out.view(B, g, g, p, p, -1).permute(0, 5, 1, 3, 2, 4).reshape(B, -1, g * p, g * p)
