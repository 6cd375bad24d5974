"""The twin of PixArt: a diffusion transformer that looks at a text in every block, and how that look is steered, in PyTorch.

Written from the published description and compared with diffusers and with the original program (README.md has the figures).
It runs in float64 unless told otherwise.
Letters: B items, C channels, D width, E width of text embeddings, H heads, N tokens of the picture, S of a text, p patch.
"""
import math

import numpy as np
import torch
import torch.nn.functional as F

# The same layers in PixArt-alpha's files and in diffusers' PixArtTransformer2DModel.
DIFFUSERS = {
    "x_embedder.proj": "pos_embed.proj",
    "t_embedder.mlp.0": "adaln_single.emb.timestep_embedder.linear_1",
    "t_embedder.mlp.2": "adaln_single.emb.timestep_embedder.linear_2",
    "t_block.1": "adaln_single.linear",
    "y_embedder.y_proj.fc1": "caption_projection.linear_1",
    "y_embedder.y_proj.fc2": "caption_projection.linear_2",
    "csize_embedder.mlp.0": "adaln_single.emb.resolution_embedder.linear_1",
    "csize_embedder.mlp.2": "adaln_single.emb.resolution_embedder.linear_2",
    "ar_embedder.mlp.0": "adaln_single.emb.aspect_ratio_embedder.linear_1",
    "ar_embedder.mlp.2": "adaln_single.emb.aspect_ratio_embedder.linear_2",
    "final_layer.linear": "proj_out",
}
DIFFUSERS_BLOCK = {
    "attn.proj": "attn1.to_out.0", "cross_attn.q_linear": "attn2.to_q", "cross_attn.proj": "attn2.to_out.0",
    "mlp.fc1": "ff.net.0.proj", "mlp.fc2": "ff.net.2",
}
# One matrix with rows below one another there, several here.
DIFFUSERS_SPLIT = {
    "attn.qkv": ["attn1.to_q", "attn1.to_k", "attn1.to_v"], "cross_attn.kv_linear": ["attn2.to_k", "attn2.to_v"],
}


def from_diffusers(tensors, depth):
    """{key: array} with the keys of PixArt-alpha."""
    names = dict(DIFFUSERS)
    out = {"final_layer.scale_shift_table": tensors["scale_shift_table"]}
    for i in range(depth):
        block = f"transformer_blocks.{i}."
        names |= {f"blocks.{i}.{k}": block + v for k, v in DIFFUSERS_BLOCK.items()}
        out[f"blocks.{i}.scale_shift_table"] = tensors[block + "scale_shift_table"]
        for key, parts in DIFFUSERS_SPLIT.items():
            for end in (".weight", ".bias"):
                out[f"blocks.{i}.{key}{end}"] = np.concatenate([tensors[block + part + end] for part in parts])
    return out | {k + end: tensors[v + end] for k, v in names.items() for end in (".weight", ".bias") if v + end in tensors}


def positions(height, width, base, scale, D):
    """[1,N,D], N row-major: x in the first half, y in the second; coordinates in f32, waves in f64."""
    def waves(n):
        at = np.arange(n, dtype=np.float32) / np.float32(n / base) / np.float32(scale)
        angle = at.astype(np.float64)[:, None] * 10000.0 ** -(np.arange(D // 4) / (D / 4))
        return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)

    y, x = np.divmod(np.arange(height * width), width)
    return np.concatenate([waves(width)[x], waves(height)[y]], axis=1)[None].astype(np.float32)


class PixArt:
    """tensors: {key: array} of either dialect; config: as diffusers' config.json (sample_size, interpolation_scale, norm_eps)."""

    def __init__(self, tensors, config, dtype=torch.float64):
        depth = 1 + max(int(k.split(".")[1]) for k in tensors if k.startswith(("blocks.", "transformer_blocks.")))
        tensors = from_diffusers(tensors, depth) if "pos_embed.proj.weight" in tensors else tensors
        self.w = {k: torch.tensor(np.asarray(v, dtype=np.float32)).to(dtype) for k, v in tensors.items()}
        self.dtype, self.depth, self.heads = dtype, depth, config["num_attention_heads"]
        self.D, self.C, self.p, _ = self.w["x_embedder.proj.weight"].shape
        self.out_channels = self.w["final_layer.linear.weight"].shape[0] // self.p**2
        self.base = config["sample_size"] // self.p
        self.scale = config.get("interpolation_scale") or max(config["sample_size"] // 64, 1)
        self.eps = config.get("norm_eps", 1e-6)

    def linear(self, x, key):
        return F.linear(x, self.w[key + ".weight"], self.w[key + ".bias"])

    def embed(self, values, key):
        """values [n] -> [n, width]; rounded to f32 where the programs round (see twin.py)."""
        k = torch.arange(128, dtype=torch.float32)
        frequency = torch.exp((-math.log(10000) * k / 128).double()).float()
        angle = (values.to(torch.float32)[:, None] * frequency).to(self.dtype)
        e = torch.cat([angle.cos(), angle.sin()], dim=1)
        return self.linear(F.silu(self.linear(e, key + ".mlp.0")), key + ".mlp.2")

    def condition(self, t, height, width):
        """c [B, D]; height and width in pixels of a picture 8 times as large as the latent."""
        c = self.embed(t, "t_embedder")
        if "csize_embedder.mlp.0.weight" in self.w:
            size = self.embed(torch.tensor([height * 8.0, width * 8.0]), "csize_embedder").flatten()
            c = c + torch.cat([size, self.embed(torch.tensor([height / width]), "ar_embedder")[0]])
        return c

    def normed(self, x, shift, scale, eps):
        return F.layer_norm(x, (self.D,), eps=eps) * (1 + scale[:, None]) + shift[:, None]

    def attend(self, q, k, v, maps, bias=None):
        """q [B,N,D], k and v [B,M,D] -> [B,N,D]; bias [B,1,N,M] is added to the logits."""
        q, k, v = (z.view(*z.shape[:2], self.heads, -1).transpose(1, 2) for z in (q, k, v))
        logits = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        P = (logits if bias is None else logits + bias).softmax(-1)
        if maps is not None:
            maps.append(P)
        return (P @ v).transpose(1, 2).flatten(2)

    def mask(self, lengths, S, N, edits):
        """[B,1,N,S]: -inf beyond a text's end; and what its edit (key_bias [n], key_region [n], region_bias [R,N]) adds."""
        bias = torch.zeros(len(lengths), 1, N, S, dtype=self.dtype)
        for b, (n, edit) in enumerate(zip(lengths, edits or [None] * len(lengths))):
            bias[b, :, :, n:] = -math.inf
            for j in range(n if edit else 0):
                bias[b, 0, :, j] += edit["key_bias"][j]
                if edit["key_region"][j] >= 0:
                    bias[b, 0, :, j] += edit["region_bias"][edit["key_region"][j]]
        return bias

    def denoise(self, x, t, text, lengths, maps=None, cross=None, edits=None):
        """x [B,C,h,w], t [B], text [B,S,E], lengths [B] -> [B,C',h,w]; maps, cross: lists that get P of each layer."""
        B, p = len(x), self.p
        h, w = x.shape[2] // p, x.shape[3] // p
        patches = x.view(B, self.C, h, p, w, p).permute(0, 2, 4, 1, 3, 5).reshape(B, h * w, -1)
        weight = self.w["x_embedder.proj.weight"].reshape(self.D, -1)
        table = torch.tensor(positions(h, w, self.base, self.scale, self.D)).to(self.dtype)
        z = F.linear(patches, weight, self.w["x_embedder.proj.bias"]) + table
        c = self.condition(t, x.shape[2], x.shape[3]).expand(B, -1)
        chunks = self.linear(F.silu(c), "t_block.1").view(B, 6, self.D)
        y = self.linear(F.gelu(self.linear(text, "y_embedder.y_proj.fc1"), approximate="tanh"), "y_embedder.y_proj.fc2")
        bias = self.mask(lengths, text.shape[1], h * w, edits)
        for i in range(self.depth):
            block = f"blocks.{i}."
            m = (self.w[block + "scale_shift_table"] + chunks).unbind(1)
            qkv = self.linear(self.normed(z, m[0], m[1], self.eps), block + "attn.qkv").chunk(3, dim=-1)
            z = z + m[2][:, None] * self.linear(self.attend(*qkv, maps), block + "attn.proj")
            kv = self.linear(y, block + "cross_attn.kv_linear").chunk(2, dim=-1)
            looked = self.attend(self.linear(z, block + "cross_attn.q_linear"), *kv, cross, bias)
            z = z + self.linear(looked, block + "cross_attn.proj")
            u = F.gelu(self.linear(self.normed(z, m[3], m[4], self.eps), block + "mlp.fc1"), approximate="tanh")
            z = z + m[5][:, None] * self.linear(u, block + "mlp.fc2")
        shift, scale = (self.w["final_layer.scale_shift_table"] + c[:, None]).unbind(1)
        out = self.linear(self.normed(z, shift, scale, 1e-6), "final_layer.linear")
        out = out.view(B, h, w, p, p, self.out_channels).permute(0, 5, 1, 3, 2, 4)
        return out.reshape(B, self.out_channels, h * p, w * p)
