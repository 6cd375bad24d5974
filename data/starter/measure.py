#!/usr/bin/env python3
"""Measures the models through the program: measure.py --program PENTIMENTO --recipe NAME --models FOLDER --atlas FOLDER
--state FOLDER [--parts vae,class,subject,prompt,words] [--share 1.0] writes figures into FOLDER/NAME/figures.json and a grid of
pictures beside.

Nothing of PyTorch looks into a model here: pictures, latents and maps are what the program writes; only judge.py, which learned
from composed scenes alone, says what is to be seen. --share: part of the samples, where time is short.
"""
import argparse
import json
import pathlib
import random
import subprocess
import tempfile
import time

import numpy
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file

import judge
from captions import caption, with_article
from draw import Atlas, draw, save_grid
from folders import known
from recipes import RECIPES
from scenes import MANY, ONE, scenes
from state import load_half
from subject import measure_subject
from words import measure_words

STEPS = 20


def to_tensor(path):
    pixels = numpy.array(Image.open(path).convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 127.5 - 1


class Program:
    def __init__(self, path, work):
        self.path, self.work, self.seconds = str(path), pathlib.Path(work), []

    def run(self, *arguments):
        began = time.time()
        subprocess.run([self.path, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)
        self.seconds.append(time.time() - began)

    def eval(self, stage, model, tensors):
        save_file({name: t.contiguous() for name, t in tensors.items()}, self.work / "in.safetensors")
        self.run("eval", stage, "--model", model, "--in", self.work / "in.safetensors", "--out", self.work / "out.safetensors")
        return load_file(self.work / "out.safetensors")

    def paint(self, model, seed, *condition):
        self.run("generate", "--quiet", "--model", model, "--seed", seed, "--num-steps", STEPS, "--out", self.work / "out.png",
                 *condition)
        return to_tensor(self.work / "out.png")


def measure_vae(program, atlas, model, options):
    """Scenes with pairs that training does not have, there and back."""
    made = scenes(7, max(2, int(32 * options.share)), len(atlas), {"beside": 1, "above": 1}, "pairs")
    pictures = draw(atlas, made)[0]
    latents = program.eval("vae-encode", model, {"image": pictures})["latent"]
    back = program.eval("vae-decode", model, {"latent": latents})["image"].clamp(-1, 1)
    error = ((back - pictures) ** 2).mean((1, 2, 3)) / 4
    times = []
    for n in (1, 5, 1, 5):
        program.eval("vae-decode", model, {"latent": latents[:1].expand(n, -1, -1, -1)})
        times.append(program.seconds[-1])
    return {"psnr": float((-10 * torch.log10(error)).mean()), "decode_seconds": (min(times[1::2]) - min(times[::2])) / 4,
            "latent_mean": float(latents.mean()), "latent_spread": float(latents.std())}


def measure_class(program, atlas, model, options):
    network, world, things = options.judge, options.recipe["class"]["world"], known(options.recipe["class"], atlas)
    n = min(len(things), max(2, int(len(atlas) * options.share)))
    classes = [i * len(things) // n for i in range(n)]
    painted = torch.stack([program.paint(model, i, "--class", i) for i in classes])
    seconds = sum(program.seconds[-n:]) / n
    right = judge.top(network, painted) == torch.tensor([things[i] for i in classes])
    made = scenes(21, 64, len(atlas), ONE, **world)
    composed, ids = draw(atlas, made)[0], torch.tensor([one.objects[0] for one in made])
    shown = painted[[i * n // 32 for i in range(32)] if n > 32 else slice(None)]
    save_grid(F.avg_pool2d(shown, 2), options.folder / "samples.png")
    ratios = []
    for i in range(5, len(things), len(things) // max(1, int(6 * options.share))):
        own = torch.stack([program.paint(model, 100 + k, "--class", i) for k in range(32)])
        same = scenes(i, 32, len(atlas), ONE, **(world | {"among": [things[i]]}))
        ratios.append(judge.apart(network, own) / judge.apart(network, draw(atlas, same)[0]))
    return {"top1": float(right.float().mean()), "judge_on_composed": float((judge.top(network, composed) == ids).float().mean()),
            "diversity": sum(ratios) / len(ratios), "diversity_least": min(ratios), "seconds": seconds, "classes": n,
            "missed": [atlas.names[things[c]] for c, ok in zip(classes, right.tolist()) if not ok][:40]}


def relation(scene, found):
    """Whether the first is left of, or above, the second; None where one is missing."""
    a, b = (found.get(thing) for thing in scene.objects)
    axis = 0 if scene.layout == "beside" else 1
    return None if not a or not b else a[axis] < b[axis]


def measure_prompt(program, atlas, model, options):
    """Two things beside or above one another, in pairs that training does not have; places are always said."""
    chance, named, there, held, related = random.Random(9), 0, 0, 0, 0
    world = options.recipe["prompt"]["world"]
    made = scenes(31, max(2, int(64 * options.share)), len(atlas), {"beside": 1, "above": 1}, "pairs", **world)
    painted, prompts = [], []
    for i, scene in enumerate(made):
        a, b = (with_article(atlas.names[thing]) for thing in scene.objects)
        prompt = "%s %s %s" % (a, "to the left of" if scene.layout == "beside" else "above", b)
        prompt += {"night": " at night", "snow": " in the snow", "sea": " by the sea"}.get(scene.ground, "")
        painted.append(program.paint(model, i, "--prompt", prompt))
        prompts.append(prompt)
        found = judge.objects(options.judge, painted[-1][None])[0]
        named += 2
        there += sum(thing in found for thing in scene.objects)
        order = relation(scene, found)
        related += order is not None
        held += bool(order)
    wordings = scenes(33, max(2, int(32 * options.share)), len(atlas), options.recipe["prompt"].get("layouts", MANY), **world)
    said = [caption(chance, scene, atlas.words, held=True) for scene in wordings]
    others = torch.stack([program.paint(model, 500 + i, "--prompt", text) for i, text in enumerate(said)])
    found = [judge.objects(options.judge, one[None])[0] for one in others]
    hits = sum(len(set(scene.objects) & set(own)) for scene, own in zip(wordings, found))
    composed = [judge.objects(options.judge, one[None])[0] for one in draw(atlas, made)[0]]
    save_grid(F.avg_pool2d(torch.stack(painted[:16] + list(others[:16])), 2), options.folder / "samples.png")
    (options.folder / "samples.txt").write_text("\n".join(prompts[:16] + said[:16]) + "\n")
    return {"objects": there / named, "relations": held / max(1, len(made)), "relations_where_both_found": held / max(1, related),
            "objects_in_held_out_wordings": hits / sum(len(set(scene.objects)) for scene in wordings), "prompts": len(made),
            "judge_on_composed": sum(len(set(s.objects) & set(f)) for s, f in zip(made, composed)) / named}


PARTS = {"vae": ("vae", measure_vae), "class": ("class", measure_class), "subject": ("class", measure_subject),
         "prompt": ("prompt", measure_prompt), "words": ("prompt", measure_words)}


def main():
    parser = argparse.ArgumentParser()
    for name in ("program", "recipe", "models", "atlas", "state"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--share", type=float, default=1.0)
    options = parser.parse_args()
    options.recipe, atlas = RECIPES[options.recipe], Atlas(options.atlas)
    options.judge = judge.Judge(len(atlas)).eval()
    if (pathlib.Path(options.state) / "judge.average.safetensors").exists():
        options.judge.load_state_dict(load_half(pathlib.Path(options.state) / "judge.average.safetensors")[0])
    for part in options.parts.split(","):
        name, measure = PARTS[part]
        options.folder = pathlib.Path(options.models) / ("starter-" + name)
        if not options.folder.exists():
            continue
        with tempfile.TemporaryDirectory() as work:
            figures = measure(Program(options.program, work), atlas, options.folder, options)
        path = options.folder / "figures.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(known | {part: figures}, indent=1) + "\n")
        print(part, json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
