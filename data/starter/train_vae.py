"""Trains the autoencoder on crops of fresh scenes, and its decoder once more; measures on scenes that training never makes."""
import math
import pathlib
import random

import torch

import vae as model
from draw import draw, save_grid
from muon import Muon
from scenes import MANY, scene, scenes
from state import Training, load_half

SEEDS = 1 << 40  # of training; below it, of measuring


def held_out(atlas, n):
    """Scenes with pairs that training does not have."""
    made = scenes(7, n, len(atlas), {"beside": 1, "above": 1}, "pairs")
    return draw(atlas, made)[0]


@torch.no_grad()
def psnr(vae, pictures, bf16=False):
    """Of clamped pictures through the mean of the posterior, in dB; and the pictures."""
    made = torch.cat([vae.decoder(vae.encode(p)[0]).float().clamp(-1, 1) for p in pictures.split(4)])
    error = ((made - pictures) ** 2).mean((1, 2, 3)) / 4
    return float((-10 * torch.log10(error)).mean()), made


@torch.no_grad()
def spread(vae, pictures):
    means = torch.cat([vae.encode(p)[0] for p in pictures.split(4)])
    return float(means.std())


def crops(atlas, chance, recipe):
    """Pictures of one size: about as many pixels whatever the size."""
    (side,) = chance.choices([c[0] for c in recipe["crops"]], [c[1] for c in recipe["crops"]])
    n = max(1, recipe["pixels"] // side ** 2)
    made = [scene(chance, len(atlas), MANY) for _ in range(n)]
    windows = [(float(chance.randint(0, 256 - side)), float(chance.randint(0, 256 - side))) for _ in made]
    return torch.cat([draw(atlas, made[i : i + 256], side, windows[i : i + 256])[0] for i in range(0, n, 256)])


def is_inner(name, p):
    return p.ndim == 4 and p.shape[1] > 4 and p.shape[0] > 8


def measure(training, network, atlas, recipe):
    now = {k: v.clone() for k, v in network.state_dict().items()}
    network.load_state_dict(training.average)
    pictures = held_out(atlas, recipe["held_out"])
    value, made = psnr(network, pictures)
    training.numbers = {"psnr": round(value, 3), "spread": round(spread(network, pictures), 4)}
    save_grid(torch.stack([pictures[:16], made[:16]], 1).flatten(0, 1), training.folder / "vae.png")
    network.load_state_dict(now)


def train(atlas, recipe, folder, minutes):
    own = recipe["vae"]
    network = model.Vae(own["channels"]).to(atlas.device, memory_format=torch.channels_last)
    training = Training("vae", network, folder, minutes, recipe.get("steps"))
    if training.is_done():
        return True
    chance = random.Random(SEEDS + training.step)
    optimiser = Muon(network, is_inner, own["rate"], own["muon_rate"])
    seen, measured = 0.0, training.spent()
    while not training.is_done():
        optimiser.rate = training.rate(own)
        pictures = crops(atlas, chance, own).contiguous(memory_format=torch.channels_last)
        with torch.autocast(atlas.device.type, torch.bfloat16):
            loss, square = model.loss(network, pictures, own["noise"], own["kl"], own["edges"])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        training.stepped(len(pictures))
        seen = square if training.step == training.first + 1 else seen * 0.98 + square * 0.02
        if training.is_due():
            if training.spent() - measured > 500 or not training.numbers:
                measure(training, network, atlas, own)
                measured = training.spent()
            training.save()
            training.say("crops %.2f dB, %s" % (-10 * math.log10(float(seen) / 4), training.numbers))
    measure(training, network, atlas, own)
    training.save()
    training.say(str(training.numbers))
    return not training.ends


def train_decoder(atlas, recipe, folder, minutes):
    """The decoder alone, for latents as painters make them: half of the time windows of larger ones (latents.Pool), which end
    differently from what was encoded with nothing around it, and always a little wrong."""
    own, folder = recipe["decoder"], pathlib.Path(folder)
    network = model.Vae(recipe["vae"]["channels"]).to(atlas.device, memory_format=torch.channels_last)
    network.load_state_dict(load_half(folder / "vae.average.safetensors")[0])
    network.encoder.requires_grad_(False)
    training = Training("decoder", network.decoder, folder, minutes, recipe.get("steps"))
    if training.is_done():
        return True
    chance, seen, p = random.Random(SEEDS + (1 << 39) + training.step), 0.0, own["cut"]
    optimiser = Muon(network.decoder, is_inner, own["rate"], own["muon_rate"])
    while not training.is_done():
        optimiser.rate = training.rate(own)
        pictures = crops(atlas, chance, own).contiguous(memory_format=torch.channels_last)
        with torch.no_grad(), torch.autocast(atlas.device.type, torch.bfloat16):
            z = network.encode(pictures)[0]
        if chance.random() < 0.5:
            z, pictures = z[:, :, p:-p, p:-p], pictures[:, :, 8 * p : -8 * p, 8 * p : -8 * p]
        z = z + own["noise"] * z.std() * torch.randn_like(z)
        with torch.autocast(atlas.device.type, torch.bfloat16):
            made = network.decoder(z.contiguous(memory_format=torch.channels_last)).float()
        loss, square = model.difference(made, pictures, own["edges"])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.decoder.parameters(), 1.0)
        optimiser.step()
        training.stepped(len(pictures))
        seen = square if training.step == training.first + 1 else seen * 0.98 + square * 0.02
        if training.is_due():
            training.save()
            training.say("crops %.2f dB" % (-10 * math.log10(float(seen) / 4)))
    network.decoder.load_state_dict(training.average)
    training.numbers = {"psnr": round(psnr(network, held_out(atlas, recipe["vae"]["held_out"]))[0], 3)}
    training.save()
    training.say(str(training.numbers))
    return not training.ends
