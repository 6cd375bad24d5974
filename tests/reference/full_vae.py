"""The published decoders' size, Stable Diffusion's and SDXL's: both directions against diffusers' on hashed weights.

    ./dev shell -- python3 tests/reference/full_vae.py [PIXELS ...]

Needs PyTorch, diffusers and some minutes, so it is not one of the tests; the outcome is in README.md. Exits with 1 when a
relative error is above the limit.
"""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.numpy import load_file, save_file

import hashed
import vae_cases

LIMIT = 1e-4
BASE = dict(channels=[128, 256, 512, 512], layers=2, z=4, groups=32, old_names=False, quant=True, attention=True)
CASES = {
    "SD": BASE | {"config": {"scaling_factor": 0.18215, "sample_size": 512}},
    "SDXL": BASE | {"config": {"scaling_factor": 0.13025, "sample_size": 1024, "force_upcast": True}},
}


def values(entries):
    return {key: hashed.values(key, e["shape"], e["scale"], e["offset"]) for key, e in entries.items()}


def evaluate(folder, stage, source):
    given, target = os.path.join(folder, "in.safetensors"), os.path.join(folder, "out.safetensors")
    save_file(source, given)
    subprocess.run(["pentimento", "eval", stage, "--model", folder + "/vae", "--in", given, "--out", target], check=True)
    return next(iter(load_file(target).values()))


def compare(case, pixels, vae, folder):
    """(decoding's, encoding's) largest difference over the largest value."""
    entries = vae_cases.inputs(case | {"latent": [1, 4, pixels // 8, pixels // 8]})
    given = values(entries)
    scaling = case["config"]["scaling_factor"]
    image = vae.decode(torch.tensor(given["latent"]) / scaling).sample.numpy()
    mean = (vae.encode(torch.tensor(given["image"])).latent_dist.mean * scaling).numpy()
    out = evaluate(folder, "vae-decode", {"latent": given["latent"]}), evaluate(folder, "vae-encode", {"image": given["image"]})
    return [float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(out, (image, mean))]


def main():
    torch.set_grad_enabled(False)
    worst = 0
    for name, case in CASES.items():
        config = vae_cases.config(case)
        vae = AutoencoderKL(**{k: v for k, v in config.items() if not k.startswith("_")}).eval()
        vae.load_state_dict({k: torch.tensor(v) for k, v in values(vae_cases.weights(case)).items()})
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(folder + "/vae")
            hashed.write(folder + "/vae/diffusion_pytorch_model.hash.json", vae_cases.weights(case))
            with open(folder + "/vae/config.json", "w") as file:
                json.dump(config, file)
            for pixels in map(int, sys.argv[1:] or (256, 512)):
                errors = compare(case, pixels, vae, folder)
                worst = max(worst, *errors)
                print(f"{name}, {pixels} px: decoding {errors[0]:.1e}, encoding {errors[1]:.1e}, limit {LIMIT:.0e}", flush=True)
    sys.exit(1 if worst > LIMIT else 0)


if __name__ == "__main__":
    main()
