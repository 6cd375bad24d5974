"""DiT and PixArt-Sigma in PyTorch, for comparison with `pentimento bench`: random weights, f32, all cores.

Each runs eagerly with PyTorch's fused attention; DiT-XL/2 once more compiled by torch.compile at 256 px, and once more with all
maps at 512 px: fused attention gives no probabilities, so they are made as a matrix and averaged over queries (`received`).

Prints one line of JSON a network: seconds of one step (best and median). When PENTIMENTO_BENCH names the table of a bench run,
only networks that are in it are timed, and how many times faster the core was is printed too. Sizes: Peebles and Xie,
Scalable Diffusion Models with Transformers, table 1; Chen et al., PixArt-alpha, section 3.1.
Letters: B items, N tokens, S of a text, D width, H heads, L layers.
"""
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time

import torch
import torch.nn.functional as F

S = 60


def linear(rows, columns):
    return torch.randn(rows, columns) * columns**-0.5, torch.zeros(rows)


class Network:
    """What all have: patches in, modulated blocks, patches out. N is the kind's own."""

    B, D, H, L, maps, compiled = 2, 1152, 16, 28, None, False

    def __init__(self, block):
        B, D, L = self.B, self.D, self.L
        block |= {"qkv": (3 * D, D), "proj": (D, D), "up": (4 * D, D), "down": (D, 4 * D)}
        self.ends = {"patch": linear(D, 16), "time1": linear(D, 256), "time2": linear(D, D), "last": linear(32, D)}
        self.positions = torch.randn(1, self.N, D)
        self.blocks = [{name: linear(*size) for name, size in block.items()} for _ in range(L)]
        self.inputs = torch.randn(B, self.N, 16), torch.tensor([500.0] * B)

    def condition(self, t):
        angle = t[:, None] * torch.exp(-torch.log(torch.tensor(1e4)) * torch.arange(128) / 128)
        c = F.linear(torch.cat([angle.cos(), angle.sin()], dim=1), *self.ends["time1"])
        return F.linear(F.silu(c), *self.ends["time2"])

    def modulated(self, x, shift, scale):
        return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale[:, None]) + shift[:, None]

    def attend(self, q, k, v, mask=None):
        q, k, v = (z.view(self.B, -1, self.H, self.D // self.H).transpose(1, 2) for z in (q, k, v))
        if self.maps is None:
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        else:
            p = torch.softmax(q @ k.transpose(-2, -1) * q.shape[-1]**-0.5, dim=-1)
            self.maps.append(p.mean(dim=-2))
            out = p @ v
        return out.transpose(1, 2).reshape(self.B, self.N, self.D)

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
    name, N, steps = "DiT-XL/2 256 px, batch 2, f32: one step", 256, 5

    def __init__(self):
        super().__init__({"modulate": (6 * self.D, self.D)})
        self.ends["last_modulate"] = linear(2 * self.D, self.D)
        self.classes = torch.randn(1001, self.D)

    def condition(self, t):
        return F.silu(super().condition(t) + self.classes[torch.tensor([207, 1000][:self.B])])

    def chunks(self, i, c):
        return F.linear(c, *self.blocks[i]["modulate"]).chunk(6, dim=1)

    def look(self, x, w):
        return x

    def last(self, c):
        return F.linear(c, *self.ends["last_modulate"]).chunk(2, dim=1)


class DitSmall(Dit):
    name, steps = "DiT-S/2 256 px, batch 1, f32: one step", 10
    B, D, H, L = 1, 384, 6, 12


class DitCompiled(Dit):
    compiled = True


class Dit512(Dit):
    name, N, steps = "DiT-XL/2 512 px, batch 2, f32: one step", 1024, 3


class Dit512Maps(Dit512):
    name = "DiT-XL/2 512 px, batch 2, f32, all maps (aim 1.05)"

    def forward(self):
        self.maps = []
        return super().forward()


class PixArt(Network):
    """Its program makes keys and values of the texts anew in every step."""

    name, N, steps = "pixart-sigma 512 px, batch 2, f16 weights: one step", 1024, 3

    def __init__(self):
        B, D, L = self.B, self.D, self.L
        super().__init__({"cross_q": (D, D), "cross_kv": (2 * D, D), "cross_proj": (D, D)})
        self.ends |= {"modulate": linear(6 * D, D), "caption1": linear(D, 4096), "caption2": linear(D, D)}
        self.tables, self.table = torch.randn(L, 6, D) * D**-0.5, torch.randn(2, D) * D**-0.5
        self.text = torch.randn(B, S, 4096)
        self.mask = (torch.arange(S) < torch.tensor([S, 1])[:, None])[:, None, None]

    def condition(self, t):
        hidden = F.gelu(F.linear(self.text, *self.ends["caption1"]), approximate="tanh")
        self.caption = F.linear(hidden, *self.ends["caption2"])
        c = super().condition(t)
        self.shared = F.linear(F.silu(c), *self.ends["modulate"]).view(self.B, 6, self.D)
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
    forward = torch.compile(network.forward) if kind.compiled else network.forward
    forward()
    for _ in range(kind.steps):
        start = time.perf_counter()
        out = forward()
        seconds.append(time.perf_counter() - start)
    if not bool(out.isfinite().all()):
        sys.exit("torch_bench.py: the network gave numbers that are not finite.")
    line = {
        "name": line_name(kind), "torch": torch.__version__, "threads": torch.get_num_threads(), "seconds": min(seconds),
        "median_seconds": statistics.median(seconds),
    }
    ours = core_seconds(kind.name)
    if ours:
        line |= {"core_seconds": ours, "core_times_faster": min(seconds) / ours}
    print(json.dumps(line), flush=True)


def line_name(kind):
    return kind.name + (" by torch.compile, f32" if kind.compiled else " in PyTorch, f32")


def measure_apart(kind):
    """In a process of its own, which torch.compile may end badly; then a line says why there is no figure."""
    child = subprocess.run([sys.executable, __file__, kind.__name__], capture_output=True, text=True)
    if child.returncode == 0:
        print(child.stdout, end="", flush=True)
        return
    reason = [line for line in child.stderr.splitlines() if "rror" in line]
    if child.returncode < 0 or not reason:  # a crash has written what it liked before
        ended = signal.strsignal(-child.returncode) if child.returncode < 0 else "status %d" % child.returncode
        reason = ["it ended by itself (%s)" % ended]
    remedy = ("it needs a C++ compiler, the headers of Python, and a PyTorch that can (PENTIMENTO_BENCH_PYTHON names the Python "
              "of another one)")
    print(json.dumps({"name": line_name(kind), "skipped": "%s; %s" % (reason[-1].strip()[:200], remedy)}), flush=True)


def main():
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    kinds = Dit, DitCompiled, DitSmall, Dit512, Dit512Maps, PixArt
    with torch.inference_mode():
        for kind in kinds:
            if sys.argv[1:]:
                if kind.__name__ in sys.argv[1:]:
                    measure(kind)
            elif not os.environ.get("PENTIMENTO_BENCH") or core_seconds(kind.name):
                (measure_apart if kind.compiled else measure)(kind)


if __name__ == "__main__":
    main()
