"""Numbers from an integer hash: the weights and inputs of the fixtures, so that none of them is stored.

Value i of the tensor called NAME:
    h = FNV-1a, 64 bits, of NAME in UTF-8
    z = h + (i + 1) * 0x9E3779B97F4A7C15            (all sums and products modulo 2^64)
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9
    z = (z ^ z >> 27) * 0x94D049BB133111EB
    z = z ^ z >> 31                                 (the finaliser of splitmix64)
    u = (z >> 40) * 2^-24                           (0 <= u < 1, exact in f32)
    value = offset + scale * (2 u - 1)              (in f32)
core/format/hash.c does the same for the files written here (`write`).
"""
import json

import numpy as np

FORMAT = "pentimento-hash-1"


def fnv1a(name):
    h = 0xCBF29CE484222325
    for byte in name.encode("utf-8"):
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return h


def values(name, shape, scale, offset=0.0):
    """The tensor `name` as an f32 array of that shape."""
    n = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a(name)) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        z = z ^ z >> np.uint64(31)
    u = (z >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
    return (np.float32(offset) + np.float32(scale) * (np.float32(2) * u - np.float32(1))).reshape(shape)


def entry(shape, scale, offset=0.0):
    """One tensor's entry in a file; the numbers are those of f32, so that both languages read the same."""
    return {"shape": [int(n) for n in shape], "scale": float(np.float32(scale)), "offset": float(np.float32(offset))}


def write(path, entries):
    """entries: {name: entry(...)}."""
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(e)}" for name, e in entries.items())
    with open(path, "w") as file:
        file.write('{"format": "%s", "tensors": {\n%s\n}}\n' % (FORMAT, lines))


def read(path):
    """{name: f32 array} of such a file."""
    with open(path) as file:
        content = json.load(file)
    assert content["format"] == FORMAT
    return {name: values(name, e["shape"], e["scale"], e["offset"]) for name, e in content["tensors"].items()}
