"""The autoencoder as the transformers see it, and a pool of latents of scenes.

Latents have a mean of 0 and a spread of 1 in every channel: what the trained network has instead goes into the two 1x1
convolutions around the latent (quant_conv, post_quant_conv), so that the folder's scaling factor is 1.
"""
import os
import random

import torch

import vae as model
from draw import draw
from scenes import scene
from state import load_half

MEASURED = 256  # scenes


class Latents:
    def __init__(self, atlas, recipe, folder):
        self.atlas = atlas
        self.network = model.Vae(recipe["vae"]["channels"]).to(atlas.device, memory_format=torch.channels_last)
        weights, about = load_half(folder / "vae.average.safetensors")
        self.network.load_state_dict(weights)
        self.network.requires_grad_(False).eval()
        self.about = about
        self.mean, self.spread = torch.zeros(1, 4, 1, 1), torch.ones(1, 4, 1, 1)

    def set_scale(self, numbers):
        """numbers: those of an earlier start, or none to measure them; returns them."""
        if not numbers:
            chance = random.Random(11)
            pictures = draw(self.atlas, [scene(chance, len(self.atlas), {"one": 1, "beside": 1}) for _ in range(MEASURED)])[0]
            z = torch.cat([self._raw(p) for p in pictures.split(16)])
            numbers = {"mean": z.mean((0, 2, 3)).tolist(), "spread": z.std((0, 2, 3)).tolist()}
        self.mean, self.spread = (torch.tensor(numbers[k], device=self.atlas.device).view(1, 4, 1, 1) for k in ("mean", "spread"))
        return numbers

    @torch.no_grad()
    def _raw(self, pictures):
        with torch.autocast(self.atlas.device.type, torch.bfloat16):
            return self.network.encode(pictures.contiguous(memory_format=torch.channels_last))[0]

    def encode(self, scenes):
        """[B, 4, 32, 32]"""
        return torch.cat([(self._raw(draw(self.atlas, scenes[i : i + 64])[0]) - self.mean) / self.spread
                          for i in range(0, len(scenes), 64)])

    @torch.no_grad()
    def decode(self, z):
        raw = z * self.spread + self.mean
        return torch.cat([self.network.decoder(part.contiguous(memory_format=torch.channels_last)) for part in raw.split(16)])

    def folder(self):
        """(config, tensors) of diffusers' layout, scaled as above."""
        tensors = {name: t.clone() for name, t in self.network.state_dict().items()}
        mean, spread = self.mean.flatten().cpu().float(), self.spread.flatten().cpu().float()
        tensors["post_quant_conv.weight"] = torch.diag(spread)[:, :, None, None]
        tensors["post_quant_conv.bias"] = mean
        tensors["quant_conv.weight"] = torch.diag(torch.cat([1 / spread, torch.ones(4)]))[:, :, None, None]
        tensors["quant_conv.bias"] = torch.cat([-mean / spread, -2 * spread.log()])
        config = self.network.config(1.0) | {"use_quant_conv": True, "use_post_quant_conv": True}
        return config, tensors


class Pool:
    """Latents and what belongs to them, on the device; the oldest make room for fresh ones."""

    def __init__(self, latents, size, first, layouts, label, seed):
        """label (chance, scene) gives a list of whole numbers, as many for every scene."""
        self.latents, self.size, self.layouts, self.label = latents, size, layouts, label
        self.chance, self.at, self.full = random.Random(seed), 0, 0
        self.z = torch.empty(size, 4, 32, 32, dtype=torch.float16, device=latents.atlas.device)
        self.labels = None
        while self.full < first:
            self.add(min(256, first - self.full))

    def add(self, n):
        n = min(n, self.size - self.at)
        made = [scene(self.chance, len(self.latents.atlas), self.layouts) for _ in range(n)]
        labels = torch.tensor([self.label(self.chance, one) for one in made], device=self.z.device)
        if self.labels is None:
            self.labels = torch.zeros(self.size, labels.shape[1], dtype=torch.long, device=self.z.device)
        self.z[self.at : self.at + n] = self.latents.encode(made)
        self.labels[self.at : self.at + n] = labels
        self.full, self.at = max(self.full, self.at + n), (self.at + n) % self.size

    def draw(self, n):
        own = torch.randint(0, self.full, (n,), device=self.z.device)
        return self.z[own].float(), self.labels[own]

    def save(self, path, about):
        new = path.with_name(path.name + ".new")
        z, labels = (own[: self.full].cpu().clone() for own in (self.z, self.labels))  # a view would be saved as the whole
        kept = {"z": z, "labels": labels, "at": self.at, "about": about}
        torch.save(kept, new)
        os.replace(new, path)

    def load(self, path, about):
        """What save() wrote, if it is of the same autoencoder and size."""
        kept = torch.load(path, weights_only=True) if path.exists() else {"about": None}
        if kept["about"] == about and len(kept["z"]) <= self.size:
            self.full, self.at = len(kept["z"]), kept["at"]
            self.z[: self.full] = kept["z"].to(self.z.device)
            self.labels = torch.zeros(self.size, kept["labels"].shape[1], dtype=torch.long, device=self.z.device)
            self.labels[: self.full] = kept["labels"].to(self.z.device)
