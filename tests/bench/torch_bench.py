"""DiT in PyTorch, for comparison with `pentimento bench`: random weights, f32, all cores.

torch_bench.py [NAME...]: dit-s, dit-xl, dit-xl-512; all without a name. Each runs with PyTorch's fused attention; dit-xl once
more compiled by torch.compile, dit-xl-512 once more with all maps: PyTorch's fused attention gives no probabilities, so they are
made as a matrix and averaged over queries, which is `received`.

Prints a line of JSON for each: seconds of one step (best and median), and, when PENTIMENTO_BENCH names the table of a bench
run, how many times faster the core was. Sizes: Peebles and Xie, Scalable Diffusion Models with Transformers, table 1.
Letters: B items, N tokens, D width, H heads, L layers.
"""
import json
import os
import re
import statistics
import subprocess
import sys
import time

import torch
import torch.nn.functional as F

XL, S = {"D": 1152, "H": 16, "L": 28}, {"D": 384, "H": 6, "L": 12}

# name, size, N, B, steps, name of the rows of the core
CASES = [
    ("dit-s", S, 256, 1, 10, "DiT-S/2 256 px, batch 1, f32"),
    ("dit-xl", XL, 256, 2, 5, "DiT-XL/2 256 px, batch 2, f32"),
    ("dit-xl-512", XL, 1024, 2, 3, "DiT-XL/2 512 px, batch 2, f32"),
]


def linear(rows, columns):
    return torch.randn(rows, columns) * columns**-0.5, torch.zeros(rows)


def make_weights(size, N):
    D = size["D"]
    block = {"modulate": 6 * D, "qkv": 3 * D, "proj": D, "up": 4 * D}
    return {
        "patch": linear(D, 16), "positions": torch.randn(1, N, D), "time1": linear(D, 256), "time2": linear(D, D),
        "classes": torch.randn(1001, D), "last_modulate": linear(2 * D, D), "last": linear(32, D),
        "blocks": [{k: linear(rows, D) for k, rows in block.items()} | {"down": linear(D, 4 * D)} for _ in range(size["L"])],
    }


def modulated(x, shift, scale):
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale[:, None]) + shift[:, None]


def attend(q, k, v, maps):
    if maps is None:
        return F.scaled_dot_product_attention(q, k, v)
    p = torch.softmax(q @ k.transpose(-2, -1) * q.shape[-1]**-0.5, dim=-1)
    maps.append(p.mean(dim=-2))
    return p @ v


def block_forward(w, x, c, heads, maps):
    B, N, D = x.shape
    s1, m1, g1, s2, m2, g2 = F.linear(c, *w["modulate"]).chunk(6, dim=1)
    q, k, v = F.linear(modulated(x, s1, m1), *w["qkv"]).view(B, N, 3, heads, D // heads).permute(2, 0, 3, 1, 4)
    attended = attend(q, k, v, maps).transpose(1, 2).reshape(B, N, D)
    x = x + g1[:, None] * F.linear(attended, *w["proj"])
    hidden = F.gelu(F.linear(modulated(x, s2, m2), *w["up"]), approximate="tanh")
    return x + g2[:, None] * F.linear(hidden, *w["down"])


def forward(w, patches, t, y, heads, maps=None):
    angle = t[:, None] * torch.exp(-torch.log(torch.tensor(1e4)) * torch.arange(128) / 128)
    c = F.linear(torch.cat([angle.cos(), angle.sin()], dim=1), *w["time1"])
    c = F.silu(F.linear(F.silu(c), *w["time2"]) + w["classes"][y])
    x = F.linear(patches, *w["patch"]) + w["positions"]
    for block in w["blocks"]:
        x = block_forward(block, x, c, heads, maps)
    shift, scale = F.linear(c, *w["last_modulate"]).chunk(2, dim=1)
    return F.linear(modulated(x, shift, scale), *w["last"])


def core_seconds(row):
    """Seconds of the row of that name in the table of `pentimento bench`, or None."""
    path = os.environ.get("PENTIMENTO_BENCH")
    if not path:
        return None
    with open(path) as table:
        found = re.search(re.escape(row) + r"\s+([0-9.e+-]+) s\b", table.read())
    return float(found.group(1)) if found else None


def measure(name, row, run, steps):
    """Times `steps` calls of run() after one that warms up, and prints the line."""
    seconds = []
    with torch.inference_mode():
        run()
        for _ in range(steps):
            start = time.perf_counter()
            out = run()
            seconds.append(time.perf_counter() - start)
    if not bool(out.isfinite().all()):
        sys.exit("torch_bench.py: the network gave numbers that are not finite.")
    line = {
        "name": name, "torch": torch.__version__, "threads": torch.get_num_threads(), "seconds": min(seconds),
        "median_seconds": statistics.median(seconds),
    }
    ours = core_seconds(row)
    if ours:
        line |= {"core_seconds": ours, "core_times_faster": min(seconds) / ours}
    print(json.dumps(line), flush=True)


def measure_compiled(name, case):
    """The same by torch.compile in a process of its own, which may end badly, or a line that says why there is none."""
    child = subprocess.run([sys.executable, __file__, "--compiled", case], capture_output=True, text=True)
    if child.returncode == 0:
        print(child.stdout, end="", flush=True)
        return
    reason = [line for line in child.stderr.splitlines() if "rror" in line] or ["it ended with %d" % child.returncode]
    remedy = "it needs a PyTorch that can, a C++ compiler, and the headers of Python and PyTorch"
    print(json.dumps({"name": name, "skipped": "torch.compile failed: %s; %s" % (reason[-1].strip()[:200], remedy)}), flush=True)


def main():
    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    compiled = "--compiled" in sys.argv
    wanted = [name for name in sys.argv[1:] if not name.startswith("-")] or [case[0] for case in CASES]
    for name, size, N, B, steps, row in (case for case in CASES if case[0] in wanted):
        weights = make_weights(size, N)
        inputs = weights, torch.randn(B, N, 16), torch.tensor([500.0] * B), torch.tensor([207, 1000][:B]), size["H"]
        if compiled:
            measure(row + ": one step by torch.compile", row + ": one step", torch.compile(lambda: forward(*inputs)), steps)
            continue
        measure(row + ": one step in PyTorch", row + ": one step", lambda: forward(*inputs), steps)
        if name == "dit-xl":
            measure_compiled(row + ": one step by torch.compile", name)
        if name == "dit-xl-512":
            measure(row + ", all maps in PyTorch", row + ", all maps (aim 1.05)", lambda: forward(*inputs, maps=[]), steps)


if __name__ == "__main__":
    main()
