"""Paints scenes on any device, as functions of the place: only the window that is asked for is computed.

Letters: B scenes, n pixels of a window's side, K objects of a scene at most. Colours are sRGB 0..1 until the end.
"""
import json
import pathlib

import numpy
import torch
import torch.nn.functional as F
from PIL import Image

from scenes import COLOURS, GROUNDS, N_NUMBERS

K = 3
EDGE = 1 / 200  # how soft the edges of a ground are


class Atlas:
    """The sheet of atlas.py: cells [objects, 5, CELL, CELL]: premultiplied colours, how much is covered, and a soft shadow."""

    def __init__(self, folder, device="cpu"):
        about = json.loads((pathlib.Path(folder) / "atlas.json").read_text())
        sheet = torch.from_numpy(numpy.array(Image.open(pathlib.Path(folder) / "atlas.png").convert("RGBA"))) / 255
        cell, rows, columns = about["cell"], sheet.shape[0] // about["cell"], sheet.shape[1] // about["cell"]
        cells = sheet.view(rows, cell, columns, cell, 4).permute(0, 2, 4, 1, 3).reshape(-1, 4, cell, cell)
        self.words = about["names"]
        self.names = [words[0] for words in self.words]
        cells = cells[: len(self.names)]
        cover, blurred = cells[:, 3:], cells[:, 3:]
        for _ in range(3):
            blurred = F.avg_pool2d(blurred, 13, 1, 6)
        self.cells = torch.cat([cells[:, :3] * cover, cover, blurred], 1).contiguous().to(device)
        self.spread = cell / about["long"]  # side of a cell where the object's longer side is 1
        self.device = torch.device(device)

    def __len__(self):
        return len(self.names)


def _tensors(scenes, device):
    """ids [B, K], places [B, K, 6]: x, y, size, angle, mirrored, there; ground [B]; colours [B, 2, 3]; numbers [B, N]."""
    places, ids, colours = [], [], []
    for scene in scenes:
        own = [(p.x, p.y, p.size, p.angle, -1.0 if p.mirrored else 1.0, 1.0) for p in scene.places]
        places.append(own + [(0.5, 0.5, 1.0, 0.0, 1.0, 0.0)] * (K - len(own)))
        ids.append(list(scene.objects) + [0] * (K - len(own)))
        used = [COLOURS[c][1] for c in scene.colours] or [(0.0, 0.0, 0.0)]
        colours.append([used[0], used[-1]])
    ground = [GROUNDS.index(scene.ground) for scene in scenes]
    floats = torch.tensor([s.numbers for s in scenes], device=device)
    return (torch.tensor(ids, device=device), torch.tensor(places, device=device), torch.tensor(ground, device=device),
            torch.tensor(colours, device=device), floats)


def _rgb(r, g, b, like):
    return torch.tensor([r, g, b], device=like.device).view(1, 3, 1, 1)


def _mix(a, b, part):
    return a + (b - a) * part


def _step(x):
    """0 to 1 around 0, softly."""
    return torch.sigmoid(x / EDGE)


def _specks(x, y, seed, cells, radius):
    """[B, 1, n, n]: soft discs, one in every other cell of a lattice, by chance."""
    u, v = x * cells, y * cells
    i, j = u.floor(), v.floor()
    noise = torch.frac(torch.sin(i * 12.9898 + j * 78.233 + seed * 37.719).abs() * 43758.5453)
    other = torch.frac(noise * 91.7)
    far = ((u - i - 0.25 - 0.5 * noise) ** 2 + (v - j - 0.25 - 0.5 * other) ** 2).sqrt()
    return torch.sigmoid((radius * (0.6 + 0.8 * other) - far) / (EDGE * cells)) * (torch.frac(noise * 17.3) < 0.5)


def _sky(x, y, r):
    sky = _mix(_rgb(0.36, 0.62, 0.94, x), _rgb(0.80, 0.92, 1.0, x), (y * 1.1).clamp(0, 1)) + 0.08 * (r[:, 0:1] - 0.5)
    for k in range(3):
        cx, cy, w = r[:, 3 * k + 1 : 3 * k + 2], r[:, 3 * k + 2 : 3 * k + 3] * 0.8, 0.1 + 0.12 * r[:, 3 * k + 3 : 3 * k + 4]
        puff = 0
        for dx, dy, size in ((-0.7, 0.12, 0.55), (0, -0.1, 0.8), (0.7, 0.1, 0.6)):
            far = ((x - cx - dx * w) ** 2 + ((y - cy - dy * w) * 1.5) ** 2) / (size * w) ** 2
            puff = torch.maximum(torch.as_tensor(puff, device=x.device), torch.sigmoid((1 - far) * 5))
        sky = _mix(sky, _rgb(1, 1, 1, x), 0.85 * puff)
    return sky


def _land(x, y, r, above, near, far):
    """A rolling line with land below."""
    line = 0.5 + 0.2 * r[:, 10:11] + 0.035 * torch.sin(x * (4 + 5 * r[:, 11:12]) + 6.3 * r[:, 12:13])
    deep = ((y - line) / (1 - line)).clamp(0, 1)
    return _mix(above, _mix(far, near, deep), _step(y - line)), line


def _sea(x, y, r, c):
    water = _mix(_rgb(0.25, 0.62, 0.82, x), _rgb(0.05, 0.32, 0.62, x), ((y - 0.4) * 1.6).clamp(0, 1))
    wave = torch.sin(y * 90 + 2.5 * torch.sin(x * 9 + 6.3 * r[:, 13:14]))
    water = water + 0.07 * torch.sigmoid((wave - 0.6) * 8)
    return _mix(_sky(x, y, r), water, _step(y - 0.38 - 0.25 * r[:, 10:11]))


def _meadow(x, y, r, c):
    return _land(x, y, r, _sky(x, y, r), _rgb(0.28, 0.62, 0.22, x), _rgb(0.58, 0.82, 0.36, x))[0] + 0.05 * (r[:, 13:14] - 0.5)


def _night(x, y, r, c):
    sky = _mix(_rgb(0.04, 0.05, 0.18, x), _rgb(0.18, 0.16, 0.42, x), y) + 0.06 * (r[:, 0:1] - 0.5)
    return _mix(sky, _rgb(1, 0.97, 0.85, x), 0.9 * _specks(x, y, r[:, 1:2] * 10, 11, 0.10))


def _snow(x, y, r, c):
    pale = _mix(_rgb(0.62, 0.74, 0.88, x), _rgb(0.86, 0.91, 0.97, x), y)
    land = _land(x, y, r, pale, _rgb(0.98, 0.99, 1.0, x), _rgb(0.90, 0.94, 0.99, x))[0]
    return _mix(land, _rgb(1, 1, 1, x), 0.9 * _specks(x, y, r[:, 1:2] * 10, 13, 0.14))


def _desert(x, y, r, c):
    sky = _mix(_rgb(0.55, 0.78, 0.95, x), _rgb(1.0, 0.92, 0.74, x), (y * 1.6).clamp(0, 1))
    return _land(x, y, r, sky, _rgb(0.86, 0.62, 0.32, x), _rgb(0.97, 0.82, 0.54, x))[0]


def _turned(x, y, r):
    angle = 6.2832 * r[:, 0:1]
    return (x - 0.5) * torch.cos(angle) + (y - 0.5) * torch.sin(angle)


def _jitter(colour, r, k):
    return (colour[..., None, None] + 0.08 * (r[:, k : k + 3] - 0.5)).clamp(0, 1)


def _plain(x, y, r, c):
    return _jitter(c[:, 0], r, 1).expand(-1, -1, *x.shape[2:])


def _graded(x, y, r, c):
    return _mix(_jitter(c[:, 0], r, 1), _jitter(c[:, 1], r, 4), (_turned(x, y, r) * 1.1 + 0.5).clamp(0, 1))


def _wave(u, count):
    """1 and 0 in turn, count times each along 1."""
    return torch.sigmoid(torch.sin(u * count * 6.2832) / (EDGE * count * 5))


def _stripes(x, y, r, c):
    return _mix(_jitter(c[:, 0], r, 1), _jitter(c[:, 1], r, 4), _wave(_turned(x, y, r), 3 + 3 * r[:, 7:8]))


def _dots(x, y, r, c):
    count = 5 + 4 * r[:, 7:8]
    far = ((torch.frac(x * count) - 0.5) ** 2 + (torch.frac(y * count) - 0.5) ** 2).sqrt()
    return _mix(_jitter(c[:, 0], r, 1), _jitter(c[:, 1], r, 4), torch.sigmoid((0.26 - far) / (EDGE * count)))


def _checks(x, y, r, c):
    count = 2.5 + 2 * r[:, 7:8]
    a, b = _wave(x, count), _wave(y, count)
    return _mix(_jitter(c[:, 0], r, 1), _jitter(c[:, 1], r, 4), a + b - 2 * a * b)


PAINTERS = {"plain": _plain, "graded": _graded, "sky": lambda x, y, r, c: _sky(x, y, r), "sea": _sea, "meadow": _meadow,
            "night": _night, "snow": _snow, "desert": _desert, "stripes": _stripes, "dots": _dots, "checks": _checks}


def _grounds(x, y, ground, colours, numbers):
    out = torch.empty(x.shape[0], 3, *x.shape[2:], device=x.device)
    for kind in ground.unique().tolist():
        own = (ground == kind).nonzero()[:, 0]
        painted = PAINTERS[GROUNDS[kind]](x[own], y[own], numbers[own][:, :, None, None], colours[own])
        out[own] = painted.clamp(0, 1)
    return out


def _sample(atlas, ids, place, x, y):
    """[B, 5, n, n]: one object of every scene, as it lies."""
    cx, cy, size, angle, mirror, there = (place[:, k].view(-1, 1, 1) for k in range(6))
    dx, dy = (x[:, 0] - cx) / size, (y[:, 0] - cy) / size
    u = (dx * torch.cos(angle) + dy * torch.sin(angle)) * mirror
    v = dy * torch.cos(angle) - dx * torch.sin(angle)
    grid = torch.stack([u, v], -1) * (2 / atlas.spread)
    return F.grid_sample(atlas.cells[ids], grid, align_corners=False) * there[:, None]


def draw(atlas, scenes, pixels=256, windows=None, side=256):
    """pictures [B, 3, n, n] in -1..1 and masks [B, K, n, n], what is seen of every object, 0..1.

    windows: (left, top) of each scene, in pixels of a picture of `side`; n is `pixels`; without windows, all of the picture.
    """
    ids, places, ground, colours, numbers = _tensors(scenes, atlas.device)
    corner = torch.zeros(len(scenes), 2, device=atlas.device) if windows is None else torch.tensor(windows, device=atlas.device)
    scale = 1 / pixels if windows is None else 1 / side
    line = (torch.arange(pixels, device=atlas.device) + 0.5) * scale
    x = (line.view(1, 1, 1, -1) + corner[:, 0].view(-1, 1, 1, 1) / side).expand(-1, 1, pixels, pixels)
    y = (line.view(1, 1, -1, 1) + corner[:, 1].view(-1, 1, 1, 1) / side).expand(-1, 1, pixels, pixels)
    picture = _grounds(x, y, ground, colours, numbers)
    masks = []
    for k in range(max(len(scene.objects) for scene in scenes)):
        shade = places[:, k].clone()
        shade[:, 1] += 0.05 * shade[:, 2]
        picture = picture * (1 - 0.35 * _sample(atlas, ids[:, k], shade, x, y)[:, 4:])
        thing = _sample(atlas, ids[:, k], places[:, k], x, y)
        picture = thing[:, :3] + picture * (1 - thing[:, 3:4])
        masks = [mask * (1 - thing[:, 3]) for mask in masks] + [thing[:, 3]]
    masks += [torch.zeros_like(masks[0])] * (K - len(masks))
    return picture.clamp(0, 1) * 2 - 1, torch.stack(masks, 1)


def save_grid(pictures, path, columns=8):
    """pictures [B, 3, h, w] in -1..1 as one PNG."""
    bytes_ = ((pictures.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    height, width = bytes_.shape[1:3]
    sheet = Image.new("RGB", (columns * width, -(-len(bytes_) // columns) * height))
    for i, one in enumerate(bytes_):
        sheet.paste(Image.fromarray(one), (i % columns * width, i // columns * height))
    sheet.save(path)


assert N_NUMBERS >= 14
