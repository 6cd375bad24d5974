"""The autoencoder as the transformers see it, and a pool of latents of scenes.

Latents have a mean of 0 and a spread of 1 in every channel: what the trained network has instead goes into the two 1x1
convolutions around the latent (quant_conv, post_quant_conv), so that the folder's scaling factor is 1.
"""
import hashlib
import os
import random

import torch
import torch.nn.functional as F

import vae as model
from draw import K, draw
from scenes import room, scene
from state import load_half

MEASURED = 256  # scenes


class Latents:
    def __init__(self, atlas, recipe, folder):
        self.atlas = atlas
        self.network = model.Vae(recipe["vae"]["channels"]).to(atlas.device, memory_format=torch.channels_last)
        self.network.load_state_dict(load_half(folder / "vae.average.safetensors")[0])
        if (folder / "decoder.average.safetensors").exists():
            self.network.decoder.load_state_dict(load_half(folder / "decoder.average.safetensors")[0])
        self.network.requires_grad_(False).eval()
        encoder = b"".join(t.cpu().numpy().tobytes() for _, t in sorted(self.network.encoder.state_dict().items()))
        self.about = hashlib.sha256(encoder).hexdigest()
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

    def encode(self, scenes, margin=0):
        """[B, 4, 32 + 2 margin, 32 + 2 margin]: with so much of what lies around the picture; and as many covers [B, K, ...]:
        which part of a cell each thing covers, of 255."""
        n, side, out = 64 if self.atlas.device.type == "cuda" else 4, 256 + 16 * margin, -8.0 * margin
        parts = (scenes[i : i + n] for i in range(0, len(scenes), n))
        made = [draw(self.atlas, part, side, [(out, out)] * len(part)) for part in parts]
        z = torch.cat([(self._raw(own) - self.mean) / self.spread for own, _ in made])
        covers = torch.cat([(F.avg_pool2d(masks, 8) * 255).round().byte() for _, masks in made])
        for i in (i for i, one in enumerate(scenes) if one.layout == "same"):  # named together
            covers[i, 0] = torch.maximum(covers[i, 0], covers[i, 1])
        return z, covers

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
    """Latents and what belongs to them, on the device; the oldest make room for fresh ones.

    Each may be kept with a margin around the picture and with several labels: what is drawn has another window and another label
    every time, so that fewer have to be made where that takes long.
    """

    PARTS = ("z", "covers", "labels", "rooms")

    def __init__(self, latents, size, layouts, label, seed, margin=0, wordings=1, world=None):
        """label (chance, scene) gives a list of whole numbers, as many for every scene; world: more for scene()."""
        self.world = world or {}
        self.latents, self.size, self.layouts, self.label = latents, size, layouts, label
        self.margin, self.wordings, self.chance, self.at, self.full = margin, wordings, random.Random(seed), 0, 0
        self.z = torch.empty(size, 4, 32 + 2 * margin, 32 + 2 * margin, dtype=torch.float16, device=latents.atlas.device)
        self.covers = torch.zeros(size, K, *self.z.shape[2:], dtype=torch.uint8, device=self.z.device)
        self.rooms = torch.zeros(size, 4, dtype=torch.long, device=self.z.device)  # in cells: left, right, up, down
        self.labels = None  # [size, wordings, numbers]

    def add(self, n):
        n = min(n, self.size - self.at)
        made = [scene(self.chance, len(self.latents.atlas), self.layouts, **self.world) for _ in range(n)]
        labels = [[self.label(self.chance, one) for _ in range(self.wordings)] for one in made]
        labels = torch.tensor(labels, device=self.z.device)
        if self.labels is None:
            self.labels = torch.zeros(self.size, *labels.shape[1:], dtype=torch.long, device=self.z.device)
        own = slice(self.at, self.at + n)
        (self.z[own], self.covers[own]), self.labels[own] = self.latents.encode(made, self.margin), labels
        self.rooms[own] = torch.tensor([[min(self.margin, int(32 * part)) for part in room(one)] for one in made],
                                       device=self.z.device)
        self.full, self.at = max(self.full, self.at + n), (self.at + n) % self.size

    def draw(self, n):
        """(latents, labels, covers 0..1)"""
        own = torch.randint(0, self.full, (n,), device=self.z.device)
        z, covers, labels = self.z[own], self.covers[own], self.labels[own]
        if self.wordings > 1:
            labels = labels[torch.arange(n, device=own.device), torch.randint(0, self.wordings, (n,), device=own.device)]
        else:
            labels = labels[:, 0]
        if self.margin:
            less, more = self.rooms[own][:, 0::2], self.rooms[own][:, 1::2]
            first = self.margin - less + (torch.rand(n, 2, device=own.device) * (less + more + 1)).long()
            z, covers = (torch.stack([one[:, y : y + 32, x : x + 32] for one, (x, y) in zip(part, first.tolist())])
                         for part in (z, covers))
        return z.float(), labels, covers / 255

    def save(self, path, about):
        new = path.with_name(path.name + ".new")
        parts = {name: getattr(self, name)[: self.full].cpu().clone() for name in self.PARTS}  # views would be whole
        torch.save(parts | {"at": self.at, "about": about}, new)
        os.replace(new, path)

    def load(self, path, about):
        """What save() wrote, if it is of the same autoencoder, size and margin."""
        kept = torch.load(path, weights_only=True) if path.exists() else {"about": None}
        if kept["about"] != about or len(kept["z"]) > self.size or kept["z"].shape[1:] != self.z.shape[1:]:
            return
        if any(name not in kept for name in self.PARTS) or kept["labels"].shape[1] != self.wordings:
            return
        self.full, self.at = len(kept["z"]), kept["at"]
        self.labels = torch.zeros(self.size, *kept["labels"].shape[1:], dtype=torch.long, device=self.z.device)
        for name in self.PARTS:
            getattr(self, name)[: self.full] = kept[name].to(self.z.device)
