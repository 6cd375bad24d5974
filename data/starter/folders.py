#!/usr/bin/env python3
"""Writes model folders from what training left: folders.py --recipe NAME --atlas FOLDER --state FOLDER --out FOLDER.

starter-class has the layout that core/format/config.c reads (facebookresearch/DiT's names), starter-prompt is a folder of
diffusers' PixArtAlphaPipeline; both hold the autoencoder, and starter-vae is it alone. What is not there yet is left out.
"""
import argparse
import json
import pathlib
import shutil

import train_dit
from diffusion import BETAS, STEPS
from draw import Atlas
from latents import Latents
from recipes import RECIPES
from state import load_half, save_half

NAMES = {"eps_learned_range": "epsilon", "v": "v_prediction", "x0": "sample"}


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")


def write_vae(latents, folder):
    config, tensors = latents.folder()
    write_json(folder / "config.json", config)
    exact = [name for name in tensors if "quant_conv" in name]
    save_half(folder / "diffusion_pytorch_model.safetensors", tensors, {"format": "pt"}, exact)


def middle(own):
    """Layers to look at before anyone has measured: the middle half."""
    return list(range(own["depth"] // 4, own["depth"] - own["depth"] // 4))


def known(own, atlas):
    """The things that a painter was shown, by their number in the atlas."""
    return list(own["world"].get("among", range(len(atlas))))


def write_class(own, atlas, latents, weights, folder):
    table, things = "y_embedder.embedding_table.weight", known(own, atlas)
    weights = weights | {table: weights[table][things + [len(atlas)]]}
    save_half(folder / "model.safetensors", weights, {"format": "pt"})
    write_json(folder / "classes.json", [atlas.names[thing] for thing in things])
    write_json(folder / "config.json", {
        "family": "dit", "num_attention_heads": own["heads"], "prediction": own["prediction"],
        "schedule": {"type": "linear", "beta_start": BETAS[0], "beta_end": BETAS[1], "steps": STEPS},
        "null_class": len(things), "classes": "classes.json", "guidance_channels": "all", "vae": "vae",
        "recommended_layers": middle(own),
        "defaults": {"sampler": "dpmpp2m", "steps": 20, "guidance": own["guidance"], "size": 256}})
    write_vae(latents, folder / "vae")


def write_prompt(own, atlas, latents, weights, state, folder):
    network = train_dit.make_prompt(own, atlas, state)[0]
    parts = {"text": {}, "painter": {}}
    for name, tensor in weights.items():
        part, rest = name.split(".", 1)
        parts[part][rest] = tensor
    write_json(folder / "model_index.json", {
        "_class_name": "PixArtAlphaPipeline", "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
        "text_encoder": ["transformers", "T5EncoderModel"], "tokenizer": ["transformers", "T5Tokenizer"],
        "transformer": ["diffusers", "PixArtTransformer2DModel"], "vae": ["diffusers", "AutoencoderKL"]})
    write_json(folder / "config.json", {
        "recommended_layers": middle(own),
        "defaults": {"sampler": "dpmpp2m", "steps": 20, "guidance": own["guidance"], "size": 256}})
    write_json(folder / "scheduler" / "scheduler_config.json", {
        "_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "dpmsolver++", "beta_end": BETAS[1],
        "beta_start": BETAS[0],
        "beta_schedule": "linear", "num_train_timesteps": STEPS, "prediction_type": NAMES[own["prediction"]], "solver_order": 2,
        "solver_type": "midpoint", "lower_order_final": True, "thresholding": False, "timestep_spacing": "linspace"})
    write_json(folder / "transformer" / "config.json", network.painter.config())
    save_half(folder / "transformer" / "diffusion_pytorch_model.safetensors", parts["painter"], {"format": "pt"})
    write_json(folder / "text_encoder" / "config.json", network.text.config())
    save_half(folder / "text_encoder" / "model.safetensors", parts["text"], {"format": "pt"})
    (folder / "tokenizer").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(state / "spiece.model", folder / "tokenizer" / "spiece.model")
    write_json(folder / "tokenizer" / "tokenizer_config.json", {
        "tokenizer_class": "T5Tokenizer", "extra_ids": 0, "additional_special_tokens": [], "pad_token": "<pad>",
        "eos_token": "</s>", "unk_token": "<unk>", "model_max_length": 120, "legacy": False})
    write_vae(latents, folder / "vae")


def main():
    parser = argparse.ArgumentParser()
    for name in ("recipe", "atlas", "state", "out"):
        parser.add_argument("--" + name, required=True)
    options = parser.parse_args()
    recipe, atlas, state = RECIPES[options.recipe], Atlas(options.atlas), pathlib.Path(options.state)
    latents, out = Latents(atlas, recipe, state), pathlib.Path(options.out)
    numbers = latents.set_scale(None)
    write_vae(latents, out / "starter-vae")
    for name in ("class", "prompt"):
        path = state / (name + ".average.safetensors")
        if not path.exists():
            continue
        weights, about = load_half(path)
        latents.set_scale(about["numbers"].get("latents", numbers))
        folder = out / ("starter-" + name)
        folder.mkdir(parents=True, exist_ok=True)
        if name == "class":
            write_class(recipe[name], atlas, latents, weights, folder)
        else:
            write_prompt(recipe[name], atlas, latents, weights, state, folder)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        print("%s: %d steps, %.0f s, %.1f MB" % (folder, about["step"], about["seconds"], size / 1e6))


if __name__ == "__main__":
    main()
