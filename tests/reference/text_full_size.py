"""T5-XL's and T5-XXL's encoder at full size: `pentimento eval text-encode` against transformers (or the twin, where that is not
installed) on the same random f16 weights; time and peak memory.

    ./dev shell -- python3 tests/reference/text_full_size.py [xl|xxl|large] [TOKENS]

Needs PyTorch, three times the weights' 2.4 GB (xxl: 9.4 GB) in memory and in the folder for temporary files, and some minutes,
so it is not one of the tests; the outcome is in README.md. Exits with 1 when the relative error is above the limit.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from text_twin import T5

SIZES = {"large": (1024, 16, 2816), "xl": (2048, 32, 5120), "xxl": (4096, 64, 10240)}
LAYERS, HEAD, VOCABULARY, LIMIT = 24, 64, 32128, 1e-4


def shapes(size):
    """{key: (shape, deviation, mean)}: what T5's own initialisation has, roughly."""
    E, H, F = SIZES[size]
    out = {"shared.weight": ([VOCABULARY, E], 1.0, 0), "encoder.final_layer_norm.weight": ([E], 0.1, 1)}
    for i in range(LAYERS):
        block = f"encoder.block.{i}.layer."
        for name in "qkv":
            deviation = E**-0.5 * (HEAD**-0.25 if name in "qk" else 1)
            out[f"{block}0.SelfAttention.{name}.weight"] = ([H * HEAD, E], deviation, 0)
        out[block + "0.SelfAttention.o.weight"] = ([E, H * HEAD], (H * HEAD) ** -0.5, 0)
        if i == 0:
            out[block + "0.SelfAttention.relative_attention_bias.weight"] = ([32, H], 1, 0)
        out[block + "0.layer_norm.weight"] = out[block + "1.layer_norm.weight"] = ([E], 0.1, 1)
        for name in ("wi_0", "wi_1"):
            out[f"{block}1.DenseReluDense.{name}.weight"] = ([F, E], E**-0.5, 0)
        out[block + "1.DenseReluDense.wo.weight"] = ([E, F], F**-0.5, 0)
    return out


def write_weights(path, size):
    """One tensor at a time, so that the file and not the memory holds them."""
    header, at = {}, 0
    for key, (shape, _, _) in shapes(size).items():
        end = at + 2 * int(np.prod(shape))
        header[key] = {"dtype": "F16", "shape": shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    torch.manual_seed(1)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for shape, deviation, mean in shapes(size).values():
            file.write((torch.randn(shape) * deviation + mean).half().numpy().tobytes())


def config(size):
    E, H, F = SIZES[size]
    return {"model_type": "t5", "d_model": E, "d_kv": HEAD, "d_ff": F, "num_heads": H, "num_layers": LAYERS,
            "vocab_size": VOCABULARY, "relative_attention_num_buckets": 32, "relative_attention_max_distance": 128,
            "layer_norm_epsilon": 1e-6, "feed_forward_proj": "gated-gelu", "is_encoder_decoder": False, "use_cache": False}


def reference(path, size, ids):
    with safe_open(path, "pt") as file:
        try:
            from transformers import T5Config, T5EncoderModel
        except ImportError:
            return "twin", T5({k: file.get_tensor(k).float() for k in file.keys()}, config(size), torch.float32).encode(ids)
        with torch.device("meta"):
            model = T5EncoderModel(T5Config(**config(size))).eval()
        tensors = {k: file.get_tensor(k).float() for k in file.keys()}
        model.load_state_dict(tensors | {"encoder.embed_tokens.weight": tensors["shared.weight"]}, assign=True)
    start = time.time()
    out = model(torch.tensor([ids]))[0][0]
    return f"transformers, {time.time() - start:.1f} s", out


def run(command):
    """Runs it and returns its peak in MiB: by a small process between, for a child counts what its parent had at the fork."""
    watch = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
             "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)")
    return float(subprocess.run([sys.executable, "-S", "-c", watch, *command], check=True, stdout=subprocess.PIPE).stdout)


def main():
    size = sys.argv[1] if len(sys.argv) > 1 else "xl"
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    torch.set_grad_enabled(False)
    with tempfile.TemporaryDirectory() as folder:
        weights, source, target = (os.path.join(folder, name + ".safetensors") for name in ("model", "in", "out"))
        write_weights(weights, size)
        with open(os.path.join(folder, "config.json"), "w") as file:
            json.dump(config(size), file)
        ids = [int(v) for v in torch.randint(3, VOCABULARY, (n,))]
        save_file({"ids": np.array(ids, dtype=np.int32)}, source)
        start = time.time()
        peak = run(["pentimento", "eval", "text-encode", "--model", weights, "--in", source, "--out", target])
        seconds = time.time() - start
        got = load_file(target)["embedding"]
        name, expected = reference(weights, size, ids)
    error = np.abs(got - expected.numpy()).max() / expected.abs().max().item()
    print(f"T5-{size}, {n} tokens: relative error {error:.2e} against {name}, limit {LIMIT:.0e}; {seconds:.1f} s, "
          f"peak {peak:.0f} MiB")
    sys.exit(1 if error > LIMIT else 0)


if __name__ == "__main__":
    main()
