#!/usr/bin/env python3
"""Writes the model cards: cards.py --recipe NAME --state FOLDER --models FOLDER puts README.md into starter-class and
starter-prompt, from what training and measure.py wrote. A figure that was not measured is called so.
"""
import argparse
import json
import pathlib

from atlas import read_objects
from recipes import RECIPES
from state import load_half

N_THINGS = len(read_objects())
ABOUT = {
    "class": """A small class-conditioned diffusion transformer in the layout of facebookresearch/DiT: it paints one of
{n} things (`classes.json`) on plain, patterned or scenic grounds, 256 x 256 pixels, through the autoencoder in `vae/`.""",
    "prompt": """A small PixArt (cross-attention, adaLN-single; a folder of diffusers' pipeline) with a T5 encoder of its own. It
paints one or two things on a ground, 256 x 256 pixels, from a sentence such as "a red apple to the left of an owl on a green
meadow". It began with what `starter-class` had learned (as PixArt-alpha, arXiv 2310.00426, 2.3) and had to learn only words.""",
}
LIMITS = """It knows nothing but the {n} things, few ways to say where they are, and eleven kinds of ground; it was trained on
nothing else than scenes composed of pictures of Noto Color Emoji (`data/LICENSES.md`)."""
SMALL = """This is the recipe for two processor cores: %d of the %d things of `data/starter/objects.tsv`, large in the picture%s,
64 tokens. All things, 256 tokens and a learned variance need `--recipe gpu` on a graphics card. It paints with a broad brush:
outlines wander, and thin or many-coloured things come out least well (whale, rocket, flying saucer, guitar, unicorn, rabbit)."""
STAGES = {"class": ("vae", "decoder", "class"), "prompt": ("vae", "decoder", "text", "prompt")}
AT_ONCE = {"class": "", "prompt": ", one or two of them"}
BARS = {
    "vae": (("psnr", "PSNR on scenes with pairs that training did not have, dB", 30),
            ("decode_seconds", "a decoded picture, seconds", 0.4)),
    "class": (("top1", "pictures in which the judge sees their class first (20 steps)", 0.9),
              ("judge_on_composed", "the same of composed scenes", None),
              ("diversity", "distance between pictures of one class, of the composer's", 0.7)),
    "prompt": (("objects", "named things that the judge finds, held-out pairs", 0.8),
               ("relations", "left-of and above that hold", 0.7),
               ("objects_in_held_out_wordings", "named things found, wordings that training did not have", None),
               ("judge_on_composed", "things found in composed scenes", None)),
    "subject": (("area", "`subject` and the thing: area under the ROC curve", None),),
    "words": (("iou", "IoU of a word's map with the thing's mask", 0.5),
              ("pointing", "largest value of a word's map on the thing", 0.9)),
}


def table(figures, parts):
    rows = ["| measured through the program | figure | aim |", "|---|---|---|"]
    for part in parts:
        for key, says, aim in BARS[part]:
            value = figures.get(part, {}).get(key)
            rows.append("| %s | %s | %s |" % (says, "not measured" if value is None else "%.3g" % value, aim or ""))
    return "\n".join(rows)


def trained(state, stages):
    rows = ["| trained | steps | pictures or captions | minutes |", "|---|---|---|---|"]
    for name in stages:
        if not (state / (name + ".average.safetensors")).exists():
            continue
        about = load_half(state / (name + ".average.safetensors"))[1]
        rows.append("| %s | %d | %d | %.0f |" % (name, about["step"], about["pictures"], about["seconds"] / 60))
    return "\n".join(rows)


def main():
    parser = argparse.ArgumentParser()
    for name in ("recipe", "state", "models"):
        parser.add_argument("--" + name, required=True)
    options = parser.parse_args()
    state, models = pathlib.Path(options.state), pathlib.Path(options.models)
    read = lambda path: json.loads(path.read_text()) if path.exists() else {}
    shared = read(models / "starter-vae" / "figures.json")
    for name, parts in (("class", ("vae", "class", "subject")), ("prompt", ("vae", "prompt", "words"))):
        folder, own = models / ("starter-" + name), RECIPES[options.recipe][name]
        n = len(own["world"].get("among", range(N_THINGS)))
        if not folder.exists():
            continue
        figures = shared | read(folder / "figures.json")
        layers = figures.get("words", {}).get("layers")
        found = "The recommended layers are the middle half; they were not chosen by measuring."
        if layers:
            found = ("Layers %s are the shortest run of layers whose mean `word-share` covers things as well as any on one\n"
                     "half of %d cases; the figures are of the other half, with the threshold %.2f.")
            found %= (", ".join(map(str, layers)), 2 * figures["words"]["cases"], figures["words"]["threshold"])
        if name == "class" and "subject" in figures:
            found = ("Layers %s were chosen for `subject` on %d composed scenes, and measured on as many others. Of each\n"
                     "layer alone the area is %s.")
            found %= (", ".join(map(str, figures["subject"]["layers"])), figures["subject"]["scenes"],
                      ", ".join("%.2f" % a for a in figures["subject"]["area_of_each_layer"]))
        text = ["# starter-" + name, ABOUT[name].format(n=n), LIMITS.format(n=n),
                *((SMALL % (n, N_THINGS, AT_ONCE[name]),) if options.recipe == "cpu" else ()),
                "Width %(width)d, depth %(depth)d, %(heads)d heads, patch %(patch)d; predicts `%(prediction)s` on DDPM's linear "
                "schedule; guidance %(guidance)s." % own,
                "Made by `data/starter/train.py --recipe %s` (see `data/starter/README.md`)." % options.recipe,
                trained(state, STAGES[name]), table(figures, parts), found]
        (folder / "README.md").write_text("\n\n".join(text) + "\n")


if __name__ == "__main__":
    main()
