#!/usr/bin/env python3
"""Writes starter-class/expected.safetensors: what the network of data/starter computes in f32 with the bundled
starter-class.

Inputs are PyTorch's normals for seed 5: two latents x [2, 4, 32, 32] (t = 20 and 700; class 3 and no class), then one latent
[1, 4, 8, 8] to decode. Outputs: out [2, 4, 32, 32], image [1, 3, 64, 64].
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent.parent / "data"
sys.path.insert(0, str(DATA / "starter"))

import networks  # noqa: E402
import vae  # noqa: E402


def main():
    model = DATA / "models" / "starter-class"
    weights = {name: t.float() for name, t in load_file(model / "model.safetensors").items()}
    config = json.loads((model / "config.json").read_text())
    width, n_channels, patch, _ = weights["x_embedder.proj.weight"].shape
    depth = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    out = weights["final_layer.linear.weight"].shape[0] // patch ** 2
    network = networks.Dit(width, depth, config["num_attention_heads"], patch, config["null_class"], out)
    network.load_state_dict(weights)
    tensors = {name: t.float() for name, t in load_file(model / "vae" / "diffusion_pytorch_model.safetensors").items()}
    mixed = {name: tensors.pop(name) for name in list(tensors) if "quant_conv" in name}
    decoder = vae.Vae(json.loads((model / "vae" / "config.json").read_text())["block_out_channels"])
    decoder.load_state_dict(tensors)
    torch.manual_seed(5)
    x, z = torch.randn(2, n_channels, 32, 32), torch.randn(1, n_channels, 8, 8)
    with torch.no_grad():
        made = network(x, torch.tensor([20.0, 700.0]), torch.tensor([3, config["null_class"]]))
        z = torch.nn.functional.conv2d(z, mixed["post_quant_conv.weight"], mixed["post_quant_conv.bias"])
        image = decoder.decoder(z)
    (HERE / "starter-class").mkdir(exist_ok=True)
    save_file({"out": made.contiguous(), "image": image.contiguous()},
              HERE / "starter-class" / "expected.safetensors")


if __name__ == "__main__":
    main()
