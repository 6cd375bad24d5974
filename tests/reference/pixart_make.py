#!/usr/bin/env python3
"""Writes the fixtures of the family `pixart`: pixart-alpha/ and pixart-sigma/, each a model folder, and what the twin computes
with it in float64: one call, the same call steered, and whole runs through diffusers' DPMSolverMultistepScheduler.

Needs diffusers (its scheduler alone, in float32 as its pipeline would run it). Run without arguments, it writes the same files
again. `--check` writes nothing and reports how far float32 on the same twin lies from the stored truth.
"""
import argparse
import json
import math
import pathlib

import diffusers
import torch
from safetensors.numpy import load_file, save_file

import hashed
from pixart_twin import DIFFUSERS, DIFFUSERS_BLOCK, DIFFUSERS_SPLIT, PixArt

HERE = pathlib.Path(__file__).resolve().parent

CASES = {
    # PixArt-alpha's own names; told the size of the picture; a stored text that means none; not square.
    "pixart-alpha": dict(
        C=4, out=8, p=2, D=72, heads=3, depth=3, E=20, grid=(3, 5), S=11, lengths=[11, 4, 1], t=[999, 412, 3], self=1.0,
        cross=0.85,
        size=True, null=9, layer=1,
        config={"num_attention_heads": 3, "sample_size": 8, "interpolation_scale": 0.5, "recommended_layers": [1, 2]},
    ),
    # A folder of diffusers' pipeline: three matrices for q, k, v, another epsilon, positions stretched; not square either.
    "pixart-sigma": dict(
        C=4, out=8, p=2, D=96, heads=4, depth=2, E=28, grid=(6, 4), S=9, lengths=[6, 9, 2], t=[981, 250, 30], self=1.0, cross=0.9,
        size=False, null=0, layer=0,
        config={"num_attention_heads": 4, "sample_size": 16, "interpolation_scale": 2, "norm_eps": 0.002},
    ),
}
STEPS, GUIDANCE = 20, 4.5


def weights(case):
    """{key: entry}, the tensors under PixArt-alpha's names; scales keep every activation near 1."""
    D, E, third = case["D"], case["E"], case["D"] // 3
    entries = {}

    def linear(key, rows, columns, gain, bias=0.2):
        entries[key + ".weight"] = hashed.entry([rows, columns], gain * math.sqrt(3 / columns))
        entries[key + ".bias"] = hashed.entry([rows], bias)

    linear("x_embedder.proj", D, case["C"] * case["p"] ** 2, 1)
    entries["x_embedder.proj.weight"]["shape"] = [D, case["C"], case["p"], case["p"]]
    linear("t_embedder.mlp.0", D, 256, 1.4)
    linear("t_embedder.mlp.2", D, D, 1.2)
    if case["size"]:
        for key in ("csize_embedder", "ar_embedder"):
            linear(key + ".mlp.0", third, 256, 1.4)
            linear(key + ".mlp.2", third, third, 1.2)
    linear("t_block.1", 6 * D, D, 0.4)
    linear("y_embedder.y_proj.fc1", D, E, 1.4)
    linear("y_embedder.y_proj.fc2", D, D, 1.6)
    if case["null"]:
        entries["y_embedder.y_embedding"] = hashed.entry([case["null"], E], 1.5)
    for i in range(case["depth"]):
        block = f"blocks.{i}."
        entries[block + "scale_shift_table"] = hashed.entry([6, D], 0.7)
        linear(block + "attn.qkv", 3 * D, D, case["self"], 0.05)
        linear(block + "attn.proj", D, D, 1)
        linear(block + "cross_attn.q_linear", D, D, case["cross"])
        linear(block + "cross_attn.kv_linear", 2 * D, D, case["cross"])
        linear(block + "cross_attn.proj", D, D, 1)
        linear(block + "mlp.fc1", 4 * D, D, 1)
        linear(block + "mlp.fc2", D, 4 * D, 1.5)
    entries["final_layer.scale_shift_table"] = hashed.entry([2, D], 0.6)
    linear("final_layer.linear", case["p"] ** 2 * case["out"], D, 0.9)
    return entries


def as_diffusers(entries):
    """The same under the names of PixArtTransformer2DModel."""
    out = {}
    for key, entry in entries.items():
        layer, end = key.rsplit(".", 1)
        prefix, name = "", layer
        if layer.startswith("blocks."):
            _, i, name = (layer + ".").split(".", 2)
            prefix, name = f"transformer_blocks.{i}.", name.rstrip(".")
        if end == "scale_shift_table":
            out[prefix + end] = entry
        elif name in DIFFUSERS_SPLIT:
            parts = DIFFUSERS_SPLIT[name]
            shape = [entry["shape"][0] // len(parts)] + entry["shape"][1:]
            out |= {f"{prefix}{part}.{end}": entry | {"shape": shape} for part in parts}
        else:
            out[prefix + (DIFFUSERS_BLOCK if prefix else DIFFUSERS)[name] + "." + end] = entry
    return out


def is_diffusers(name):
    return name == "pixart-sigma"


def model_files(name, case):
    """{path: content} beside the weights."""
    if not is_diffusers(name):
        return {"config.json": case["config"]}
    transformer = {
        "_class_name": "PixArtTransformer2DModel", "_diffusers_version": "0.35.2", "activation_fn": "gelu-approximate",
        "attention_bias": True, "attention_head_dim": case["D"] // case["heads"], "attention_type": "default",
        "caption_channels": case["E"], "cross_attention_dim": case["D"], "dropout": 0.0, "in_channels": case["C"],
        "norm_elementwise_affine": False, "norm_num_groups": 32, "norm_type": "ada_norm_single", "num_embeds_ada_norm": 1000,
        "num_layers": case["depth"], "out_channels": case["out"], "patch_size": case["p"], "upcast_attention": False,
        "use_additional_conditions": False,
    }
    index = {"_class_name": "PixArtSigmaPipeline", "_diffusers_version": "0.35.2",
             "transformer": ["diffusers", "PixArtTransformer2DModel"]}
    return {"model_index.json": index, "transformer/config.json": transformer | case["config"]}


def inputs(case):
    """{name: entry}: values of unit variance; coverage of patches by two regions, below 0 to be cut off there."""
    h, w = (n * case["p"] for n in case["grid"])
    return {
        "x": hashed.entry([3, case["C"], h, w], math.sqrt(3)),
        "noise": hashed.entry([1, case["C"], h, w], math.sqrt(3)),
        "text": hashed.entry([3, case["S"], case["E"]], math.sqrt(3)),
        "coverage": hashed.entry([2, case["grid"][0] * case["grid"][1]], 0.7, 0.3),
    }


def make_edit(given, n):
    """The first text's: one word weighed, one hidden, two in regions."""
    bias, region = [0.0] * n, [-1] * n
    bias[2], bias[4] = math.log(2.5), -math.inf
    region[1], region[2], region[5] = 0, 1, 1
    return {"key_bias": bias, "key_region": region, "region_bias": given["coverage"].clamp(0, 1).log()}


def sample(twin, noise, text, lengths, edit):
    """One latent. As PixArtAlphaPipeline: all channels guided, the variance dropped, the scheduler with its defaults."""
    scheduler = diffusers.DPMSolverMultistepScheduler()
    scheduler.set_timesteps(STEPS)
    x = noise.float()
    for t in scheduler.timesteps:
        both = x.to(twin.dtype).repeat(2, 1, 1, 1)
        out = twin.denoise(both, t.repeat(2), text, lengths, edits=[edit, None]).float()[:, : twin.C]
        x = scheduler.step(out[1:] + GUIDANCE * (out[:1] - out[1:]), t, x).prev_sample
    return x


def f32(tensor):
    return tensor.to(torch.float32).contiguous().numpy()


def compute(name, case, dtype):
    entries = as_diffusers(weights(case)) if is_diffusers(name) else weights(case)
    tensors = {k: hashed.values(k, e["shape"], e["scale"], e["offset"]) for k, e in entries.items()}
    given = {k: torch.tensor(hashed.values(k, e["shape"], e["scale"], e["offset"])).to(dtype) for k, e in inputs(case).items()}
    twin = PixArt(tensors, case["config"], dtype)
    t, lengths, text = torch.tensor(case["t"], dtype=torch.float32), case["lengths"], given["text"]
    edit = make_edit(given, lengths[0])
    out = {}
    for prefix, edits in (("", None), ("edited.", [edit, None, None])):
        maps, cross = [], []
        out[prefix + "out"] = f32(twin.denoise(given["x"], t, text, lengths, maps, cross, edits))
        out[prefix + "cross"] = f32(cross[case["layer"]])
        if not prefix:
            out["received"] = f32(torch.stack([P.mean(-2) for P in maps]))
            share = [require_telling(P, [P.shape[-1]] * 3) for P in maps] + [require_telling(P, lengths) for P in cross]
            print(f"{name}: entropy {min(share):.2f}..{max(share):.2f} of ln keys")
    null = torch.tensor(tensors["y_embedder.y_embedding"]).to(dtype) if case["null"] else None
    other, n_other = text[1], lengths[1]
    if null is not None:  # PixArt-alpha's program cuts it to the length of the prompt
        other, n_other = torch.zeros_like(text[1]), min(lengths[0], len(null))
        other[:n_other] = null[:n_other]
    pair = torch.stack([text[0], other])
    for prefix, e in (("", None), ("edited.", edit)):
        out[prefix + "sample"] = f32(sample(twin, given["noise"], pair, [lengths[0], n_other], e))
    for key in ("out", "sample"):
        moved = abs(out["edited." + key] - out[key]).max() / abs(out[key]).max()
        assert moved > 1e-2, f"{name}: the edit moves {key} by {moved:.1e} only"
    return out


def require_telling(P, lengths):
    """Attention neither flat nor one-hot, of items with several keys."""
    shares = [-torch.xlogy(P[b], P[b]).sum(-1).mean() / math.log(n) for b, n in enumerate(lengths) if n > 1]
    share = sum(shares) / len(shares)
    assert 0.3 < share < 0.95, share
    return share


def write(folder, name, case, out):
    model = folder / "model"
    for path, content in model_files(name, case).items():
        (model / path).parent.mkdir(parents=True, exist_ok=True)
        (model / path).write_text(json.dumps(content, indent=1) + "\n")
    entries = weights(case)
    if is_diffusers(name):
        hashed.write(model / "transformer" / "diffusion_pytorch_model.hash.json", as_diffusers(entries))
    else:
        hashed.write(model / "model.hash.json", entries)
    hashed.write(folder / "inputs.hash.json", inputs(case))
    spec = {k: case[k] for k in ("t", "lengths", "layer")} | {"steps": STEPS, "guidance": GUIDANCE}
    (folder / "pixart.json").write_text(json.dumps(spec, indent=1) + "\n")
    save_file(out, folder / "expected.safetensors")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    torch.set_grad_enabled(False)
    for name, case in CASES.items():
        out = compute(name, case, torch.float32 if check else torch.float64)
        if not check:
            write(HERE / name, name, case, out)
            continue
        for key, truth in load_file(HERE / name / "expected.safetensors").items():
            difference = abs(out[key].astype("f8") - truth)
            print(f"  {key}: largest {difference.max():.1e} of {abs(truth).max():.3g}")


if __name__ == "__main__":
    main()
