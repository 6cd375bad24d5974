"""The fixture decoders, in diffusers' layout with weights from a hash: {name: case}."""
import math
import re

import hashed

CASES = {
    # The four levels of the published decoders with few channels; old names of the attention; both quantisation maps.
    "vae-four-levels": dict(
        channels=[16, 32, 64, 64], layers=2, z=4, groups=8, old_names=True, quant=True, attention=True, latent=[1, 4, 5, 3],
        config={"scaling_factor": 0.18215}, seed=7,
    ),
    # A shift, sixteen channels of latent, no quantisation maps; a level that becomes narrower on the way in.
    "vae-shift": dict(
        channels=[48, 32, 64], layers=1, z=16, groups=16, old_names=False, quant=False, attention=True, latent=[2, 16, 6, 10],
        config={"scaling_factor": 0.3611, "shift_factor": 0.1159, "use_quant_conv": False, "use_post_quant_conv": False}, seed=3,
    ),
    "vae-two-levels": dict(
        channels=[32, 64], layers=1, z=4, groups=8, old_names=False, quant=True, attention=False, latent=[1, 4, 13, 9],
        config={"scaling_factor": 0.13025, "mid_block_add_attention": False}, seed=11,
    ),
    # As latent-diffusion names tensors, in a file of a whole model.
    "vae-ldm": dict(
        channels=[16, 24, 32], layers=1, z=4, groups=8, old_names=False, quant=True, attention=True, latent=[1, 4, 5, 6],
        config={"scaling_factor": 0.18215}, seed=5, prefix="first_stage_model.",
    ),
}

LDM_PARTS = [(".mid_block.attentions.0.", ".mid.attn_1."), (".group_norm.", ".norm."), (".to_out.0.", ".proj_out."),
             (".to_q.", ".q."), (".to_k.", ".k."), (".to_v.", ".v."),
             (".mid_block.resnets.0.", ".mid.block_1."), ("conv_shortcut", "nin_shortcut"),
             (".mid_block.resnets.1.", ".mid.block_2."), (".conv_norm_out.", ".norm_out."), ("samplers.0.conv", "sample.conv")]


def file_name(key, case):
    """The name in the file of a tensor that diffusers calls key."""
    if "prefix" not in case:
        return key
    last = len(case["channels"]) - 1
    key = re.sub(r"up_blocks\.(\d+)", lambda m: f"up.{last - int(m[1])}", key)
    key = re.sub(r"down_blocks\.(\d+)", r"down.\1", key)
    key = re.sub(r"((?:up|down)\.\d+)\.resnets\.", r"\1.block.", key)
    for old, new in LDM_PARTS:
        key = key.replace(old, new)
    return case["prefix"] + key


def config(case):
    levels = len(case["channels"])
    return {
        "_class_name": "AutoencoderKL", "act_fn": "silu", "in_channels": 3, "out_channels": 3, "latent_channels": case["z"],
        "block_out_channels": case["channels"], "layers_per_block": case["layers"], "norm_num_groups": case["groups"],
        "down_block_types": ["DownEncoderBlock2D"] * levels, "up_block_types": ["UpDecoderBlock2D"] * levels,
    } | case["config"]


def weights(case):
    """{key: entry}. Scales keep activations near 1, biases and norms' weights differ from channel to channel."""
    entries = {}
    channels, z = case["channels"], case["z"]
    last = len(channels) - 1

    def conv(key, N, C, side, gain=1.0):
        entries[key + ".weight"] = hashed.entry([N, C, side, side], gain * math.sqrt(3 / (C * side * side)))
        entries[key + ".bias"] = hashed.entry([N], 0.2)

    def norm(key, C):
        entries[key + ".weight"] = hashed.entry([C], 0.6, 1.2)
        entries[key + ".bias"] = hashed.entry([C], 0.5)

    def resnet(key, N, C):
        norm(key + ".norm1", C)
        conv(key + ".conv1", N, C, 3)
        norm(key + ".norm2", N)
        conv(key + ".conv2", N, N, 3)
        if N != C:
            conv(key + ".conv_shortcut", N, C, 1)

    def middle(side, C):
        resnet(side + ".mid_block.resnets.0", C, C)
        if case["attention"]:
            key = side + ".mid_block.attentions.0."
            names = ["query", "key", "value", "proj_attn"] if case["old_names"] else ["to_q", "to_k", "to_v", "to_out.0"]
            norm(key + "group_norm", C)
            for name, gain in zip(names, (1.3, 1.3, 1.5, 1.5)):
                shape = [C, C, 1, 1] if "prefix" in case else [C, C]
                entries[key + name + ".weight"] = hashed.entry(shape, gain * math.sqrt(3 / C))
                entries[key + name + ".bias"] = hashed.entry([C], 0.2)
        resnet(side + ".mid_block.resnets.1", C, C)

    def end(side, N, C):
        norm(side + ".conv_norm_out", C)
        conv(side + ".conv_out", N, C, 3, 0.6)

    conv("encoder.conv_in", channels[0], 3, 3)
    width = channels[0]
    for i, C in enumerate(channels):
        for j in range(case["layers"]):
            resnet(f"encoder.down_blocks.{i}.resnets.{j}", C, width)
            width = C
        if i < last:
            conv(f"encoder.down_blocks.{i}.downsamplers.0.conv", C, C, 3)
    middle("encoder", width)
    end("encoder", 2 * z, width)

    conv("decoder.conv_in", width, z, 3)
    middle("decoder", width)
    for i, C in enumerate(reversed(channels)):
        for j in range(case["layers"] + 1):
            resnet(f"decoder.up_blocks.{i}.resnets.{j}", C, width)
            width = C
        if i < last:
            conv(f"decoder.up_blocks.{i}.upsamplers.0.conv", C, C, 3)
    end("decoder", 3, width)
    if case["quant"]:
        conv("quant_conv", 2 * z, 2 * z, 1)
        conv("post_quant_conv", z, z, 1)
    return entries


def inputs(case):
    """{name: entry}: a latent of unit variance and a picture in -1..1."""
    B, z, h, w = case["latent"]
    factor = 2 ** (len(case["channels"]) - 1)
    return {"latent": hashed.entry([B, z, h, w], math.sqrt(3)), "image": hashed.entry([B, 3, h * factor, w * factor], 1)}
