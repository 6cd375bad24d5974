"""The fixture networks: shapes that differ in everything a mistake could hide behind, with weights from a hash.

`q` holds, for each layer, the standard deviation of queries and keys relative to their input; it puts the entropy of every
head's attention between 0.3 and 0.9 of ln N, near the upper end: the entropy of sharper attention moves by more than 1e-6 with
the rounding of any f32 program. `region` is the name of a hashed input, so its weights lie strictly between 0 and 1.
"""
import math
import re

import hashed
import twin

CASES = {
    # As the published latent models: a learned range of variances beside eps, guidance on three of four channels.
    "latent": dict(
        C=4, out=8, p=2, grid=4, D=72, heads=3, depth=3, rows=11, q=[1.05, 0.97, 1], embed=0.6, t=[999, 412, 3],
        y=[0, 10, 7], probs=1,
        config={"num_attention_heads": 3, "recommended_layers": [1, 2], "defaults": {"size": 64}},
        samples={
            "plain": dict(sampler="ddim", steps=10, guidance=1, **{"class": 3}),
            "guided": dict(sampler="ddim", steps=20, guidance=4, **{"class": 8}),
            "interval": dict(sampler="ddim", steps=8, guidance=3, interval=[0.21, 0.69], **{"class": 1}),
            "seeded": dict(sampler="ddim", steps=5, guidance=1.5, seed=7, **{"class": 9}),
        },
    ),
    # A pixel model that predicts the clean picture along a straight flow; the null class is not the last row.
    "pixel-flow": dict(
        C=3, out=3, p=4, grid=6, D=64, heads=4, depth=2, rows=7, q=[1, 1.02], t=[0, 400, 958.3333], y=[2, 5, 6], probs=0,
        config={
            "family": "dit", "num_attention_heads": 4, "prediction": "x0", "null_class": 5, "vae": None,
            "classes": ["ash", "birch", "cedar", "elder", "fir", "nothing", "gorse"], "guidance_channels": "all",
            "schedule": {"type": "flow", "noise_at": 0, "time_scale": 1000}, "recommended_layers": [0, 1],
        },
        samples={
            "plain": dict(sampler="euler", steps=6, guidance=1, **{"class": 0}),
            "guided": dict(sampler="euler", steps=7, guidance=2.5, **{"class": 4}),
            "interval": dict(sampler="euler", steps=24, guidance=2, interval=[0.1, 0.95], **{"class": 2}),
            "seeded": dict(sampler="euler", steps=5, guidance=1.5, interval=[0.1, 0.95], seed=123456789, **{"class": 1}),
        },
    ),
    # Turned round: the model's time is 1 at pure noise and enters unscaled; it predicts the velocity.
    "pixel-flow-reversed": dict(
        C=1, out=1, p=2, grid=5, D=48, heads=2, depth=2, rows=4, q=[1.01, 1.01], t=[1, 0.37], y=[0, 3], probs=1,
        config={
            "family": "dit", "num_attention_heads": 2, "prediction": "v", "vae": None,
            "schedule": {"type": "flow", "noise_at": 1, "time_scale": 1}, "recommended_layers": [1],
        },
        samples={
            "plain": dict(sampler="euler", steps=6, guidance=1, **{"class": 2}),
            "interval": dict(sampler="euler", steps=9, guidance=3, interval=[0.2, 1], **{"class": 1}),
        },
    ),
    # Heads of 72 as the largest published size, coarse patches, a token count that no vector width divides, guidance on
    # all channels, another schedule.
    "patch-8": dict(
        C=4, out=4, p=8, grid=5, D=144, heads=2, depth=2, rows=6, q=[0.94, 0.93], t=[150, 20], y=[5, 1], probs=1,
        config={
            "num_attention_heads": 2, "guidance_channels": "all", "recommended_layers": [0, 1],
            "schedule": {"type": "linear", "beta_start": 0.0002, "beta_end": 0.03, "steps": 200},
        },
        samples={
            "guided": dict(sampler="ddim", steps=8, guidance=4, **{"class": 0}),
        },
    ),
    # A folder of diffusers' DiTPipeline: names, positions computed from the size, three matrices for queries, keys and
    # values, frequencies over 127, another epsilon before the MLP, guidance on all four channels, steps of 1000 // n.
    "diffusers": dict(
        C=4, out=8, p=2, grid=5, D=72, heads=2, depth=3, rows=12, q=[1.03, 1.04, 1.07], t=[999, 412, 3], y=[0, 11, 7], probs=1,
        pipeline={"id2label": ["tench, Tinca tinca", "goldfish", "crane", "robin, American robin, Turdus migratorius", "jay",
                               "magpie", "chickadee", "crane", "kite", "bald eagle, American eagle", "vulture"]},
        config={"num_attention_heads": 2, "norm_eps": 0.002, "sample_size": 10, "patch_size": 2, "num_layers": 3,
                "recommended_layers": [1, 2], "schedule": {"spacing": "leading", "offset": 1}},
        scheduler={"steps_offset": 1},
        samples={
            "plain": dict(sampler="ddim", steps=7, guidance=1, **{"class": 3}),
            "guided": dict(sampler="ddim", steps=30, guidance=4, **{"class": 8}),
            "seeded": dict(sampler="ddim", steps=5, guidance=1.5, seed=11, **{"class": 9}),
        },
    ),
    # The same without learned variances, with everything else that the scheduler's configuration may say.
    "diffusers-v": dict(
        C=3, out=3, p=4, grid=4, D=72, heads=2, depth=2, rows=6, q=[1.05, 1.05], t=[999, 57], y=[5, 2], probs=0,
        pipeline={},
        config={"num_attention_heads": 2, "sample_size": 16, "patch_size": 4, "num_layers": 2, "recommended_layers": [0, 1],
                "prediction": "v", "schedule": {"beta_start": 0.00085, "beta_end": 0.012, "steps": 500, "beta_power": 2,
                                                "spacing": "trailing"}},
        scheduler={"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 500,
                   "prediction_type": "v_prediction", "timestep_spacing": "trailing"},
        samples={
            "guided": dict(sampler="ddim", steps=10, guidance=3, **{"class": 1}),
        },
    ),
}


def weights(case):
    """{key: entry} of the network's tensors. Scales keep every activation near 1, so that gates, norms and embeddings all
    weigh in; a uniform value in -s..s has the standard deviation s / sqrt 3."""
    D, C, p, N = case["D"], case["C"], case["p"], case["grid"] ** 2
    entries = {}

    def linear(key, rows, columns, gain, bias=0.2):
        entries[key + ".weight"] = hashed.entry([rows, columns], gain * math.sqrt(3 / columns))
        entries[key + ".bias"] = hashed.entry([rows], bias)

    small = case.get("embed", 1)  # tokens so small that the norm's epsilon shows
    linear("x_embedder.proj", D, C * p * p, small, 0.2 * small)
    entries["x_embedder.proj.weight"]["shape"] = [D, C, p, p]
    entries["pos_embed"] = hashed.entry([1, N, D], 1.2 * small)
    linear("t_embedder.mlp.0", D, 256, 1.4)
    linear("t_embedder.mlp.2", D, D, 1.2)
    entries["y_embedder.embedding_table.weight"] = hashed.entry([case["rows"], D], 1.2, 0.1)
    for i in range(case["depth"]):
        linear(f"blocks.{i}.attn.qkv", 3 * D, D, case["q"][i], 0.05)
        linear(f"blocks.{i}.attn.proj", D, D, 1)
        linear(f"blocks.{i}.mlp.fc1", 4 * D, D, 1)
        linear(f"blocks.{i}.mlp.fc2", D, 4 * D, 1.5)
        linear(f"blocks.{i}.adaLN_modulation.1", 6 * D, D, 0.4, 0.2)
    linear("final_layer.adaLN_modulation.1", 2 * D, D, 0.5)
    linear("final_layer.linear", p * p * case["out"], D, 0.9)
    return as_diffusers(entries) if "pipeline" in case else entries


def as_diffusers(entries):
    """The same under the names of DiTTransformer2DModel. The copies of the embedders in later blocks, equal in every published
    file, are left out: numbers come from names, so a copy would not be one."""
    out = {}
    for key, e in entries.items():
        if key == "pos_embed":
            continue
        layer, end = key.rsplit(".", 1)
        block = re.match(r"blocks\.(\d+)\.(.*)", layer)
        prefix = f"transformer_blocks.{block[1]}." if block else ""
        if layer.endswith("attn.qkv"):
            shape = [e["shape"][0] // 3] + e["shape"][1:]
            out |= {f"{prefix}{part}.{end}": e | {"shape": shape} for part in twin.DIFFUSERS_QKV}
        else:
            out[prefix + (twin.DIFFUSERS_BLOCK[block[2]] if block else twin.DIFFUSERS[layer]) + "." + end] = e
    return out


def pipeline_files(case):
    """{path: content} of the pipeline's folder beside the weights."""
    transformer = {
        "_class_name": "DiTTransformer2DModel", "_diffusers_version": "0.35.2", "activation_fn": "gelu-approximate",
        "attention_bias": True, "attention_head_dim": case["D"] // case["heads"], "dropout": 0.0, "in_channels": case["C"],
        "norm_elementwise_affine": False, "norm_eps": 1e-05, "norm_num_groups": 32, "norm_type": "ada_norm_zero",
        "num_attention_heads": case["heads"], "num_embeds_ada_norm": case["rows"] - 1, "num_layers": case["depth"],
        "out_channels": case["out"], "patch_size": case["p"], "sample_size": case["grid"] * case["p"],
        "upcast_attention": False,
    }
    scheduler = {
        "_class_name": "DDIMScheduler", "_diffusers_version": "0.35.2", "beta_end": 0.02, "beta_schedule": "linear",
        "beta_start": 0.0001, "clip_sample": False, "clip_sample_range": 1.0, "dynamic_thresholding_ratio": 0.995,
        "num_train_timesteps": 1000, "prediction_type": "epsilon", "rescale_betas_zero_snr": False, "sample_max_value": 1.0,
        "set_alpha_to_one": True, "steps_offset": 0, "thresholding": False, "timestep_spacing": "leading",
        "trained_betas": None,
    }
    index = {
        "_class_name": "DiTPipeline", "_diffusers_version": "0.35.2", "scheduler": ["diffusers", "DDIMScheduler"],
        "transformer": ["diffusers", "DiTTransformer2DModel"],
    }
    if "id2label" in case["pipeline"]:
        index["id2label"] = {str(i): label for i, label in enumerate(case["pipeline"]["id2label"])}
    eps = {"norm_eps": case["config"]["norm_eps"]} if "norm_eps" in case["config"] else {}
    return {
        "model_index.json": index,
        "transformer/config.json": transformer | eps,
        "scheduler/scheduler_config.json": scheduler | case["scheduler"],
        "config.json": {"recommended_layers": case["config"]["recommended_layers"]},
    }


def inputs(case):
    """{name: entry}: values of unit variance, and a region with weights in 0..1."""
    size, B = case["grid"] * case["p"], len(case["t"])
    return {
        "x": hashed.entry([B, case["C"], size, size], math.sqrt(3)),
        "noise": hashed.entry([1, case["C"], size, size], math.sqrt(3)),
        "region": hashed.entry([B, case["grid"] ** 2], 0.5, 0.5),
    }
