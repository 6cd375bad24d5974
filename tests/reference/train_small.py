#!/usr/bin/env python3
"""Trains the small model of trained/model: a class-conditioned latent DiT with a learned range of variances, in about two
minutes on two cores. Its samples stay near unit variance and its variances are really learned, so that a whole run depends on
every term of a sampler. Run again, it gives another model of the same kind: fixtures (samplers.py) must then be rewritten.

The data: 4 x 8 x 8 latents of unit variance, smooth waves whose direction and mixture of channels are the class's.
The loss: squared error of eps, and the variational bound for the variances alone (Nichol and Dhariwal, arXiv 2102.09672,
section 3.1, with the mean held fixed).
"""
import json
import math
import pathlib
import time

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

import schedules
import twin as tw

HERE = pathlib.Path(__file__).resolve().parent
CLASSES, C, GRID, P, D, HEADS, DEPTH, RATIO = 6, 4, 4, 2, 40, 2, 2, 3
SIZE = GRID * P
CONFIG = {
    "family": "dit", "num_attention_heads": HEADS, "null_class": CLASSES, "guidance_channels": 3, "vae": "vae",
    "defaults": {"sampler": "ddpm", "steps": 250, "guidance": 2, "size": 8 * SIZE},
}


def make_latents(n, y, generator):
    """[n, 4, 8, 8]: two waves along a direction of the class, mixed into channels by the class."""
    angle = math.pi * y / CLASSES + 0.25 * torch.randn(n, generator=generator)
    phase = 2 * math.pi * torch.rand(n, 2, generator=generator)
    at = (torch.arange(SIZE) + 0.5) / SIZE - 0.5
    along = at[None, None, :] * angle.cos()[:, None, None] + at[None, :, None] * angle.sin()[:, None, None]
    waves = torch.stack([(2 * math.pi * k * along + phase[:, k - 1, None, None]).cos() for k in (1, 2)], 1)
    mixture = torch.stack([torch.tensor([[math.cos(c + m * k) for m in (1, 2)] for c in range(C)]) for k in range(CLASSES)])
    x = torch.einsum("ncm,nmhw->nchw", mixture[y], waves) + 0.15 * torch.randn(n, C, SIZE, SIZE, generator=generator)
    return x + 0.4 * torch.tensor([1.0, -0.5, 0.25, -1.0])[None, :, None, None]


def position_table():
    """Half of the channels for the column, half for the row; sines, then cosines."""
    omega = 10000.0 ** (-np.arange(D // 4) / (D / 4))
    row, column = np.meshgrid(np.arange(GRID), np.arange(GRID), indexing="ij")
    halves = [np.concatenate([np.sin(a.reshape(-1, 1) * omega), np.cos(a.reshape(-1, 1) * omega)], 1) for a in (column, row)]
    return np.concatenate(halves, 1)[None].astype(np.float32)


def first_weights():
    def linear(rows, columns, gain=1.0):
        return (gain * np.random.randn(rows, columns) / math.sqrt(columns)).astype(np.float32)

    w = {"pos_embed": position_table()}

    def add(key, rows, columns, gain=1.0):
        w[key + ".weight"], w[key + ".bias"] = linear(rows, columns, gain), np.zeros(rows, np.float32)

    add("x_embedder.proj", D, C * P * P)
    w["x_embedder.proj.weight"] = w["x_embedder.proj.weight"].reshape(D, C, P, P)
    add("t_embedder.mlp.0", D, 256)
    add("t_embedder.mlp.2", D, D)
    w["y_embedder.embedding_table.weight"] = 0.5 * np.random.randn(CLASSES + 1, D).astype(np.float32)
    for i in range(DEPTH):
        add(f"blocks.{i}.attn.qkv", 3 * D, D)
        add(f"blocks.{i}.attn.proj", D, D)
        add(f"blocks.{i}.mlp.fc1", RATIO * D, D)
        add(f"blocks.{i}.mlp.fc2", D, RATIO * D)
        add(f"blocks.{i}.adaLN_modulation.1", 6 * D, D, 0.3)
    add("final_layer.adaLN_modulation.1", 2 * D, D, 0.3)
    add("final_layer.linear", P * P * 2 * C, D, 0.1)
    return w


def loss_of(twin, x0, y, t, noise, kept, betas):
    """Squared error of eps, and the bound's gap with the true posterior, in nats times the usual small weight."""
    a = kept[t][:, None, None, None]
    x = a.sqrt() * x0 + (1 - a).sqrt() * noise
    eps, v = twin.denoise(x, t.float(), y).split(C, dim=1)
    a_next = torch.where(t > 0, kept[(t - 1).clamp(min=0)], torch.ones(()))[:, None, None, None]
    beta = betas[t][:, None, None, None]
    posterior = (beta * (1 - a_next) / (1 - a)).clamp(min=1e-20)
    low = torch.where(t[:, None, None, None] > 0, posterior.log(), (betas[1] * (1 - kept[0]) / (1 - kept[1])).log())
    log_variance = (v + 1) / 2 * beta.log() + (1 - v) / 2 * low
    shift = (beta / ((1 - beta).sqrt() * (1 - a).sqrt()) * (eps.detach() - noise)) ** 2
    gap = 0.5 * (log_variance - low + ((low.exp() + shift) / log_variance.exp()) - 1)
    return F.mse_loss(eps, noise) + 0.05 * gap.mean()


def main(seconds=130):
    torch.manual_seed(1)
    np.random.seed(1)
    generator = torch.Generator().manual_seed(2)
    kept = torch.tensor(schedules.kept()).float()
    betas = torch.tensor(schedules.betas()).float()
    twin = tw.Twin(first_weights(), CONFIG, torch.float32)
    trained = [p.requires_grad_() for k, p in twin.w.items() if k != "pos_embed"]
    average = {k: p.detach().clone() for k, p in twin.w.items()}
    optimiser = torch.optim.AdamW(trained, lr=2e-3, weight_decay=0.01)
    start, i, losses = time.time(), 0, []
    while (share := (time.time() - start) / seconds) < 1:
        y = torch.randint(0, CLASSES, (256,), generator=generator)
        x0 = make_latents(256, y, generator)
        y = torch.where(torch.rand(256, generator=generator) < 0.15, CLASSES, y)
        t = torch.randint(0, 1000, (256,), generator=generator)
        loss = loss_of(twin, x0, y, t, torch.randn(x0.shape, generator=generator), kept, betas)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1, i / 200) * (1 - share)
        optimiser.step()
        with torch.no_grad():
            for k, p in twin.w.items():
                average[k].lerp_(p, 0.01)
        losses.append(loss.item())
        if i % 500 == 0:
            print(f"{time.time() - start:.0f} s, step {i}: {np.mean(losses[-200:]):.4f}", flush=True)
        i += 1
    folder = HERE / "trained" / "model"
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: p.numpy().astype(np.float16) for k, p in average.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")


if __name__ == "__main__":
    main()
