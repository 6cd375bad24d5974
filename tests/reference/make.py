#!/usr/bin/env python3
"""Writes the fixtures: for each case of cases.py a model folder and what the twin computes with it in float64.

Run without arguments, it writes the same files again. `--check` writes nothing and reports how far float32 on the same
twin lies from the stored truth: what no float32 program can be blamed for.
"""
import argparse
import json
import math
import pathlib

import torch
from safetensors.numpy import load_file, save_file

import cases
import hashed
import twin as tw

HERE = pathlib.Path(__file__).resolve().parent


def f32(tensor):
    return tensor.to(torch.float32).contiguous().numpy()


def sample(twin, spec, noise):
    """One picture [1,C,h,w] of a sampling specification."""
    if "seed" in spec:
        torch.manual_seed(spec["seed"])
        noise = torch.randn(1, twin.C, twin.size, twin.size).to(twin.dtype)
    run = {"euler": tw.euler, "ddim": tw.ddim}[spec["sampler"]]
    return run(twin, noise, spec["class"], spec["steps"], spec["guidance"], spec.get("interval", [0, 1]))


def compute(case, dtype):
    """({name: f32 array}, maps P of every layer [L][B,H,N,N])."""
    names = cases.inputs(case)
    given = {k: torch.tensor(hashed.values(k, e["shape"], e["scale"], e["offset"])).to(dtype) for k, e in names.items()}
    tensors = {k: hashed.values(k, e["shape"], e["scale"], e["offset"]) for k, e in cases.weights(case).items()}
    twin = tw.Twin(tensors, case["config"], dtype)
    maps = []
    t = torch.tensor(case["t"], dtype=torch.float32).to(dtype)
    out = {"out": f32(twin.denoise(given["x"], t, torch.tensor(case["y"]), maps))}
    region = given["region"]
    readings = {
        "received": tw.received, "entropy": tw.entropy, "distance": tw.distance,
        "from": lambda P: tw.looked_from(P, region), "to": lambda P: tw.looked_to(P, region),
    }
    for name, read in readings.items():
        out[name] = f32(torch.stack([read(P) for P in maps]))
    out["probs"] = f32(maps[case["probs"]])
    out["subject"] = f32(tw.subject([maps[i] for i in case["config"]["recommended_layers"]]))
    for name, spec in case["samples"].items():
        out["sample." + name] = f32(sample(twin, spec, given["noise"]))
    return out, maps, twin, t


def require_telling(name, case, maps, twin, t):
    """A fixture must be able to fail: attention neither flat nor one-hot in any head, gates that let something through."""
    share = torch.stack([tw.entropy(P).mean(-1) for P in maps]) / math.log(maps[0].shape[-1])
    assert 0.3 < share.min() and share.max() < 0.9, f"{name}: entropy {share.min():.2f}..{share.max():.2f} of ln N"
    c = torch.nn.functional.silu(twin.condition(t, torch.tensor(case["y"])))
    for i in range(twin.depth):
        gates = torch.cat(twin.linear(c, f"blocks.{i}.adaLN_modulation.1").chunk(6, dim=1)[2::3])
        assert 0.2 < gates.pow(2).mean().sqrt() < 2, f"{name}: gates of layer {i}"
    return share


def write(folder, case, out):
    model = folder / "model"
    files = {"config.json": case["config"]} if "pipeline" not in case else cases.pipeline_files(case)
    weights = model / ("model.hash.json" if "pipeline" not in case else "transformer/diffusion_pytorch_model.hash.json")
    for name, content in files.items():
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_text(json.dumps(content, indent=1) + "\n")
    hashed.write(weights, cases.weights(case))
    hashed.write(folder / "inputs.hash.json", cases.inputs(case))
    spec = {k: case[k] for k in ("t", "y", "probs", "samples")}
    (folder / "case.json").write_text(json.dumps(spec, indent=1) + "\n")
    save_file(out, folder / "expected.safetensors")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    torch.set_grad_enabled(False)
    for name, case in cases.CASES.items():
        out, *rest = compute(case, torch.float32 if check else torch.float64)
        share = require_telling(name, case, *rest)
        print(f"{name}: entropy {share.min():.2f}..{share.max():.2f} of ln N")
        if not check:
            write(HERE / name, case, out)
            continue
        for key, truth in load_file(HERE / name / "expected.safetensors").items():
            difference = abs(out[key].astype("f8") - truth)
            rms = math.sqrt((difference**2).mean() / (truth.astype("f8") ** 2).mean())
            print(f"  {key}: largest {difference.max():.1e} of {abs(truth).max():.3g}, rms {rms:.1e}")


if __name__ == "__main__":
    main()
