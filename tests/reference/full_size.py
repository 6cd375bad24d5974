"""DiT-XL/2 at full size: one step of `pentimento eval denoise` against PyTorch on the same hashed weights.

    ./dev shell -- python3 tests/reference/full_size.py [256|512]

Needs PyTorch, 10 GB of memory and some minutes, so it is not one of the tests; the outcome is in README.md. Exits with 1 when
the relative error is above the limit.
"""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

import hashed
from twin import Twin

DEPTH, D, HEADS, C, P, CLASSES, LIMIT = 28, 1152, 16, 4, 2, 1000, 1e-4


def linear(entries, key, rows, columns, gain=1.0):
    """Weights that keep unit variance times gain, and small biases."""
    entries[key + ".weight"] = hashed.entry((rows, columns), gain * (3 / columns) ** 0.5)
    entries[key + ".bias"] = hashed.entry((rows,), 0.1)


def make_entries(tokens):
    entries = {
        "x_embedder.proj.weight": hashed.entry((D, C, P, P), 0.4),
        "x_embedder.proj.bias": hashed.entry((D,), 0.1),
        "pos_embed": hashed.entry((1, tokens, D), 1),
        "y_embedder.embedding_table.weight": hashed.entry((CLASSES + 1, D), 1),
    }
    linear(entries, "t_embedder.mlp.0", D, 256)
    linear(entries, "t_embedder.mlp.2", D, D)
    for i in range(DEPTH):
        linear(entries, f"blocks.{i}.attn.qkv", 3 * D, D)
        linear(entries, f"blocks.{i}.attn.proj", D, D)
        linear(entries, f"blocks.{i}.mlp.fc1", 4 * D, D)
        linear(entries, f"blocks.{i}.mlp.fc2", D, 4 * D)
        linear(entries, f"blocks.{i}.adaLN_modulation.1", 6 * D, D, 0.5)
    linear(entries, "final_layer.adaLN_modulation.1", 2 * D, D, 0.5)
    linear(entries, "final_layer.linear", 2 * C * P * P, D)
    return entries


def core_output(entries, inputs):
    with tempfile.TemporaryDirectory() as folder:
        model, source, target = (os.path.join(folder, name) for name in ("model", "in.safetensors", "out.safetensors"))
        os.mkdir(model)
        hashed.write(os.path.join(model, "model.hash.json"), entries)
        with open(os.path.join(model, "config.json"), "w") as file:
            json.dump({"num_attention_heads": HEADS}, file)
        save_file(inputs, source)
        subprocess.run(["pentimento", "eval", "denoise", "--model", model, "--in", source, "--out", target], check=True)
        return load_file(target)["out"]


def main():
    pixels = int(sys.argv[1]) if len(sys.argv) > 1 else 256
    side = pixels // 8
    entries = make_entries((side // P) ** 2)
    inputs = {
        "x": hashed.values("input.x", (2, C, side, side), 3**0.5),
        "t": np.array([937, 937], dtype=np.float32),
        "y": np.array([207, CLASSES], dtype=np.int32),
    }
    got = core_output(entries, inputs)
    tensors = {key: hashed.values(key, e["shape"], e["scale"], e["offset"]) for key, e in entries.items()}
    twin = Twin(tensors, {"num_attention_heads": HEADS}, dtype=torch.float32)
    del tensors
    with torch.no_grad():
        expected = twin.denoise(*(torch.tensor(inputs[k]) for k in "xt"), torch.tensor(inputs["y"]).long()).numpy()
    error = np.abs(got - expected).max() / np.abs(expected).max()
    print(f"DiT-XL/2, {pixels} px: relative error {error:.2e}, limit {LIMIT:.0e}; largest value {np.abs(expected).max():.2f}")
    sys.exit(1 if error > LIMIT else 0)


if __name__ == "__main__":
    main()
