"""Trains the two painters on latents of scenes: the one of classes, and the one of prompts together with its encoder of text."""
import pathlib
import random

import torch
import torch.nn.functional as F
from torch import nn

import networks
from captions import OWNER, caption, encode_text, named, read_pieces
from diffusion import Schedule, loss, sample
from draw import save_grid
from latents import Latents, Pool
from muon import Muon, is_matrix
from scenes import MANY, ONE
from state import Training, load_half
from together import Together

DROPPED = 0.1  # of the conditions, for guidance


class Prompted(nn.Module):
    """Encoder of text and painter, as one thing to train."""

    def __init__(self, text, painter):
        super().__init__()
        self.text, self.painter = text, painter

    def forward(self, z, t, labels, seen=None, peaks=None):
        ids = labels % OWNER
        there = ids > 0
        learns = next(self.text.parameters()).requires_grad
        return self.painter(z, t, self.text(ids, there, peaks if learns else None), there, seen, peaks)


def attention_loss(seen, labels, covers):
    """Words should be looked at where the things are that they name: cross entropy between a word's share of what a patch looks
    at in the prompt, the mean of all heads and layers of `seen` [B, H, T, S], and the part of the patch that the thing covers."""
    ids, owner = labels % OWNER, labels // OWNER
    side = int(seen[0].shape[2] ** 0.5)
    covers = F.adaptive_avg_pool2d(covers, side).flatten(2)
    content = (ids > 1)[:, None, None].float()
    total = 0.0
    for k in range(covers.shape[1]):
        word = (owner == k + 1)[:, None, None].float()
        shares = [((p * word).sum(-1) / ((p * content).sum(-1) + 1e-6)).mean(1) for p in seen]
        share = torch.stack(shares).mean(0).clamp(1e-3, 1 - 1e-3)
        cross = -(covers[:, k] * share.log() + (1 - covers[:, k]) * (1 - share).log()).mean(1)
        total = total + (cross * word.amax((1, 2, 3))).mean()
    return total


def make_class(own, atlas, folder):
    network = networks.Dit(own["width"], own["depth"], own["heads"], own["patch"], len(atlas), own["out"])
    return network, lambda chance, scene: [scene.objects[0]], torch.tensor([len(atlas)]), ONE


def make_prompt(own, atlas, folder):
    pieces = read_pieces(folder)
    text = networks.T5(pieces.get_piece_size(), *own["text"])
    painter = networks.PixArt(own["width"], own["depth"], own["heads"], own["patch"], text.sizes["d_model"], own["out"])

    def label(chance, scene):
        text = caption(chance, scene, atlas.words)
        return encode_text(pieces, text, named(text, scene, atlas.words))

    if (folder / "class.average.safetensors").exists():
        painter.begin_with(load_half(folder / "class.average.safetensors")[0])
    if (folder / "text.average.safetensors").exists():
        known = load_half(folder / "text.average.safetensors")[0]
        text.load_state_dict({name[5:]: tensor for name, tensor in known.items() if name.startswith("text.")})
        text.requires_grad_(False)  # as in PixArt; it knows more than pictures would teach it
    return Prompted(text, painter), label, torch.tensor(encode_text(pieces, "")), own.get("layouts", MANY)


MAKERS = {"class": make_class, "prompt": make_prompt}


def trim(labels):
    """Classes as [B]; captions without the columns in which no one has a token, where that does not wait for a device."""
    if labels.shape[1] == 1:
        return labels[:, 0]
    return labels if labels.is_cuda else labels[:, : -(-int((labels > 0).sum(1).max()) // 8) * 8]  # few sizes to compile for


def show(training, network, latents, schedule, own, null, pool, guidance):
    """Pictures of the average, for labels of the pool."""
    now = {k: v.clone() for k, v in network.state_dict().items()}
    network.load_state_dict(training.average)
    chance = torch.Generator().manual_seed(1)
    labels = pool.labels[torch.randint(0, pool.full, (own["shown"],), generator=chance).to(pool.labels.device), 0]
    both = trim(torch.cat([labels, null.to(labels.device).expand_as(labels)]))
    noise = torch.randn(own["shown"], 4, 32, 32, generator=chance).to(labels.device)

    def guided(z, t):
        with torch.no_grad(), torch.autocast(z.device.type, torch.bfloat16):
            yes, no = network.forward(torch.cat([z, z]), torch.cat([t, t]), both).chunk(2)  # not compiled for this batch
        return no + guidance * (yes - no)

    save_grid(latents.decode(sample(schedule, own["prediction"], guided, noise)), training.folder / (training.name + ".png"))
    network.load_state_dict(now)


def train(name, atlas, recipe, folder, minutes, together=Together()):
    folder, own, device = pathlib.Path(folder), recipe[name], atlas.device
    latents = Latents(atlas, recipe, folder)
    network, label, null, layouts = MAKERS[name](own, atlas, folder)
    network.to(device)
    training = Training(name, network, folder, minutes, recipe.get("steps"), together.rank == 0)
    together.begin([*network.parameters(), *training.average.values()])
    if training.is_done():
        return True
    training.numbers["latents"] = latents.set_scale(training.numbers.get("latents"))
    pool = Pool(latents, own["pool"], layouts, label, (1 << 40) + (together.rank << 39) + training.step, own["margin"],
                own["wordings"], own["world"])
    kept = folder / ("%s.pool%s.pt" % (name, together.rank or ""))
    about = latents.about + str(training.numbers["latents"]) + str(own["world"])
    if recipe["keeps_pool"]:  # where composing and encoding take longer than training
        pool.load(kept, about)
    while pool.full < own["first"] and not training.is_done():
        pool.add(min(256, own["first"] - pool.full))
    if pool.full < own["first"]:
        return False
    if recipe["compiles"]:
        network.compile()
    optimiser = Muon(network, is_matrix, own["rate"], own["muon_rate"])
    schedule, seen, shown, saved = Schedule(device), 0.0, training.spent(), pool.full
    ends = training.is_done()
    while not ends:
        if training.step % own["fresh_every"] == 0:
            pool.add(own["fresh"])
        z, labels, covers = pool.draw(own["batch"])
        dropped = torch.rand(len(z), 1, device=device) < DROPPED
        labels = trim(torch.where(dropped, null.to(device), labels))
        with torch.autocast(device.type, torch.bfloat16):
            looks, peaks = [], []
            value = loss(schedule, own["prediction"], network, z, (labels, looks, peaks) if name == "prompt" else (labels,))
            if looks:
                value = value + own["attention"] * attention_loss(looks, labels, covers)
        ends = together.step(training, optimiser, own, value, len(z), peaks)
        if training.step % 10 == 1 or training.step < 10:
            seen = value.item() if seen == 0 else seen * 0.9 + 0.1 * value.item()
        if training.is_due():
            training.save()
            training.say("loss %.4f, %d in the pool" % (seen, pool.full))
            if together.rank == 0 and training.spent() - shown > own["show_every"]:
                show(training, network, latents, schedule, own, null, pool, own["guidance"])
                shown = training.spent()
            if recipe["keeps_pool"] and pool.full > 1.2 * saved:
                pool.save(kept, about)
                saved = pool.full
    if together.rank == 0:
        show(training, network, latents, schedule, own, null, pool, own["guidance"])
    training.save()
    if recipe["keeps_pool"]:
        pool.save(kept, about)
    training.say("loss %.4f" % seen)
    return not training.ends
