"""DiT-XL/2 at 256 px and PixArt-Sigma at 512 px in eager PyTorch, for comparison with `pentimento bench`: random weights,
batch 2, f32, all cores.

Prints one line of JSON a network: seconds of one step (best and median). When PENTIMENTO_BENCH names the table of a bench run,
only networks that are in it are timed, and how many times faster the core was is printed too. Sizes: Peebles and Xie,
Scalable Diffusion Models with Transformers, table 1; Chen et al., PixArt-alpha, section 3.1.
Letters: B items, N tokens, S of a text, D width, H heads, L layers.
"""
import json
import os
import re
import statistics
import sys
import time

import torch
import torch.nn.functional as F

B, D, H, L, S = 2, 1152, 16, 28, 60


def linear(rows, columns):
    return torch.randn(rows, columns) * columns**-0.5, torch.zeros(rows)


class Network:
    """What both have: patches in, modulated blocks, patches out."""

    def __init__(self, tokens, block):
        self.N = tokens
        block |= {"qkv": (3 * D, D), "proj": (D, D), "up": (4 * D, D), "down": (D, 4 * D)}
        self.ends = {"patch": linear(D, 16), "time1": linear(D, 256), "time2": linear(D, D), "last": linear(32, D)}
        self.positions = torch.randn(1, tokens, D)
        self.blocks = [{name: linear(*size) for name, size in block.items()} for _ in range(L)]
        self.inputs = torch.randn(B, tokens, 16), torch.tensor([500.0, 500.0])

    def condition(self, t):
        angle = t[:, None] * torch.exp(-torch.log(torch.tensor(1e4)) * torch.arange(128) / 128)
        c = F.linear(torch.cat([angle.cos(), angle.sin()], dim=1), *self.ends["time1"])
        return F.linear(F.silu(c), *self.ends["time2"])

    def modulated(self, x, shift, scale):
        return F.layer_norm(x, (D,), eps=1e-6) * (1 + scale[:, None]) + shift[:, None]

    def attend(self, q, k, v, mask=None):
        q, k, v = (z.view(B, -1, H, D // H).transpose(1, 2) for z in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).reshape(B, self.N, D)

    def forward(self):
        patches, t = self.inputs
        c = self.condition(t)
        x = F.linear(patches, *self.ends["patch"]) + self.positions
        for i, w in enumerate(self.blocks):
            s1, m1, g1, s2, m2, g2 = self.chunks(i, c)
            qkv = F.linear(self.modulated(x, s1, m1), *w["qkv"]).chunk(3, dim=-1)
            x = x + g1[:, None] * F.linear(self.attend(*qkv), *w["proj"])
            x = self.look(x, w)
            hidden = F.gelu(F.linear(self.modulated(x, s2, m2), *w["up"]), approximate="tanh")
            x = x + g2[:, None] * F.linear(hidden, *w["down"])
        return F.linear(self.modulated(x, *self.last(c)), *self.ends["last"])


class Dit(Network):
    name, steps = "DiT-XL/2 256 px, batch 2, f32: one step", 5

    def __init__(self):
        super().__init__(256, {"modulate": (6 * D, D)})
        self.ends["last_modulate"] = linear(2 * D, D)
        self.classes = torch.randn(1001, D)

    def condition(self, t):
        return F.silu(super().condition(t) + self.classes[torch.tensor([207, 1000])])

    def chunks(self, i, c):
        return F.linear(c, *self.blocks[i]["modulate"]).chunk(6, dim=1)

    def look(self, x, w):
        return x

    def last(self, c):
        return F.linear(c, *self.ends["last_modulate"]).chunk(2, dim=1)


class PixArt(Network):
    """Its program makes keys and values of the texts anew in every step."""

    name, steps = "pixart-sigma 512 px, batch 2, f16 weights: one step", 3

    def __init__(self):
        super().__init__(1024, {"cross_q": (D, D), "cross_kv": (2 * D, D), "cross_proj": (D, D)})
        self.ends |= {"modulate": linear(6 * D, D), "caption1": linear(D, 4096), "caption2": linear(D, D)}
        self.tables, self.table = torch.randn(L, 6, D) * D**-0.5, torch.randn(2, D) * D**-0.5
        self.text = torch.randn(B, S, 4096)
        self.mask = (torch.arange(S) < torch.tensor([S, 1])[:, None])[:, None, None]

    def condition(self, t):
        hidden = F.gelu(F.linear(self.text, *self.ends["caption1"]), approximate="tanh")
        self.caption = F.linear(hidden, *self.ends["caption2"])
        c = super().condition(t)
        self.shared = F.linear(F.silu(c), *self.ends["modulate"]).view(B, 6, D)
        return c

    def chunks(self, i, c):
        return (self.tables[i] + self.shared).unbind(1)

    def look(self, x, w):
        kv = F.linear(self.caption, *w["cross_kv"]).chunk(2, dim=-1)
        return x + F.linear(self.attend(F.linear(x, *w["cross_q"]), *kv, self.mask), *w["cross_proj"])

    def last(self, c):
        return (self.table + c[:, None]).unbind(1)


def core_seconds(name):
    """Seconds of that row in the table of `pentimento bench`, or None."""
    path = os.environ.get("PENTIMENTO_BENCH")
    if not path:
        return None
    with open(path) as table:
        found = re.search(re.escape(name) + r"\s+([0-9.e+-]+) s", table.read())
    return float(found.group(1)) if found else None


def measure(kind):
    torch.manual_seed(0)
    network, seconds = kind(), []
    network.forward()
    for _ in range(kind.steps):
        start = time.perf_counter()
        out = network.forward()
        seconds.append(time.perf_counter() - start)
    if not bool(out.isfinite().all()):
        sys.exit("torch_bench.py: the network gave numbers that are not finite.")
    line = {
        "name": kind.name + " in PyTorch, f32", "torch": torch.__version__, "threads": torch.get_num_threads(),
        "seconds": min(seconds), "median_seconds": statistics.median(seconds),
    }
    ours = core_seconds(kind.name)
    if ours:
        line |= {"core_seconds": ours, "core_times_faster": min(seconds) / ours}
    print(json.dumps(line), flush=True)


def main():
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    with torch.inference_mode():
        for kind in (Dit, PixArt):
            if not os.environ.get("PENTIMENTO_BENCH") or core_seconds(kind.name):
                measure(kind)


if __name__ == "__main__":
    main()
