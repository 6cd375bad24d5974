#!/usr/bin/env python3
"""Composes scenes whose objects are known to the pixel, and measures what attention tells of them.

96 pictures of 64 x 64, four of each class of the starter model: the class's emoji of Noto Color Emoji, scaled, moved and
perhaps mirrored, over a plain or graded ground. Written as two sheets of 12 x 8: scenes/pictures.png, and scenes/masks.png
(white where the object covers at least half of a pixel). Scene n lies in row n / 12, column n % 12 and shows class n / 4.
Channels are rounded to 6 bits, which the eye hardly sees and the file's size does.

`--measure` writes nothing and prints, from the stored sheets, the mean area under the ROC curve of each reading against the
mask: a patch belongs to the object when more than half of its pixels do. Maps are means over heads; "each" is layer by
layer, "all" the reading of the recommended layers taken together. tests/core/test-meaning.c asks the same of the C core.
"""
import argparse
import colorsys
import json
import pathlib
import random

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from safetensors.numpy import load_file

import hashed
import twin as tw

HERE = pathlib.Path(__file__).resolve().parent
STARTER = HERE.parent.parent / "data" / "models" / "starter-pixel"
FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
SIZE, COLUMNS, PER_CLASS, FINE = 64, 12, 4, 4
EMOJI = "🍎🍋🍓🍉🥕🍄🍩🐱🐶🦊🐼🐸🐧🐢🐠🦋🐞🌻🌵🌲🚀🚗🏠🎸"  # in the order of the starter's classes
TIMES = [0.3, 0.5, 0.7, 0.9]


def draw_emoji(character):
    """The emoji cut to its own box, RGBA. The font holds bitmaps of one size only."""
    font = ImageFont.truetype(FONT, 109)
    image = Image.new("RGBA", (160, 160), (0, 0, 0, 0))
    ImageDraw.Draw(image).text((8, 8), character, font=font, embedded_color=True)
    return image.crop(image.getbbox())


def draw_ground(rng):
    """A plain or vertically graded ground: white, or a soft colour; [SIZE, SIZE, 3] in 0..1."""
    top = bottom = (1.0, 1.0, 1.0)
    kind = rng.random()
    if kind > 0.2:
        hue = rng.random()
        top = bottom = colorsys.hsv_to_rgb(hue, rng.uniform(0.1, 0.5), rng.uniform(0.75, 1))
    if kind > 0.6:
        bottom = colorsys.hsv_to_rgb((hue + rng.uniform(-0.1, 0.1)) % 1, rng.uniform(0.1, 0.55), rng.uniform(0.6, 1))
    share = np.linspace(0, 1, SIZE)[:, None, None]
    return np.broadcast_to(np.array(top) * (1 - share) + np.array(bottom) * share, (SIZE, SIZE, 3))


def compose(emoji, rng):
    """(picture u8 [SIZE, SIZE, 3], mask bool [SIZE, SIZE]). Drawn FINE times larger and averaged down."""
    side = rng.uniform(0.8, 1.0) * SIZE * FINE
    scale = side / max(emoji.size)
    w, h = (max(1, round(n * scale)) for n in emoji.size)
    art = emoji.resize((w, h), Image.Resampling.LANCZOS)
    if rng.random() < 0.5:
        art = art.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    free = SIZE * FINE - side
    x = round((SIZE * FINE - w) / 2 + rng.uniform(-0.45, 0.45) * free)
    y = round((SIZE * FINE - h) / 2 + rng.uniform(-0.45, 0.45) * free)
    canvas = Image.new("RGBA", (SIZE * FINE, SIZE * FINE), (0, 0, 0, 0))
    canvas.paste(art, (x, y))
    rgba = np.asarray(canvas, dtype=np.float64) / 255
    rgba[..., :3] *= rgba[..., 3:]
    rgba = rgba.reshape(SIZE, FINE, SIZE, FINE, 4).mean((1, 3))
    picture = rgba[..., :3] + draw_ground(rng) * (1 - rgba[..., 3:])
    return (np.round(np.clip(picture, 0, 1) * 63) * (255 / 63)).round().astype(np.uint8), rgba[..., 3] >= 0.5


def write():
    rng = random.Random(96)
    n = len(EMOJI) * PER_CLASS
    sheet_size = (COLUMNS * SIZE, n // COLUMNS * SIZE)
    pictures, masks = Image.new("RGB", sheet_size), Image.new("1", sheet_size)
    for i in range(n):
        picture, mask = compose(draw_emoji(EMOJI[i // PER_CLASS]), rng)
        place = (i % COLUMNS * SIZE, i // COLUMNS * SIZE)
        pictures.paste(Image.fromarray(picture), place)
        masks.paste(Image.fromarray(mask), place)
    (HERE / "scenes").mkdir(exist_ok=True)
    pictures.save(HERE / "scenes" / "pictures.png", optimize=True)
    masks.save(HERE / "scenes" / "masks.png", optimize=True)


def cut(name):
    """The scenes of a sheet, [96, SIZE, SIZE, ...]."""
    sheet = np.asarray(Image.open(HERE / "scenes" / name))
    rows, columns = sheet.shape[0] // SIZE, sheet.shape[1] // SIZE
    cells = sheet.reshape(rows, SIZE, columns, SIZE, *sheet.shape[2:]).swapaxes(1, 2)
    return cells.reshape(rows * columns, SIZE, SIZE, *sheet.shape[2:])


def area(score, truth):
    """Probability that a patch of the object scores higher than one of the ground; ties count half."""
    inside, outside = score[truth][:, None], score[~truth][None]
    return ((inside > outside) + 0.5 * (inside == outside)).mean()


def measure():
    torch.set_grad_enabled(False)
    config = json.loads((STARTER / "config.json").read_text())
    twin = tw.Twin(load_file(STARTER / "model.safetensors"), config, torch.float32)
    picture = torch.tensor(cut("pictures.png")).permute(0, 3, 1, 2).float() / 127.5 - 1
    n, g = len(picture), twin.grid
    cover = cut("masks.png").reshape(n, g, SIZE // g, g, SIZE // g).mean((2, 4)).reshape(n, -1)
    truth = cover > 0.5
    region = torch.tensor(truth).float()
    torch.manual_seed(96)
    noise = torch.randn(n, 3, SIZE, SIZE)
    y = torch.arange(n) // PER_CLASS

    def show(name, per_layer, together=None):
        mean = [np.mean([area(v, m) for v, m in zip(values.numpy(), truth)]) for values in per_layer + (together or [])]
        each, rest = mean[: len(per_layer)], mean[len(per_layer) :]
        print(f"  {name:8} each", *(f"{v:.3f}" for v in each), *(f" all {v:.4f}" for v in rest))

    for t in TIMES:
        maps = []
        twin.denoise(t * picture + (1 - t) * noise, torch.full((n,), 1000 * t), y, maps)
        chosen = [maps[i] for i in config["recommended_layers"]]
        came = [tw.looked_from(P, region).mean(1) for P in maps]
        print(f"t = {t}, layers 0..{twin.depth - 1}")
        show("received", [tw.received(P).mean(1) for P in maps])
        show("from", came, [torch.stack([came[i] for i in config["recommended_layers"]]).mean(0)])
        show("subject", [tw.subject([P]) for P in maps], [tw.subject(chosen)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true")
    measure() if parser.parse_args().measure else write()
