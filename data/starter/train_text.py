"""Trains the encoder of text alone, from captions of scenes that nobody paints: what the words name, and where that is. The
painter of prompts begins with it. From pictures alone an encoder learns what things look like, and hardly that "to the right of"
says where they are: so little of the loss depends on it.
"""
import pathlib
import random

import torch
import torch.nn.functional as F
from torch import nn

import networks
from captions import N_TOKENS, OWNER, caption, encode_text, named, read_pieces
from muon import Muon, is_matrix
from scenes import COLOURS, GROUNDS, scene
from state import Training
from together import Together

SIDE, EDGE = 8, 0.05  # of the grid of places; over how much of the picture a thing fades there
WORDINGS = 4  # of one scene
MOST_THINGS = 3


class Described(nn.Module):
    """The encoder and what is read from it: at a word that names a thing, which it is and where; at the end, the ground."""

    def __init__(self, text, n_things):
        super().__init__()
        width = text.sizes["d_model"]
        self.text, self.thing, self.where = text, nn.Linear(width, n_things), nn.Linear(width, SIDE * SIDE)
        self.ground, self.colours = nn.Linear(width, len(GROUNDS)), nn.Linear(width, len(COLOURS))

    def forward(self, ids, peaks):
        x = self.text(ids, ids > 0, peaks)
        end = (x * (ids == 1)[..., None]).sum(1)
        return self.thing(x), self.where(x), self.ground(end), self.colours(end)


def cover(places):
    """[SIDE SIDE]: how much of every cell things in these places cover, all taken for discs."""
    line = (torch.arange(SIDE) + 0.5) / SIDE
    far = [((line[None] - p.x) ** 2 + (line[:, None] - p.y) ** 2).sqrt() for p in places]
    return torch.stack([torch.sigmoid((0.45 * p.size - d) / EDGE) for p, d in zip(places, far)]).amax(0).flatten()


def examples(chance, n, atlas, pieces, own, world):
    """labels as encode_text() has them [n, S]; things [n, K]; their covers [n, K, cells]; grounds [n]; which colours [n, C]."""
    labels, things, grounds = (torch.zeros(n, *shape, dtype=torch.long) for shape in ((N_TOKENS,), (MOST_THINGS,), ()))
    covers, colours = torch.zeros(n, MOST_THINGS, SIDE * SIDE), torch.zeros(n, len(COLOURS))
    for first in range(0, n, WORDINGS):
        one, these = scene(chance, len(atlas), own["layouts"], **world), slice(first, first + WORDINGS)
        texts = [caption(chance, one, atlas.words, vague=own["vague"]) for _ in range(n)[these]]
        labels[these] = torch.tensor([encode_text(pieces, text, named(text, one, atlas.words)) for text in texts])
        for k, thing in enumerate(dict.fromkeys(one.objects)):
            things[these, k] = thing
            covers[these, k] = cover([place for other, place in zip(one.objects, one.places) if other == thing])
        grounds[these] = GROUNDS.index(one.ground)
        colours[these, list(one.colours)] = 1.0
    return labels, things, covers, grounds, colours


def text_loss(network, labels, things, covers, grounds, colours, peaks):
    """Cross entropy of where words say that their things are, and, less, of what else is read."""
    ids, owner = labels % OWNER, labels // OWNER
    thing, where, ground, colour = network(ids, peaks)
    rows, columns = (owner > 0).nonzero(as_tuple=True)
    which = owner[rows, columns] - 1
    value = F.binary_cross_entropy_with_logits(where[rows, columns].float(), covers[rows, which])
    rest = F.cross_entropy(thing[rows, columns].float(), things[rows, which]) + F.cross_entropy(ground.float(), grounds)
    return value + 0.1 * (rest + F.binary_cross_entropy_with_logits(colour.float(), colours))


def train(atlas, recipe, folder, minutes, together=Together()):
    own, device = recipe["text"], atlas.device
    pieces = read_pieces(pathlib.Path(folder))
    network = Described(networks.T5(pieces.get_piece_size(), *recipe["prompt"]["text"]), len(atlas)).to(device)
    training = Training("text", network, folder, minutes, recipe.get("steps"), together.rank == 0)
    together.begin([*network.parameters(), *training.average.values()])
    if recipe["compiles"]:
        network.compile()
    optimiser = Muon(network, is_matrix, own["rate"], own["muon_rate"])
    chance, seen = random.Random((1 << 42) + (together.rank << 41) + training.step), 0.0
    ends = training.is_done()
    while not ends:
        peaks = []
        parts = [part.to(device) for part in examples(chance, own["batch"], atlas, pieces, own, recipe["prompt"]["world"])]
        with torch.autocast(device.type, torch.bfloat16):
            value = text_loss(network, *parts, peaks)
        ends = together.step(training, optimiser, own, value, own["batch"], peaks)
        if training.step % 10 == 1:
            seen = seen * 0.9 + 0.1 * value.item() if seen else value.item()
        if training.is_due():
            training.save()
            training.say("loss %.4f" % seen)
    training.save()
    training.say("loss %.4f" % seen)
    return not training.ends
