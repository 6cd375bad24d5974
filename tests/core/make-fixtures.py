#!/usr/bin/env python3
"""Writes the PyTorch files in files/ next to this script (PyTorch 2, once; they are committed), and prints the hashed
values that test-format.c compares with. Tensors count upwards in eighths: element k of the storage is k / 8 - 1."""
import argparse
import collections
import io
import os
import pickle
import struct
import zipfile

import torch

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "files")


def eighths(n, dtype=torch.float32):
    return (torch.arange(n, dtype=torch.float64) / 8 - 1).to(dtype)


def save(name, thing, **options):
    torch.save(thing, os.path.join(HERE, name), **options)


def plain_state():
    base = eighths(40)
    return collections.OrderedDict([
        ("f32", eighths(12).reshape(3, 4)),
        ("f16", eighths(6, torch.float16).reshape(2, 3)),
        ("bf16", eighths(5, torch.bfloat16)),
        ("f64", eighths(3, torch.float64)),
        ("i32", torch.tensor([-2, 7], dtype=torch.int32)),
        ("i64", torch.tensor([[1 << 40]], dtype=torch.int64)),
        ("bool", torch.tensor([True, False])),
        ("scalar", torch.tensor(2.5)),
        ("empty", torch.zeros(0, 4)),
        ("transposed", eighths(6).reshape(2, 3).t()),
        ("view", base[10:34].reshape(4, 6)[:, 1:5]),
        ("expanded", torch.tensor([0.5]).expand(2, 3)),
        ("parameter", torch.nn.Parameter(eighths(4))),
    ])


def train_state():
    def weights(start):
        return {"module.a.weight": eighths(6).reshape(2, 3) + start, "module.a.bias": eighths(2) + start}

    model = weights(0)
    parameter = torch.nn.Parameter(eighths(4))
    optimizer = torch.optim.AdamW([parameter])
    parameter.sum().backward()
    optimizer.step()
    return {"model": model, "ema": weights(100), "opt": optimizer.state_dict(),
            "args": argparse.Namespace(model="DiT-S/2", seed=0), "train_steps": 3}


class Runs:
    """Pickles as a call of os.system."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


class Storage:
    def __init__(self, key, n):
        self.key, self.n = key, n


class Tensor:
    """Pickles as torch.save would pickle a tensor, around any storage."""

    def __init__(self, storage, shape, stride=None, offset=0):
        self.args = (storage, offset, shape, stride or (1,) * len(shape), False, collections.OrderedDict())

    def __reduce__(self):
        return torch._utils._rebuild_tensor_v2, self.args


class Pickler(pickle.Pickler):
    def persistent_id(self, thing):
        if isinstance(thing, Storage):
            return ("storage", torch.FloatStorage, thing.key, "cpu", thing.n)
        return None


def archive(name, thing, stored=(0.5, 1.5, 2.5, 3.5), raw=None, method=zipfile.ZIP_STORED, byteorder=b"little", protocol=2):
    """A zip as PyTorch's with one storage "0" and whatever pickle."""
    buffer = io.BytesIO()
    if raw is None:
        Pickler(buffer, protocol).dump(thing)
    with zipfile.ZipFile(os.path.join(HERE, name), "w", method) as out:
        for member, content in (("data.pkl", raw or buffer.getvalue()), ("byteorder", byteorder),
                                ("data/0", struct.pack("<%df" % len(stored), *stored))):
            out.writestr(zipfile.ZipInfo("made/" + member), content, method)


def main():
    os.makedirs(HERE, exist_ok=True)
    save("plain.pt", plain_state())
    save("train.pt", train_state())
    save("module.pt", torch.nn.Linear(2, 2))
    save("legacy.pt", {"a": eighths(4)}, _use_new_zipfile_serialization=False)
    whole = Tensor(Storage("0", 4), (4,))
    for protocol in range(6):
        archive("protocol-%d.pt" % protocol, {"a": whole, "numbers": [1, -70000, 1 << 70, 2.5, None, True, "x", b"y", {3}]},
                protocol=protocol)
    archive("deflated.pt", {"a": whole}, method=zipfile.ZIP_DEFLATED)
    archive("big-endian.pt", {"a": whole}, byteorder=b"big")
    archive("runs.pt", {"a": whole, "b": Runs("touch pentimento-was-here")})
    archive("depends.pt", {"a": whole, "b": Tensor(Runs("touch pentimento-was-here"), (4,))})
    archive("outside.pt", {"a": Tensor(Storage("0", 4), (4,), offset=1)})
    archive("outside-stride.pt", {"a": Tensor(Storage("0", 4), (2, 2), (3, 1))})
    archive("outside-huge.pt", {"a": Tensor(Storage("0", 4), (1 << 62, 1 << 62), (0, 0))})
    archive("greedy.pt", {"a": Tensor(Storage("0", 4), (1 << 20, 1 << 10), (0, 0))})
    archive("longer-storage.pt", {"a": Tensor(Storage("0", 5), (5,))})
    archive("missing-storage.pt", {"a": Tensor(Storage("../../etc/passwd", 4), (4,))})
    archive("deep.pt", None, raw=b"\x80\x02" + b"]" * 5000 + b"a" * 4999 + b".")
    archive("itself.pt", None, raw=b"\x80\x02]q\x00h\x00ah\x00a.")
    archive("underflow.pt", None, raw=b"\x80\x02(K\x010R.")
    archive("unknown-opcode.pt", None, raw=b"\x80\x02\xff.")
    with zipfile.ZipFile(os.path.join(HERE, "other.zip"), "w") as out:
        out.writestr("readme.txt", "no model")
    hashed()


def hashed():
    mask = (1 << 64) - 1
    for name in ("x", "blocks.0.attn.qkv.weight"):
        start = 0xCBF29CE484222325
        for byte in name.encode():
            start = (start ^ byte) * 0x100000001B3 & mask
        for i in (0, 1, 2, 4095, 4096, 5000):
            z = (start + (i + 1) * 0x9E3779B97F4A7C15) & mask
            z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
            z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
            z ^= z >> 31
            unit = torch.tensor(2 * (z >> 40) / (1 << 24) - 1, dtype=torch.float32)
            value = torch.tensor(0.3, dtype=torch.float32) + torch.tensor(0.05, dtype=torch.float32) * unit
            print("{ \"%s\", %d, %sf }," % (name, i, float(value).hex()))


if __name__ == "__main__":
    main()
