"""The twin: a diffusion transformer with class condition, its attention maps and its samplers, in PyTorch.

Written from the published description and compared with the official program (README.md has the figures). It is the
truth that the C core is tested against, so it is plain and runs in float64 unless told otherwise.
Letters: B items, C channels, D width, H heads, N tokens, p patch, L layers.
"""
import math

import numpy as np
import torch
import torch.nn.functional as F

import schedules


def table_of_positions(grid, D):
    """[1,N,D], N row-major: x in the first half of the channels, y in the second, each all sines and then all cosines."""
    omega = 10000.0 ** -(np.arange(D // 4) / (D / 4))
    angle = np.arange(grid)[:, None] * omega
    wave = np.concatenate([np.sin(angle), np.cos(angle)], axis=1)  # [grid, D/2]
    y, x = np.divmod(np.arange(grid * grid), grid)
    return np.concatenate([wave[x], wave[y]], axis=1)[None]


# The same layers in facebookresearch/DiT and in diffusers' DiTTransformer2DModel, whose blocks each carry a copy of both
# embedders, and three matrices where the former has one with their rows below one another.
DIFFUSERS = {
    "x_embedder.proj": "pos_embed.proj",
    "t_embedder.mlp.0": "transformer_blocks.0.norm1.emb.timestep_embedder.linear_1",
    "t_embedder.mlp.2": "transformer_blocks.0.norm1.emb.timestep_embedder.linear_2",
    "y_embedder.embedding_table": "transformer_blocks.0.norm1.emb.class_embedder.embedding_table",
    "final_layer.adaLN_modulation.1": "proj_out_1",
    "final_layer.linear": "proj_out_2",
}
DIFFUSERS_BLOCK = {
    "adaLN_modulation.1": "norm1.linear",
    "attn.proj": "attn1.to_out.0",
    "mlp.fc1": "ff.net.0.proj",
    "mlp.fc2": "ff.net.2",
}
DIFFUSERS_QKV = ["attn1.to_q", "attn1.to_k", "attn1.to_v"]


def from_diffusers(tensors, config):
    """{key: array} with the keys of facebookresearch/DiT, the table of positions among them."""
    D = tensors["pos_embed.proj.weight"].shape[0]
    out = {"pos_embed": table_of_positions(config["sample_size"] // config["patch_size"], D)}
    names = dict(DIFFUSERS)
    for i in range(config["num_layers"]):
        names |= {f"blocks.{i}.{k}": f"transformer_blocks.{i}.{v}" for k, v in DIFFUSERS_BLOCK.items()}
        for end in (".weight", ".bias"):
            parts = [tensors[f"transformer_blocks.{i}.{part}{end}"] for part in DIFFUSERS_QKV]
            out[f"blocks.{i}.attn.qkv{end}"] = np.concatenate(parts)
    out |= {k + end: tensors[v + end] for k, v in names.items() for end in (".weight", ".bias") if v + end in tensors}
    return out


class Twin:
    """tensors: {key: array} with the keys of facebookresearch/DiT or of diffusers; config: as config.json of a model folder."""

    def __init__(self, tensors, config, dtype=torch.float64):
        is_diffusers = "pos_embed.proj.weight" in tensors
        self.last_frequency = 127 if is_diffusers else 128
        self.mlp_eps = config.get("norm_eps", 1e-5) if is_diffusers else 1e-6
        tensors = from_diffusers(tensors, config) if is_diffusers else tensors
        self.w = {k: torch.tensor(np.asarray(v, dtype=np.float32)).to(dtype) for k, v in tensors.items()}
        self.dtype, self.config, self.heads = dtype, config, config["num_attention_heads"]
        self.D, self.C, self.p, _ = self.w["x_embedder.proj.weight"].shape
        self.N = self.w["pos_embed"].shape[1]
        self.grid = math.isqrt(self.N)
        self.out_channels = self.w["final_layer.linear.weight"].shape[0] // self.p**2
        self.depth = 1 + max(int(k.split(".")[1]) for k in self.w if k.startswith("blocks."))
        self.size = self.grid * self.p
        self.null = config.get("null_class", len(self.w["y_embedder.embedding_table.weight"]) - 1)
        self.guided = config.get("guidance_channels", 3 if self.C == 4 and not is_diffusers else "all")
        self.guided = self.C if self.guided == "all" else self.guided

    def linear(self, x, key):
        return F.linear(x, self.w[key + ".weight"], self.w[key + ".bias"])

    def condition(self, t, y):
        """c [B, D]. Frequencies and angles are rounded to f32 where the official program rounds them: at t near 1000 that
        moves an angle by 6e-5, more than everything else here together. The exponential itself is exact; PyTorch's in f32
        may be off by one unit in the last place."""
        k = torch.arange(128, dtype=torch.float32)
        frequency = torch.exp((-math.log(10000) * k / self.last_frequency).double()).float()
        angle = (t.to(torch.float32)[:, None] * frequency).to(self.dtype)
        e = torch.cat([angle.cos(), angle.sin()], dim=1)
        e = self.linear(F.silu(self.linear(e, "t_embedder.mlp.0")), "t_embedder.mlp.2")
        return e + self.w["y_embedder.embedding_table.weight"][y]

    def normed(self, x, shift, scale, eps=1e-6):
        return F.layer_norm(x, (self.D,), eps=eps) * (1 + scale[:, None]) + shift[:, None]

    def attention(self, h, i, maps):
        B, N, D = h.shape
        q, k, v = self.linear(h, f"blocks.{i}.attn.qkv").view(B, N, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
        P = ((q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)).softmax(-1)  # [B, H, N, N]
        if maps is not None:
            maps.append(P)
        return self.linear((P @ v).transpose(1, 2).reshape(B, N, D), f"blocks.{i}.attn.proj")

    def denoise(self, x, t, y, maps=None):
        """x [B,C,h,w], t [B] the network's own time, y [B] -> [B,C',h,w]. maps: a list that gets P [B,H,N,N] of each layer."""
        B, g, p = len(x), self.grid, self.p
        patches = x.view(B, self.C, g, p, g, p).permute(0, 2, 4, 1, 3, 5).reshape(B, self.N, -1)  # (c, row, column)
        weight = self.w["x_embedder.proj.weight"].reshape(self.D, -1)
        h = F.linear(patches, weight, self.w["x_embedder.proj.bias"]) + self.w["pos_embed"]
        c = F.silu(self.condition(t, y))
        for i in range(self.depth):
            m = self.linear(c, f"blocks.{i}.adaLN_modulation.1").chunk(6, dim=1)
            h = h + m[2][:, None] * self.attention(self.normed(h, m[0], m[1]), i, maps)
            u = F.gelu(self.linear(self.normed(h, m[3], m[4], self.mlp_eps), f"blocks.{i}.mlp.fc1"), approximate="tanh")
            h = h + m[5][:, None] * self.linear(u, f"blocks.{i}.mlp.fc2")
        shift, scale = self.linear(c, "final_layer.adaLN_modulation.1").chunk(2, dim=1)
        out = self.linear(self.normed(h, shift, scale), "final_layer.linear")
        out = out.view(B, g, g, p, p, self.out_channels).permute(0, 5, 1, 3, 2, 4)  # tokens are (row, column, c)
        return out.reshape(B, self.out_channels, g * p, g * p)

    def guide(self, z, t, label, scale):
        """The output [1,C',h,w] for z at the network's time t: u + scale (c - u) on the guided channels, c on others, the
        variance among them. scale None: the condition alone."""
        if scale is None:
            return self.denoise(z, torch.tensor([t], dtype=self.dtype), torch.tensor([label]))
        times = torch.tensor([t, t], dtype=self.dtype)
        c, u = self.denoise(torch.cat([z, z]), times, torch.tensor([label, self.null])).split(1)
        guided = c.clone()
        guided[:, : self.guided] = (u + scale * (c - u))[:, : self.guided]
        return guided


def received(P):
    return P.mean(-2)


def entropy(P):
    return -torch.xlogy(P, P).sum(-1)


def looked_from(P, region):
    """region [B,N]: where did the region look."""
    weights = region / region.sum(-1, keepdim=True)
    return torch.einsum("bi,bhij->bhj", weights, P)


def looked_to(P, region):
    """How much does each token look at the region."""
    return torch.einsum("bhij,bj->bhi", P, region)


def distance(P):
    """Root mean square distance of what a token looks at, over the grid's diagonal."""
    g = math.isqrt(P.shape[-1])
    at = torch.stack(torch.meshgrid(torch.arange(g), torch.arange(g), indexing="ij"), -1).reshape(-1, 2).to(P.dtype)
    squared = torch.cdist(at, at, compute_mode="donot_use_mm_for_euclid_dist") ** 2
    return (P * squared).sum(-1).sqrt() / math.hypot(g, g)


def subject(maps):
    """maps: P [B,H,N,N] of the chosen layers -> [B,N]: the second eigenvector of attention's own grouping (a normalised
    cut), low at the border of the grid, with a root mean square of 1."""
    A = torch.stack(maps).mean((0, 2))
    S = (A + A.transpose(1, 2)) / 2
    d = S.sum(-1)
    scaled = S / (d[:, :, None] * d[:, None, :]).sqrt()
    vector = torch.linalg.eigh(scaled).eigenvectors[:, :, -2] / d.sqrt()
    vector = vector / vector.pow(2).mean(1, keepdim=True).sqrt()
    g = math.isqrt(vector.shape[1])
    inside = torch.zeros(g, g, dtype=torch.bool)
    inside[1:-1, 1:-1] = True
    inside = inside.flatten()
    flip = vector[:, ~inside].mean(1) > vector[:, inside].mean(1)
    return torch.where(flip[:, None], -vector, vector)


def inside(t, interval):
    """Is a step at the model's time t (0..1) guided? Strictly inside the interval; a bound at 0 or 1 bounds nothing."""
    low, high = interval
    return (low <= 0 or t > low) and (high >= 1 or t < high)


def to_clean(twin, z, prediction, alpha, sigma):
    """The clean picture from what the network predicts of z = alpha x0 + sigma e. v is the velocity towards larger times on
    a flow, else alpha e - sigma x0."""
    prediction = prediction[:, : twin.C]
    schedule = twin.config.get("schedule", {})
    kind = twin.config.get("prediction", "eps")
    if kind == "x0":
        return prediction
    if kind == "v" and schedule.get("type") == "flow":
        return z + sigma * prediction * (1 if schedule["noise_at"] == 0 else -1)
    if kind == "v":
        return alpha * z - sigma * prediction
    return (z - sigma * prediction) / alpha


def euler(twin, noise, label, steps, guidance, interval):
    """Along a straight flow from noise to picture, unclamped. s is the share of the picture in z, in f32 as torch.linspace
    has it, because the network's time is computed from it. A network that predicts x0 divides by no less than 0.05."""
    schedule = twin.config["schedule"]
    shares = torch.linspace(0, 1, steps + 1)
    z = noise
    for s, s_next in zip(shares, shares[1:]):
        t = s if schedule["noise_at"] == 0 else 1 - s
        scale = guidance if inside(t.item(), interval) else None
        prediction = twin.guide(z, (t * schedule["time_scale"]).item(), label, scale)
        s, s_next = s.item(), s_next.item()
        x0 = to_clean(twin, z, prediction, s, 1 - s)
        least = 0.05 if twin.config["prediction"] == "x0" else 0
        z = z + (x0 - z) / max(1 - s, least) * (s_next - s)
    return z


def ddim(twin, noise, label, steps, guidance, interval=(0, 1)):
    """Deterministic (eta 0); betas, or their square roots, evenly spaced."""
    schedule = schedules.LINEAR | twin.config.get("schedule", {})
    kept = schedules.kept(schedule)
    times = schedules.ddim_times(steps, schedule["steps"], schedule.get("spacing", "stride"), schedule.get("offset", 0))
    x = noise
    for i, t in enumerate(times):
        a = kept[t]
        a_next = kept[times[i + 1]] if i + 1 < steps else 1.0
        guided = guidance if inside(t / schedule["steps"], interval) else None
        alpha, sigma = math.sqrt(a), math.sqrt(1 - a)
        x0 = to_clean(twin, x, twin.guide(x, float(t), label, guided), alpha, sigma)
        eps = (x - alpha * x0) / sigma
        x = math.sqrt(a_next) * x0 + math.sqrt(1 - a_next) * eps
    return x
