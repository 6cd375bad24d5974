#!/usr/bin/env python3
"""Writes starter-prompt/expected.safetensors: what the networks of data/starter compute in float64 with the bundled
starter-prompt.

The sentence is PROMPT, its ids sentencepiece's; x [1, 4, 32, 32] PyTorch's normals for seed 5, t = 400. Outputs: ids [n],
embedding [n, E], out [1, 4, 32, 32] and cross [1, H, N, n], how much each patch looks at each token in layer LAYER.
"""
import json
import pathlib
import sys

import sentencepiece
import torch
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent.parent / "data"
sys.path.insert(0, str(DATA / "starter"))

import networks  # noqa: E402

wave = networks.wave_of_time
networks.wave_of_time = lambda t, period: wave(t, period).double()

PROMPT = "an apple to the left of an owl, on a green meadow"
LAYER = 4


def read(folder, name):
    weights = {key: t.double() for key, t in load_file(folder / name).items()}
    return weights, json.loads((folder / "config.json").read_text())


def main():
    model = DATA / "models" / "starter-prompt"
    weights, config = read(model / "text_encoder", "model.safetensors")
    text = networks.T5(*(config[key] for key in ("vocab_size", "d_model", "num_layers", "num_heads", "d_ff")))
    text.double().load_state_dict(weights)
    weights, config = read(model / "transformer", "diffusion_pytorch_model.safetensors")
    heads, patch = config["num_attention_heads"], config["patch_size"]
    painter = networks.PixArt(heads * config["attention_head_dim"], config["num_layers"], heads, patch,
                              config["caption_channels"], config["out_channels"], config["sample_size"] // patch * patch)
    painter.double().load_state_dict(weights)
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(model / "tokenizer" / "spiece.model"))
    ids = torch.tensor(pieces.encode(PROMPT) + [1])
    there, seen = torch.ones(1, len(ids), dtype=torch.bool), {}

    def keep(attention, inputs):
        q, k = networks.split(attention.to_q(inputs[0]), heads), networks.split(attention.to_k(inputs[1]), heads)
        seen["cross"] = torch.softmax(q @ k.mT * q.shape[-1] ** -0.5, -1)

    painter.transformer_blocks[LAYER].attn2.register_forward_pre_hook(keep)
    torch.manual_seed(5)
    x = torch.randn(1, config["in_channels"], 32, 32).double()
    with torch.no_grad():
        embedding = text(ids[None], there)
        out = painter(x, torch.tensor([400.0]), embedding, there)
    (HERE / "starter-prompt").mkdir(exist_ok=True)
    save_file({"ids": ids.int(), "embedding": embedding[0].float(), "out": out.float(),
               "cross": seen["cross"].float()}, HERE / "starter-prompt" / "expected.safetensors")


if __name__ == "__main__":
    main()
