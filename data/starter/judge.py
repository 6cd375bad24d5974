"""Judges pictures: a small network that says, on a coarse grid, which object is where. It is trained on composed scenes only and
never sees what the painters paint.

Letters: B pictures, n objects of the atlas (one more output: the ground), g cells of a side.
"""
import random

import torch
import torch.nn.functional as F
from torch import nn

from draw import draw
from muon import Muon
from scenes import MANY, scene
from state import Training

SIDE, CELLS = 128, 16  # pixels it looks at, cells of its grid
SURE = 0.5


class Judge(nn.Module):
    def __init__(self, n_objects, width=32):
        super().__init__()
        sizes = (width, 2 * width, 4 * width, 4 * width)
        layers, before = [], 3
        for i, size in enumerate(sizes):
            layers += [nn.Conv2d(before, size, 3, 2 if i < 3 else 1, 1), nn.GroupNorm(8, size), nn.GELU(),
                       nn.Conv2d(size, size, 3, padding=1), nn.GroupNorm(8, size), nn.GELU()]
            before = size
        self.body = nn.Sequential(*layers)
        self.wide = nn.Sequential(nn.Conv2d(before, before, 5, padding=2), nn.GELU(), nn.Conv2d(before, before, 5, padding=2))
        self.out = nn.Conv2d(before, n_objects + 1, 1)

    def features(self, pictures):
        x = self.body(F.interpolate(pictures, (SIDE, SIDE), mode="area"))
        return F.gelu(x + self.wide(x))

    def forward(self, pictures):
        """[B, n + 1, g, g]"""
        return self.out(self.features(pictures)).float()


def targets(ids, masks, n_objects):
    """[B, g, g]: the object that covers most of a cell, where it covers a third of it."""
    cover = F.adaptive_avg_pool2d(masks, CELLS)
    most, which = cover.max(1)
    return torch.where(most > 1 / 3, torch.gather(ids[:, :, None, None].expand_as(cover), 1, which[:, None])[:, 0], n_objects)


def spoil(pictures):
    """As if painted: blurred, noisy, in other colours, by chance; so that it does not judge sharpness."""
    rough = torch.rand(len(pictures), 1, 1, 1, device=pictures.device)
    small = F.interpolate(F.avg_pool2d(pictures, 4), pictures.shape[2:], mode="bilinear")
    pictures = torch.where(rough < 0.4, pictures + rough / 0.4 * (small - pictures), pictures)
    tint = 0.1 * torch.randn(len(pictures), 3, 1, 1, device=pictures.device)
    return pictures * (1 + tint) + 0.08 * rough * torch.randn_like(pictures)


def train(atlas, recipe, folder, minutes):
    own = recipe["judge"]
    network = Judge(len(atlas)).to(atlas.device, memory_format=torch.channels_last)
    training = Training("judge", network, folder, minutes, recipe.get("steps"))
    if training.is_done():
        return True
    chance, seen = random.Random((1 << 41) + training.step), 0.0
    optimiser = Muon(network, lambda name, p: p.ndim == 4 and p.shape[1] > 4 and "out" not in name, own["rate"], own["muon_rate"])
    while not training.is_done():
        optimiser.rate = training.rate(own)
        made = [scene(chance, len(atlas), MANY, **own["world"]) for _ in range(own["batch"])]
        pictures, masks = draw(atlas, made, SIDE)
        ids = torch.tensor([(one.objects + [0, 0])[:3] for one in made], device=atlas.device)
        with torch.autocast(atlas.device.type, torch.bfloat16):
            out = network(spoil(pictures))
        aim = targets(ids, masks, len(atlas))
        each = F.cross_entropy(out, aim, reduction="none")
        thing = (aim < len(atlas)).float()
        loss = (each * thing).sum() / thing.sum() + (each * (1 - thing)).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        training.stepped(len(made))
        if training.step % 10 == 1:
            seen = seen * 0.9 + 0.1 * loss.item() if seen else loss.item()
        if training.is_due():
            training.save()
            training.say("loss %.3f" % seen)
    training.save()
    training.say("loss %.3f" % seen)
    return not training.ends


@torch.no_grad()
def objects(network, pictures):
    """For each picture {object: (x, y, part of the picture)} of what it is sure of, the largest first."""
    found = []
    for one in network(pictures).softmax(1):
        share, which = one.max(0)
        own = {}
        for thing in which.unique().tolist():
            cells = (which == thing) & (share > SURE)
            if thing < one.shape[0] - 1 and int(cells.sum()) >= 2:
                rows, columns = cells.nonzero(as_tuple=True)
                own[thing] = ((float(columns.float().mean()) + 0.5) / CELLS, (float(rows.float().mean()) + 0.5) / CELLS,
                              float(cells.sum()) / CELLS ** 2)
        found.append(dict(sorted(own.items(), key=lambda item: -item[1][2])))
    return found


@torch.no_grad()
def top(network, pictures):
    """[B]: the one object that a picture shows most of."""
    share = network(pictures).softmax(1)[:, :-1]
    return share.sum((2, 3)).argmax(1)


@torch.no_grad()
def apart(network, pictures):
    """Mean distance between the features of two of the pictures."""
    features = network.features(pictures).float().mean((2, 3))
    return float(torch.pdist(features).mean())
