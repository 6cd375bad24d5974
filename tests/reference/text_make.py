#!/usr/bin/env python3
"""Writes the fixtures of text encoders: for each case of text_cases.py a folder `text_encoder/`, and the ids and embeddings of
its texts, computed by the twin in float64.

Run without arguments, it writes the same files again. `--check` writes nothing and reports how far float32 lies from the
stored truth; `--transformers` compares the twin with transformers' T5EncoderModel, padded and masked, where that is
installed."""
import argparse
import json
import pathlib

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

import hashed
import text_cases as cases
from text_twin import T5

HERE = pathlib.Path(__file__).resolve().parent


def numbers(entries):
    return {k: torch.tensor(hashed.values(k, e["shape"], e["scale"], e["offset"])) for k, e in entries.items()}


def compute(case, dtype, change=lambda tensors: tensors):
    twin = T5(change(numbers(cases.weights(case))), cases.config(case), dtype)
    return {f"embedding.{n}": twin.encode(cases.tokens(case, n)).to(torch.float32).contiguous().numpy()
            for n in case["lengths"]}


def difference(a, b):
    return abs(a.astype("f8") - b).max() / abs(b).max()


def refuse_blunt(name, case, out):
    """Every tensor must move the result by far more than the limit of the tests."""
    last = f"embedding.{case['lengths'][-1]}"
    for key in cases.weights(case):
        if key == "shared.weight":
            continue
        def blunt(tensors, key=key):
            tensors[key] = tensors[key] * 0.99 if tensors[key].ndim > 1 else tensors[key].mean().expand(tensors[key].shape)
            return tensors
        moved = difference(compute(case, torch.float64, blunt)[last], out[last])
        assert moved > 5e-4, f"{name}: {key} moves the result by {moved:.1e} only"


def compare_transformers(name, case):
    from transformers import T5Config, T5EncoderModel
    for dtype in (torch.float32, torch.float64):
        model = T5EncoderModel(T5Config(**cases.config(case))).eval().to(dtype)
        tensors = numbers(cases.weights(case))
        tensors["encoder.embed_tokens.weight"] = tensors["shared.weight"]
        model.load_state_dict(tensors)
        out = compute(case, dtype)
        longest, worst = max(case["lengths"]), 0
        for n in case["lengths"]:
            ids = cases.tokens(case, n)
            mask = torch.tensor([[1] * n + [0] * (longest - n)])
            padded = torch.tensor([ids + [0] * (longest - n)])
            theirs = model(padded, attention_mask=mask)[0][0, :n].float().numpy()
            worst = max(worst, difference(theirs, out[f"embedding.{n}"]))
        print(f"{name}: twin against transformers, both in {dtype}: {worst:.1e}")


def write(folder, case, out):
    model = folder / "text_encoder"
    model.mkdir(parents=True, exist_ok=True)
    hashed.write(model / "model.hash.json", cases.weights(case))
    (model / "config.json").write_text(json.dumps(cases.config(case), indent=1) + "\n")
    ids = {f"ids.{n}": np.array(cases.tokens(case, n), dtype=np.int32) for n in case["lengths"]}
    save_file(ids | out, folder / "expected.safetensors")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--transformers", action="store_true")
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    for name, case in cases.CASES.items():
        if options.transformers:
            compare_transformers(name, case)
            continue
        out = compute(case, torch.float32 if options.check else torch.float64)
        if not options.check:
            refuse_blunt(name, case, out)
            write(HERE / name, case, out)
            continue
        for key, truth in load_file(HERE / name / "expected.safetensors").items():
            if key in out:
                print(f"{name}: {key} in float32 {difference(out[key], truth):.1e}")


if __name__ == "__main__":
    main()
