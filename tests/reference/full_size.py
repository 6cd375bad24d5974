"""Networks at full size: one step of `pentimento eval denoise` against PyTorch on the same weights.

    ./dev shell -- python3 tests/reference/full_size.py [256|512]           DiT-XL/2, hashed weights, against the twin
    ./dev shell -- python3 tests/reference/full_size.py pixart [512]        PixArt-Sigma, random f16 weights, against diffusers

Needs PyTorch (and diffusers), 10 GB of memory and some minutes, so it is not one of the tests; the outcome is in README.md. Exits
with 1 when the relative error is above the limit.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

import hashed
from twin import Twin

DEPTH, D, HEADS, C, P, CLASSES, LIMIT = 28, 1152, 16, 4, 2, 1000, 1e-4


# Runs a command and prints its processor seconds and its peak memory in GiB.
MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20)
"""


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


def run_core(model, inputs, folder):
    """The output, and processor seconds and peak memory of the whole program."""
    source, target = (os.path.join(folder, name) for name in ("in.safetensors", "out.safetensors"))
    save_file(inputs, source)
    # A small process in between: what a process had before it began to run another program counts as that one's peak.
    command = ["pentimento", "eval", "denoise", "--model", model, "--in", source, "--out", target]
    told = subprocess.run([sys.executable, "-c", MEASURE, *command], check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds, peak = (float(word) for word in told.split())
    return load_file(target)["out"], seconds, peak


def core_output(entries, inputs):
    with tempfile.TemporaryDirectory() as folder:
        model = os.path.join(folder, "model")
        os.mkdir(model)
        hashed.write(os.path.join(model, "model.hash.json"), entries)
        with open(os.path.join(model, "config.json"), "w") as file:
            json.dump({"num_attention_heads": HEADS}, file)
        return run_core(model, inputs, folder)[0]


def report(what, got, expected, limit):
    error = np.abs(got - expected).max() / np.abs(expected).max()
    print(f"{what}: relative error {error:.2e}, limit {limit:.0e}; largest value {np.abs(expected).max():.2f}")
    sys.exit(1 if error > limit else 0)


def pixart(pixels):
    """A guided step of PixArt-Sigma: both halves, a text of 60 tokens and one of 1."""
    from diffusers import PixArtTransformer2DModel

    side, lengths = pixels // 8, [60, 1]
    config = {"sample_size": side, "interpolation_scale": pixels / 512, "caption_channels": 4096, "num_attention_heads": HEADS,
              "attention_head_dim": D // HEADS, "cross_attention_dim": D, "num_layers": DEPTH, "use_additional_conditions": False}
    network = PixArtTransformer2DModel(**config).eval()
    generator = torch.Generator().manual_seed(1)
    for weight in network.parameters():  # unit variance stays unit variance; biases and tables are small
        scale = weight[0].numel() ** -0.5 if weight.dim() > 1 and weight.shape[0] > 6 else 0.2
        weight.copy_((torch.randn(weight.shape, generator=generator) * scale).half())
    inputs = {
        "x": torch.randn(2, C, side, side, generator=generator).numpy(), "t": np.array([737, 737], dtype=np.float32),
        "text": torch.randn(2, lengths[0], 4096, generator=generator).numpy(), "text_length": np.array(lengths, dtype=np.int32),
    }
    with tempfile.TemporaryDirectory() as folder:
        model = pathlib.Path(folder) / "model" / "transformer"
        model.mkdir(parents=True)
        (model.parent / "model_index.json").write_text(json.dumps({"_class_name": "PixArtSigmaPipeline"}))
        (model / "config.json").write_text(json.dumps(config))
        tensors = {k: v.half().contiguous().numpy() for k, v in network.state_dict().items() if not k.startswith("pos_embed.pos")}
        save_file(tensors, model / "diffusion_pytorch_model.safetensors")
        del tensors
        got, seconds, peak = run_core(str(model.parent), inputs, folder)
    mask = (torch.arange(lengths[0]) < torch.tensor(lengths)[:, None]).float()
    start = time.process_time()
    expected = network(torch.tensor(inputs["x"]), torch.tensor(inputs["text"]), torch.tensor([737, 737]),
                       {"resolution": None, "aspect_ratio": None}, encoder_attention_mask=mask, return_dict=False)[0].numpy()
    print(f"processor seconds: {seconds:.1f} the core with opening and texts, {time.process_time() - start:.1f} PyTorch's "
          f"forward alone; the core's peak memory {peak:.2f} GiB, mapped weights included")
    report(f"PixArt-Sigma, {pixels} px, f16 weights", got, expected, 1e-3)


def main():
    torch.set_grad_enabled(False)
    if sys.argv[1:2] == ["pixart"]:
        pixart(int(sys.argv[2]) if len(sys.argv) > 2 else 512)
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
    expected = twin.denoise(*(torch.tensor(inputs[k]) for k in "xt"), torch.tensor(inputs["y"]).long()).numpy()
    report(f"DiT-XL/2, {pixels} px", got, expected, LIMIT)


if __name__ == "__main__":
    main()
