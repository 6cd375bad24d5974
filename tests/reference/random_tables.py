#!/usr/bin/env python3
"""Writes random/expected.safetensors: numbers of PyTorch's CPU generator that core/base/random.c must draw too.

`normal.SEED`: for each n in 1..40, 100, 1000 what randn(n) gives right after manual_seed(SEED), one after another (fewer
than 16 values are drawn otherwise than 16 and more, and a rest that 16 does not divide is drawn over the last 16).
`uniform.SEED`: rand(1000). `mixed.SEED`: randn of 3, 2, 20, 1, 16, 5 and rand of 4, without seeding again: an odd count
leaves half a pair for the next call.
"""
import pathlib

import torch
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).resolve().parent
COUNTS = [*range(1, 41), 100, 1000]


def seeded(seed, n):
    torch.manual_seed(seed)
    return torch.randn(n)


def mixed(seed):
    torch.manual_seed(seed)
    return torch.cat([*(torch.randn(n) for n in (3, 2, 20, 1, 16, 5)), torch.rand(4)])


def main():
    tables = {}
    for seed in (5, 2**32 + 3):
        tables[f"normal.{seed}"] = torch.cat([seeded(seed, n) for n in COUNTS]).numpy()
        torch.manual_seed(seed)
        tables[f"uniform.{seed}"] = torch.rand(1000).numpy()
        tables[f"mixed.{seed}"] = mixed(seed).numpy()
    (HERE / "random").mkdir(exist_ok=True)
    save_file(tables, HERE / "random" / "expected.safetensors")


if __name__ == "__main__":
    main()
