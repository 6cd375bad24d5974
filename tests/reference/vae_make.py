#!/usr/bin/env python3
"""Writes the fixtures of decoders: for each case of vae_cases.py a folder `vae/` and what the twin computes in float64.

Run without arguments, it writes the same files again. `--check` writes nothing and reports how far float32 lies from the
stored truth; `--diffusers` compares the twin with diffusers' AutoencoderKL in float32, where that is installed."""
import argparse
import json
import pathlib

import torch
from safetensors.numpy import load_file, save_file

import hashed
import vae_cases as cases
from vae_twin import Vae

HERE = pathlib.Path(__file__).resolve().parent


def numbers(entries):
    return {k: torch.tensor(hashed.values(k, e["shape"], e["scale"], e["offset"])) for k, e in entries.items()}


def weights(case):
    """{diffusers' key: tensor}"""
    entries = cases.weights(case)
    named = numbers({cases.file_name(k, case): e for k, e in entries.items()})
    return {k: named[cases.file_name(k, case)] for k in entries}


def compute(case, dtype):
    given = {k: v.to(dtype) for k, v in numbers(cases.inputs(case)).items()}
    vae = Vae(weights(case), cases.config(case), dtype)
    torch.manual_seed(case["seed"])
    normals = torch.stack([torch.randn(case["latent"][1:]) for _ in range(case["latent"][0])]).to(dtype)
    out = {"image": vae.decode(given["latent"]), "mean": vae.encode(given["image"]),
           "draw": vae.encode(given["image"], normals)}
    return {k: v.to(torch.float32).contiguous().numpy() for k, v in out.items()}


def difference(a, b):
    return abs(a.astype("f8") - b).max() / abs(b).max()


def compare_diffusers(name, case):
    from diffusers import AutoencoderKL
    config = {k: v for k, v in cases.config(case).items() if not k.startswith("_")}
    model = AutoencoderKL(**config).eval()
    tensors = weights(case)
    new = {k.replace(".query.", ".to_q.").replace(".key.", ".to_k.").replace(".value.", ".to_v.")
           .replace(".proj_attn.", ".to_out.0."): v.reshape(v.shape[:2]) if "attentions" in k else v for k, v in tensors.items()}
    model.load_state_dict(new)
    given = numbers(cases.inputs(case))
    scaling, shift = config["scaling_factor"], config.get("shift_factor") or 0
    image = model.decode(given["latent"] / scaling + shift).sample.numpy()
    mean = ((model.encode(given["image"]).latent_dist.mean - shift) * scaling).numpy()
    for dtype in (torch.float32, torch.float64):
        twin = compute(case, dtype)
        print(f"{name}: twin in {dtype} against diffusers in f32: decode {difference(image, twin['image']):.1e}, "
              f"encode {difference(mean, twin['mean']):.1e}")


def write(folder, case, out):
    model = folder / "vae"
    model.mkdir(parents=True, exist_ok=True)
    entries = {cases.file_name(k, case): e for k, e in cases.weights(case).items()}
    hashed.write(model / "diffusion_pytorch_model.hash.json", entries)
    hashed.write(folder / "inputs.hash.json", cases.inputs(case))
    (model / "config.json").write_text(json.dumps(cases.config(case), indent=1) + "\n")
    (folder / "vae.json").write_text(json.dumps({"seed": case["seed"]}) + "\n")
    save_file(out, folder / "expected.safetensors")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--diffusers", action="store_true")
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    for name, case in cases.CASES.items():
        if options.diffusers:
            compare_diffusers(name, case)
            continue
        out = compute(case, torch.float32 if options.check else torch.float64)
        for key, values in out.items():
            spread = values.std() / (1 if key == "image" else case["config"]["scaling_factor"])
            assert 0.2 < spread < 5, f"{name}: {key} has the deviation {spread:.2f}"
        if not options.check:
            write(HERE / name, case, out)
            continue
        for key, truth in load_file(HERE / name / "expected.safetensors").items():
            print(f"{name}: {key} in float32 {difference(out[key], truth):.1e}")


if __name__ == "__main__":
    main()
