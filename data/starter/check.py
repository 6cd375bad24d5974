#!/usr/bin/env python3
"""Does all of it run, and does the program compute what PyTorch does? check.py PENTIMENTO ATLAS SPIECE [STATE RECIPE]

Without a state, four steps of the smallest recipe are trained first. Prints a line for every comparison and, at the end, how many
there were; the exit status says whether all were within TOLERANCE of each other (of the largest number).
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file

import folders
import train
import train_dit
from draw import Atlas, draw
from latents import Latents
from recipes import RECIPES
from scenes import MANY, scenes
from state import load_half

TOLERANCE = 5e-4


def run(main, *arguments):
    sys.argv = [main.__module__, *map(str, arguments)]
    main()


class Comparison:
    def __init__(self, program, work):
        self.program, self.work, self.worst, self.count = program, work, 0.0, 0

    def ask(self, stage, model, tensors, *more):
        if tensors:
            save_file({name: t.contiguous() for name, t in tensors.items()}, self.work / "in.safetensors")
            more = (*more, "--in", self.work / "in.safetensors")
        subprocess.run([self.program, "eval", stage, "--model", model, "--out", self.work / "out.safetensors", *more], check=True,
                       stdout=subprocess.DEVNULL)
        return load_file(self.work / "out.safetensors")

    def compare(self, what, here, there):
        error = float((here - there).abs().max() / here.abs().max())
        self.worst, self.count = max(self.worst, error), self.count + 1
        print("%s: %.1e" % (what, error))


def check_vae(comparison, latents, model):
    picture = draw(latents.atlas, scenes(3, 2, len(latents.atlas), MANY))[0]
    with torch.no_grad():
        z = (latents.network.encode(picture)[0] - latents.mean) / latents.spread
        made = latents.decode(z)
    comparison.compare("vae-encode", z, comparison.ask("vae-encode", model, {"image": picture})["latent"])
    comparison.compare("vae-decode", made, comparison.ask("vae-decode", model, {"latent": z})["image"])


def check_class(comparison, network, things, model):
    x, t, y = torch.randn(2, 4, 32, 32), torch.tensor([20.0, 700.0]), torch.tensor([things[3], network.n_classes])
    with torch.no_grad():
        out = network(x, t, y)
    asked = comparison.ask("denoise", model, {"x": x, "t": t, "y": torch.tensor([3, len(things)]).int()})
    comparison.compare("class", out, asked["out"])


def check_prompt(comparison, network, pieces, model):
    prompt = "An owl to the left of two cupcakes, at night"
    asked = comparison.ask("tokenize", model, {}, "--prompt", prompt)
    ids = torch.tensor(pieces.encode(prompt) + [1])
    comparison.compare("tokenize", ids.float(), asked["ids"].flatten()[: len(ids)].float())
    there = torch.ones(1, len(ids), dtype=torch.bool)
    x, t = torch.randn(1, 4, 32, 32), torch.tensor([400.0])
    with torch.no_grad():
        text = network.text(ids[None], there)
        out = network.painter(x, t, text, there)
    comparison.compare("text-encode", text[0], comparison.ask("text-encode", model, {"ids": ids.int()})["embedding"])
    length = torch.tensor([len(ids)], dtype=torch.int32)
    asked = comparison.ask("denoise", model, {"x": x, "t": t, "text": text, "text_length": length})
    comparison.compare("prompt", out, asked["out"])


def main():
    program, atlas_folder, spiece = (pathlib.Path(p).resolve() for p in sys.argv[1:4])
    state, recipe_name = (pathlib.Path(sys.argv[4]), sys.argv[5]) if len(sys.argv) > 5 else (None, "smoke")
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        common = ("--recipe", recipe_name, "--atlas", atlas_folder, "--state")
        if not state:
            state = work / "state"
            state.mkdir()
            shutil.copyfile(spiece, state / "spiece.model")
            run(train.main, *common, state)
        run(folders.main, *common, state, "--out", work / "models")
        torch.manual_seed(2)
        atlas, recipe, comparison = Atlas(atlas_folder), RECIPES[recipe_name], Comparison(program, work)
        latents = Latents(atlas, recipe, state)
        for name in ("class", "prompt"):
            model = work / "models" / ("starter-" + name)
            if not model.exists():
                continue
            weights, about = load_half(state / (name + ".average.safetensors"))
            network = train_dit.MAKERS[name](recipe[name], atlas, state)[0].eval()
            network.load_state_dict(weights)
            latents.set_scale(about["numbers"]["latents"])
            check_vae(comparison, latents, model)
            if name == "class":
                check_class(comparison, network, folders.known(recipe[name], atlas), model)
            else:
                import sentencepiece

                check_prompt(comparison, network, sentencepiece.SentencePieceProcessor(model_file=str(spiece)), model)
    print("%d compared, worst %.1e" % (comparison.count, comparison.worst))
    return 0 if comparison.count and comparison.worst < TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
