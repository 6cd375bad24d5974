"""DiT-XL/2 at 256 px in eager PyTorch, for comparison with `pentimento bench dit-xl`: random weights, batch 2, f32, all cores.

Prints one line of JSON: seconds of one step (best and median), and, when PENTIMENTO_BENCH names the table of a bench run,
how many times faster the core was. Sizes: Peebles and Xie, Scalable Diffusion Models with Transformers, table 1.
Letters: B items, N tokens, D width, H heads, L layers.
"""
import json
import os
import re
import statistics
import sys
import time

import torch
import torch.nn.functional as F

B, N, D, H, L, STEPS = 2, 256, 1152, 16, 28, 5
ROW = r"DiT-XL/2 256 px, batch 2, f32: one step\s+([0-9.e+-]+) s"


def linear(rows, columns):
    return torch.randn(rows, columns) * columns**-0.5, torch.zeros(rows)


def make_weights():
    block = {"modulate": 6 * D, "qkv": 3 * D, "proj": D, "up": 4 * D}
    return {
        "patch": linear(D, 16), "positions": torch.randn(1, N, D), "time1": linear(D, 256), "time2": linear(D, D),
        "classes": torch.randn(1001, D), "last_modulate": linear(2 * D, D), "last": linear(32, D),
        "blocks": [{k: linear(rows, D) for k, rows in block.items()} | {"down": linear(D, 4 * D)} for _ in range(L)],
    }


def modulated(x, shift, scale):
    return F.layer_norm(x, (D,), eps=1e-6) * (1 + scale[:, None]) + shift[:, None]


def block_forward(w, x, c):
    s1, m1, g1, s2, m2, g2 = F.linear(c, *w["modulate"]).chunk(6, dim=1)
    q, k, v = F.linear(modulated(x, s1, m1), *w["qkv"]).view(B, N, 3, H, D // H).permute(2, 0, 3, 1, 4)
    attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, N, D)
    x = x + g1[:, None] * F.linear(attended, *w["proj"])
    hidden = F.gelu(F.linear(modulated(x, s2, m2), *w["up"]), approximate="tanh")
    return x + g2[:, None] * F.linear(hidden, *w["down"])


def forward(w, patches, t, y):
    angle = t[:, None] * torch.exp(-torch.log(torch.tensor(1e4)) * torch.arange(128) / 128)
    c = F.linear(torch.cat([angle.cos(), angle.sin()], dim=1), *w["time1"])
    c = F.silu(F.linear(F.silu(c), *w["time2"]) + w["classes"][y])
    x = F.linear(patches, *w["patch"]) + w["positions"]
    for block in w["blocks"]:
        x = block_forward(block, x, c)
    shift, scale = F.linear(c, *w["last_modulate"]).chunk(2, dim=1)
    return F.linear(modulated(x, shift, scale), *w["last"])


def core_seconds():
    """Seconds of a step in the table of `pentimento bench`, or None."""
    path = os.environ.get("PENTIMENTO_BENCH")
    if not path:
        return None
    with open(path) as table:
        found = re.search(ROW, table.read())
    return float(found.group(1)) if found else None


def main():
    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    weights = make_weights()
    patches, t, y = torch.randn(B, N, 16), torch.tensor([500.0, 500.0]), torch.tensor([207, 1000])
    seconds = []
    with torch.inference_mode():
        forward(weights, patches, t, y)
        for _ in range(STEPS):
            start = time.perf_counter()
            out = forward(weights, patches, t, y)
            seconds.append(time.perf_counter() - start)
    if not bool(out.isfinite().all()):
        sys.exit("torch_bench.py: the network gave numbers that are not finite.")
    line = {
        "name": "DiT-XL/2 256 px, batch 2, f32: one step in PyTorch", "torch": torch.__version__,
        "threads": torch.get_num_threads(), "seconds": min(seconds), "median_seconds": statistics.median(seconds),
    }
    ours = core_seconds()
    if ours:
        line |= {"core_seconds": ours, "core_times_faster": min(seconds) / ours}
    print(json.dumps(line))


if __name__ == "__main__":
    main()
