#!/usr/bin/env python3
"""compare.py WHAT PROGRAM FOLDER: the core on a GPU against the core on the processor and against PyTorch, one line of JSON a
figure with its limit. WHAT is one of
  full     one guided step of DiT-XL/2 at 256 and 512 px, hashed weights: f32 within 1e-4 of the processor and of PyTorch; bf16's
           error at most 1.5 times that of PyTorch in bf16, both against the same in f32
  pictures 20 steps of the bundled model: bf16's PSNR at most 1 dB below that of PyTorch in bf16, both against f32
FOLDER is for models and tensors on the way. PM_GPU_TINY=1 makes the networks of `full` small, for a try without a GPU."""
import json
import math
import os
import pathlib
import subprocess
import sys

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_torch

import torch_dit
from torch_dit import DEVICE, full_size, hashed

import twin as tw

TOP = pathlib.Path(__file__).resolve().parents[2]
STEPS, CLASSES = (3, (8,)) if torch_dit.TINY else (20, (2, 8, 13, 20))


def say(name, value, limit=None, **more):
    line = {"name": name, "value": value} | more
    if limit is not None:
        line |= {"limit": limit, "ok": bool(value <= limit)}
    print(json.dumps(line), flush=True)


def rms(got, expected):
    got, expected = (np.asarray(a, dtype=np.float64) for a in (got, expected))
    return float(np.sqrt(((got - expected) ** 2).mean() / (expected**2).mean()))


def largest(got, expected):
    return float(np.abs(np.asarray(got, dtype=np.float64) - expected).max() / np.abs(expected).max())


class Core:
    def __init__(self, program, folder):
        self.program, self.folder = program, pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def run(self, stage, model, tensors, *options):
        source, target = self.folder / "in.safetensors", self.folder / "out.safetensors"
        save_file(tensors, source)
        subprocess.run([self.program, "eval", stage, "--model", str(model), "--in", str(source), "--out", str(target), "--quiet",
                        *options], check=True)
        return load_file(target)


def full(core, pixels):
    side = torch_dit.SIDES[pixels]
    model = core.folder / ("dit-%d" % pixels)
    model.mkdir(exist_ok=True)
    hashed.write(model / "model.hash.json", full_size.make_entries((side // full_size.P) ** 2))
    (model / "config.json").write_text(json.dumps({"num_attention_heads": full_size.HEADS}))
    inputs = {"x": hashed.values("input.x", (2, full_size.C, side, side), 3**0.5), "t": np.array([937, 937], dtype=np.float32),
              "y": np.array([207, full_size.CLASSES], dtype=np.int32)}
    weights = torch_dit.hashed_weights(pixels)
    if pixels == 256:
        save_torch({k: v.cpu() for k, v in weights.items()}, core.folder / "dit-256.safetensors")
    told = [torch.tensor(inputs[k], device=DEVICE) for k in "xt"] + [torch.tensor(inputs["y"], device=DEVICE).long()]
    torch_out = {name: torch_dit.Dit(weights, dtype).denoise(*told).float().cpu().numpy()
                 for name, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16), ("f16", torch.float16))}
    del weights

    name = "DiT-XL/2 %d px, one step: " % pixels
    out = {kind: core.run("denoise", model, inputs, "--device", "cuda", "--precision", kind)["out"] for kind in torch_out}
    cpu = core.run("denoise", model, inputs, "--device", "cpu")["out"]
    say(name + "GPU f32 from the processor", largest(out["f32"], cpu), 1e-4)
    say(name + "GPU f32 from PyTorch f32", largest(out["f32"], torch_out["f32"]), 1e-4)
    for kind in ("bf16", "f16"):
        own, theirs = rms(out[kind], out["f32"]), rms(torch_out[kind], torch_out["f32"])
        say(name + "GPU %s from f32, rms" % kind, own, 1.5 * theirs, torch=theirs)
        say(name + "GPU %s from f32, the largest" % kind, largest(out[kind], out["f32"]), torch=largest(torch_out[kind],
                                                                                                     torch_out["f32"]))


class Starter(torch_dit.Dit):
    """The bundled model with the twin's guidance and sampler around it."""

    def __init__(self, weights, config, dtype):
        super().__init__(weights, dtype, config["num_attention_heads"])
        self.config, self.null = config, config["null_class"]

    def guide(self, z, t, label, scale):
        labels = [label] if scale is None else [label, self.null]
        out = self.denoise(z.to(DEVICE).expand(len(labels), -1, -1, -1), torch.full((len(labels),), t, device=DEVICE),
                           torch.tensor(labels, device=DEVICE)).float().cpu().double()
        return out if scale is None else out[1:] + scale * (out[:1] - out[1:])


def psnr(got, expected):
    got, expected = (np.clip(a, -1, 1).astype(np.float64) for a in (got, expected))
    return float(10 * math.log10(4 / max(((got - expected) ** 2).mean(), 1e-20)))


def pictures(core):
    model = TOP / "data" / "models" / "starter-pixel"
    config = json.loads((model / "config.json").read_text())
    tensors = {k: torch.tensor(v.astype(np.float32)) for k, v in load_file(model / "model.safetensors").items()}
    twins = {kind: Starter(tensors, config, dtype) for kind, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16))}
    guidance, interval = config["defaults"]["guidance"], config["defaults"]["guidance_interval"]
    noises = torch.randn(len(CLASSES), 1, 3, 64, 64, generator=torch.Generator().manual_seed(5))
    found = {key: [] for key in ("core", "torch", "f32")}
    for label, noise in zip(CLASSES, noises):
        theirs = {kind: tw.euler(twin, noise.double(), label, STEPS, guidance, interval).numpy() for kind, twin in twins.items()}
        own = {kind: core.run("sample", model, {"noise": noise.numpy()}, "--class", str(label), "--steps", str(STEPS),
                              "--sampler", "euler", "--device", "cuda", "--precision", kind)["latent"] for kind in twins}
        found["f32"].append(psnr(own["f32"], theirs["f32"]))
        found["core"].append(psnr(own["bf16"], own["f32"]))
        found["torch"].append(psnr(theirs["bf16"], theirs["f32"]))
    means = {key: sum(values) / len(values) for key, values in found.items()}
    say("starter-pixel, %d steps: dB that bf16 loses against PyTorch's bf16" % STEPS, means["torch"] - means["core"], 1.0,
        core_psnr=found["core"], torch_psnr=found["torch"])
    say("starter-pixel, %d steps: minus the PSNR of GPU f32 against PyTorch f32" % STEPS, -means["f32"], -60.0)


def main():
    what, program, folder = sys.argv[1:4]
    torch.set_grad_enabled(False)
    core = Core(program, folder)
    if what == "full":
        for pixels in torch_dit.SIDES:
            full(core, pixels)
    else:
        pictures(core)


if __name__ == "__main__":
    main()
