"""DiT-XL/2 in PyTorch on a GPU in bf16, for comparison with `pentimento bench device` on the same weights in the same run: whole
forward passes that begin and end on the host, eager, compiled by torch.compile, and compiled and replayed as a CUDA graph.

Compiles everything, prints {"ready": true}, and measures once for every line on standard input: one line of JSON a figure. So the
compiler can work while something else is done with the GPU.
"""
import json
import os
import pathlib
import statistics
import sys
import time

import torch
from safetensors.torch import load_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "gpu"))
import torch_dit  # noqa: E402
from torch_dit import CUDA, DEVICE  # noqa: E402

CASES = [(256, 2), (512, 2), (256, 16), (512, 16)]
STEPS, WARM = 20, 4


def say(**line):
    print(json.dumps(line), flush=True)


def wait():
    if CUDA:
        torch.cuda.synchronize()


class Case:
    def __init__(self, pixels, batch, dit):
        side = torch_dit.SIDES[pixels]
        self.name = "DiT-XL/2 %d px, batch %d" % (pixels, batch)
        self.x = torch.randn(batch, dit.C, side, side)
        self.still = [self.x.to(DEVICE), torch.full((batch,), 937.0, device=DEVICE),
                      torch.tensor([207, 1000] * (batch // 2), device=DEVICE)]
        self.forms = {"eager": dit.denoise}
        self.dit = dit

    def compile(self):
        """What fails is left out, with the reason."""
        try:
            compiled = torch.compile(self.dit.denoise, dynamic=False)
            for _ in range(3):
                compiled(*self.still)
            self.forms["torch.compile"] = compiled
            if CUDA:
                self.forms["torch.compile, CUDA graph"] = self.captured(compiled)
        except Exception as error:  # PyTorch's compilers raise what they like
            say(name=self.name, skipped="torch.compile: %s" % str(error).strip().split("\n")[0][:200])

    def captured(self, forward):
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = forward(*self.still)

        def replay(x, t, y):
            self.still[0].copy_(x)
            graph.replay()
            return out
        return replay

    def measure(self):
        for form, forward in self.forms.items():
            seconds = []
            for step in range(WARM + STEPS):
                wait()
                start = time.perf_counter()
                out = forward(self.x.to(DEVICE), *self.still[1:]).float().cpu()
                seconds.append(time.perf_counter() - start)
            if not bool(out.isfinite().all()):
                say(name=self.name, skipped="%s: not finite" % form)
                continue
            say(name=self.name, form=form, seconds=statistics.median(seconds[WARM:]), best=min(seconds[WARM:]))


def product(side):
    """Operations per second of one large product."""
    a, b = (torch.randn(side, side, device=DEVICE, dtype=torch.bfloat16) for _ in range(2))
    best = 0
    for _ in range(6):
        wait()
        start = time.perf_counter()
        for _ in range(8):
            a @ b
        wait()
        best = max(best, 8 * 2 * side**3 / (time.perf_counter() - start))
    return best


def first_step(path):
    """Seconds from a file of f32 weights to the end of the first step in bf16, eager."""
    start = time.perf_counter()
    dit = torch_dit.Dit(load_file(path, device=str(DEVICE)), torch.bfloat16)
    case = Case(256, 2, dit)
    dit.denoise(*case.still).float().cpu()
    return time.perf_counter() - start


def main():
    torch.set_grad_enabled(False)
    weights = {pixels: torch_dit.hashed_weights(pixels) for pixels in (256, 512)}
    dits = {pixels: torch_dit.Dit(weights[pixels], torch.bfloat16) for pixels in weights}
    del weights
    cases = [Case(pixels, batch, dits[pixels]) for pixels, batch in CASES]
    if "--eager" not in sys.argv:
        torch._dynamo.config.cache_size_limit = 32
        for case in cases:
            start = time.perf_counter()
            case.compile()
            say(name=case.name, compiled_in=time.perf_counter() - start)
    say(ready=True, torch=torch.__version__)
    for _ in sys.stdin:
        say(name="a product of 8192, bf16", rate=product(64 if torch_dit.TINY else 8192))
        if os.path.exists(os.environ.get("PM_GPU_WEIGHTS", "")):
            say(name="DiT-XL/2 256 px: from a file to the end of the first step", first=first_step(os.environ["PM_GPU_WEIGHTS"]))
        for case in cases:
            case.measure()
        say(done=True)


if __name__ == "__main__":
    main()
