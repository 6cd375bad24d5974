"""How well the maps of words find the things: on composed scenes of held-out pairs, noised to the middle times, as the program
reads them (`word-share`, heads averaged). On one half of the scenes the layers and one threshold are chosen, on the other
measured.

Letters: L layers, R cases (a word at a time in a scene), n pixels of a side.
"""
import json

import numpy
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file

from captions import with_article
from draw import draw
from scenes import scenes

STRENGTHS, STEPS = (0.35, 0.5, 0.65), 20  # how much noise, of 1
NEARLY = 0.005
THRESHOLDS = [i / 20 for i in range(2, 18)]  # of a map's largest value


def read_maps(program, model, picture, prompt, names, strength):
    """[words, L, n, n], largest value 1."""
    program.run("generate", "--quiet", "--model", model, "--prompt", prompt, "--start", picture, "--strength", strength,
                "--num-steps", STEPS, "--guidance", 1, "--seed", 1, "--out", program.work / "again.png",
                "--raw", program.work / "maps.safetensors",
                "--show", "layers=all;heads=mean;steps=0;read=word-share;words=%s" % ",".join(names))
    maps = load_file(program.work / "maps.safetensors")
    own = []
    for name in names:
        prefix = "word-share-%s-s00-l" % name.replace(" ", "-")
        layers = torch.stack([maps[key] for key in sorted(maps) if key.startswith(prefix)])
        own.append(F.interpolate(layers[None], (256, 256), mode="bilinear")[0])
    return torch.stack(own)


def ious(maps, masks):
    """[thresholds, R] of maps [R, n, n], each against its mask."""
    maps = maps / maps.amax((1, 2), keepdim=True)
    rows = []
    for threshold in THRESHOLDS:
        seen = maps > threshold
        rows.append((seen & masks).sum((1, 2)) / (seen | masks).sum((1, 2)).clamp(min=1))
    return torch.stack(rows).float()


def points(maps, masks):
    """The pointing game: the part of the maps whose largest value lies on the thing."""
    return float(torch.gather(masks.flatten(1), 1, maps.flatten(1).argmax(1)[:, None]).float().mean())


def best_layers(maps, masks):
    """The run of layers, and the threshold, whose mean map has the best mean IoU on maps [R, L, n, n]; of those that are as good
    but for NEARLY the shortest, for layers that look elsewhere hardly change a mean."""
    runs = [range(first, last) for first in range(maps.shape[1]) for last in range(first + 1, maps.shape[1] + 1)]
    scores = torch.stack([ious(maps[:, run].mean(1), masks).mean(1) for run in runs])
    best, at = scores.max(1)
    i = min((i for i in range(len(runs)) if best[i] >= best.max() - NEARLY), key=lambda i: (len(runs[i]), -best[i]))
    return list(runs[i]), int(at[i])


def measure_words(program, atlas, model, options):
    made = scenes(41, max(4, int(48 * options.share)), len(atlas), {"beside": 1, "above": 1}, "pairs",
                  **options.recipe["prompt"]["world"])
    pictures, covers = draw(atlas, made)
    maps, masks = [], []
    for scene, picture, cover in zip(made, pictures, covers):
        path = program.work / "scene.png"
        Image.fromarray(((picture.permute(1, 2, 0) + 1) * 127.5).round().byte().numpy().astype(numpy.uint8)).save(path)
        names = [atlas.names[thing] for thing in scene.objects]
        prompt = " and ".join(with_article(name) for name in names)
        for strength in STRENGTHS:
            maps.append(read_maps(program, model, path, prompt, names, strength))
            masks.append(cover[:2] > 0.5)
    maps, masks = torch.cat(maps), torch.cat(masks)
    half = len(maps) // 2
    layers, threshold = best_layers(maps[:half], masks[:half])
    rest = maps[half:][:, layers].mean(1)
    each = [points(maps[half:, layer], masks[half:]) for layer in range(maps.shape[1])]
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"recommended_layers": layers}, indent=2) + "\n")
    return {"iou": float(ious(rest, masks[half:])[threshold].mean()), "pointing": points(rest, masks[half:]), "layers": layers,
            "threshold": THRESHOLDS[threshold], "cases": len(rest), "pointing_of_each_layer": each}
