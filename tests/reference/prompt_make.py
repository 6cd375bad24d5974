#!/usr/bin/env python3
"""Writes prompt/: the whole way from a prompt to a latent, by diffusers' caption cleaning, sentencepiece, and the twins of T5 and
of PixArt in float64.

The network is that of pixart-sigma/, the tokenizer tokenizer/t5.model; prompt/ adds a text encoder of that width, and
prompts.json: what is asked, and what it is cleaned to. Needs diffusers with beautifulsoup4 and ftfy, sentencepiece and protobuf.
Run without arguments, it writes the same files again. `--check` writes nothing and reports how far float32 lies from it.
"""
import argparse
import gzip
import json
import pathlib

import numpy as np
import sentencepiece
import torch
from diffusers import PixArtSigmaPipeline
from safetensors.numpy import load_file, save_file

import hashed
import pixart_make
import text_cases
from pixart_twin import PixArt
from text_twin import T5

HERE = pathlib.Path(__file__).resolve().parent

# Guided away from the empty prompt, and from another; cleaned: lower case, an address and a character entity gone.
RUNS = {
    "plain": dict(prompt="A Red fox sitting in the snow", negative=""),
    "negative": dict(prompt="The quick brown fox &amp; 2 cats, see https://example.org/x.png", negative="Blurry, dull colours"),
}
ENCODER = dict(width=28, heads=2, head=16, ff=64, layers=2, buckets=32, config=text_cases.CASES["t5-gated"]["config"])


def varint(n):
    return bytes([n]) if n < 0x80 else bytes([n & 0x7F | 0x80]) + varint(n >> 7)


def tokenizer():
    """t5.model with its character map: field 2 of the file's field 3, which protocol buffers merge."""
    model, rules = (gzip.decompress((HERE / "tokenizer" / name).read_bytes()) for name in ("t5.model.gz", "nmt_nfkc.map.gz"))
    inner = bytes([2 << 3 | 2]) + varint(len(rules)) + rules
    return sentencepiece.SentencePieceProcessor(model_proto=model + bytes([3 << 3 | 2]) + varint(len(inner)) + inner)


def clean(text):
    """As the pipeline does, twice; it looks at nothing of itself but a regular expression of its class."""
    for _ in range(2):
        text = PixArtSigmaPipeline._clean_caption(PixArtSigmaPipeline, text)
    return text.strip()


def numbers(entries):
    return {k: torch.tensor(hashed.values(k, e["shape"], e["scale"], e["offset"])) for k, e in entries.items()}


def compute(case, words, dtype):
    name = "pixart-sigma"
    network = pixart_make.CASES[name]
    tensors = {k: hashed.values(k, e["shape"], e["scale"], e["offset"])
               for k, e in pixart_make.as_diffusers(pixart_make.weights(network)).items()}
    twin = PixArt(tensors, network["config"], dtype)
    encoder = T5(numbers(text_cases.weights(case)), text_cases.config(case), dtype)
    noise = pixart_make.inputs(network)["noise"]
    noise = torch.tensor(hashed.values("noise", noise["shape"], noise["scale"], noise["offset"]))
    out = {}
    for run, spec in RUNS.items():
        embedded = []
        for half in ("prompt", "negative"):
            ids = words.encode(clean(spec[half])) + [1]
            embedded.append(encoder.encode(ids))
            out[f"{run}.{half}.ids"] = np.array(ids, dtype=np.int32)
            out[f"{run}.{half}.embedding"] = pixart_make.f32(embedded[-1])
        lengths = [len(e) for e in embedded]
        pair = torch.zeros(2, max(lengths), case["width"], dtype=dtype)
        for i, e in enumerate(embedded):
            pair[i, : len(e)] = e
        out[f"{run}.latent"] = pixart_make.f32(pixart_make.sample(twin, noise, pair, lengths, None))
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    torch.set_grad_enabled(False)
    words = tokenizer()
    case = ENCODER | {"vocabulary": words.get_piece_size()}
    folder = HERE / "prompt"
    out = compute(case, words, torch.float32 if check else torch.float64)
    if check:
        for key, truth in load_file(folder / "expected.safetensors").items():
            difference = abs(out[key].astype("f8") - truth)
            print(f"{key}: largest {difference.max():.1e} of {abs(truth).max():.3g}")
        return
    moved = abs(out["plain.latent"] - out["negative.latent"]).max() / abs(out["plain.latent"]).max()
    assert moved > 1e-2, f"the prompt moves the latent by {moved:.1e} only"
    (folder / "text_encoder").mkdir(parents=True, exist_ok=True)
    hashed.write(folder / "text_encoder" / "model.hash.json", text_cases.weights(case))
    (folder / "text_encoder" / "config.json").write_text(json.dumps(text_cases.config(case), indent=1) + "\n")
    spec = {run: s | {"cleaned": clean(s["prompt"])} for run, s in RUNS.items()}
    (folder / "prompts.json").write_text(json.dumps(spec, indent=1, ensure_ascii=False) + "\n")
    save_file(out, folder / "expected.safetensors")


if __name__ == "__main__":
    main()
