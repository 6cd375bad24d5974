"""How well the map `subject` finds the thing: on composed scenes, noised half the way, as the program reads them. On one half of
the scenes the layers are chosen, on the other measured.
"""
import json

import numpy
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file

from draw import draw
from folders import known
from scenes import ONE, scenes


def area(values, inside):
    """Under the ROC curve: how often a patch inside has the larger value than one outside."""
    a, b = values[inside][:, None], values[~inside][None]
    return float((a > b).float().mean() + 0.5 * (a == b).float().mean())


def measure_subject(program, atlas, model, options):
    own = options.recipe["class"]
    made = scenes(43, max(4, int(24 * options.share)), len(atlas), ONE, **own["world"])
    pictures, covers = draw(atlas, made)
    depth, things = own["depth"], known(own, atlas)
    runs = [(i, i) for i in range(depth)] + [(i, depth - 1) for i in range(depth - 1)]
    areas = []
    for scene, picture, cover in zip(made, pictures, covers):
        Image.fromarray(((picture.permute(1, 2, 0) + 1) * 127.5).round().byte().numpy().astype(numpy.uint8)).save(
            program.work / "scene.png")
        row = []
        for first, last in runs:
            program.run("generate", "--quiet", "--model", model, "--class", things.index(scene.objects[0]),
                        "--start", program.work / "scene.png", "--strength", 0.5, "--num-steps", 2, "--guidance", 1, "--seed", 1,
                        "--raw", program.work / "maps.safetensors",
                        "--show", "layers=%d-%d;heads=mean;steps=all;read=subject" % (first, last))
            maps = [t for name, t in load_file(program.work / "maps.safetensors").items() if name.startswith("subject")]
            row.append(area(maps[0], F.adaptive_avg_pool2d(cover[None, :1], maps[0].shape)[0, 0] > 0.5))
        areas.append(row)
    areas = torch.tensor(areas)
    half = len(areas) // 2
    best = int(areas[:half].mean(0).argmax())
    layers = list(range(runs[best][0], runs[best][1] + 1))
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"recommended_layers": layers}, indent=2) + "\n")
    return {"area": float(areas[half:, best].mean()), "layers": layers, "scenes": len(areas) - half,
            "area_of_each_layer": areas[half:, :depth].mean(0).tolist()}
