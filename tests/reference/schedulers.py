#!/usr/bin/env python3
"""Whole runs with diffusers' own schedulers, as their scheduler_config.json says, on networks of the twin: schedulers/.

Needs diffusers. The network runs in float64, a scheduler in float32 as its pipeline would run it. Run without arguments, it
writes the same files again: runs.json and expected.safetensors. It refuses a run that another setting would not move.
"""
import json
import pathlib

import diffusers
import numpy as np
import torch
from safetensors.numpy import load_file, save_file

import cases
import hashed
import twin as tw

HERE = pathlib.Path(__file__).resolve().parent

LINEAR = dict(beta_start=0.0001, beta_end=0.02, beta_schedule="linear", num_train_timesteps=1000, prediction_type="epsilon")
# As PixArt's folders have it, infinity and all.
PIXART = dict(LINEAR, _class_name="DPMSolverMultistepScheduler", _diffusers_version="0.22.0.dev0", algorithm_type="dpmsolver++",
              dynamic_thresholding_ratio=0.995, euler_at_final=False, lambda_min_clipped=-float("inf"), lower_order_final=True,
              sample_max_value=1.0, solver_order=2, solver_type="midpoint", steps_offset=0, thresholding=False,
              timestep_spacing="linspace", trained_betas=None, use_karras_sigmas=False, use_lu_lambdas=False,
              variance_type=None)
UNIPC = dict(LINEAR, _class_name="UniPCMultistepScheduler", solver_order=2, solver_type="bh2", disable_corrector=[])
DDIM = dict(LINEAR, _class_name="DDIMScheduler", clip_sample=False)
DDPM = dict(LINEAR, _class_name="DDPMScheduler", clip_sample=False)
FLOW = dict(_class_name="FlowMatchEulerDiscreteScheduler", num_train_timesteps=1000)

# Each with other settings of its own, which must move the result; steps left out: the default of the scheduler.
RUNS = {
    "pixart": dict(scheduler=PIXART, guidance=2, seed=31, label=5, other=dict(timestep_spacing="trailing")),
    "dpm-short": dict(scheduler=PIXART | dict(final_sigmas_type="sigma_min"), steps=8, guidance=2, seed=32, label=1,
                      other=dict(lower_order_final=False)),
    "dpm-not-lower": dict(scheduler=PIXART | dict(final_sigmas_type="sigma_min", lower_order_final=False), steps=8, guidance=2,
                          seed=33, label=1, other=dict(lower_order_final=True)),
    "dpm-euler-at-final": dict(scheduler=PIXART | dict(final_sigmas_type="sigma_min", euler_at_final=True), steps=16, guidance=2,
                               seed=34, label=2, other=dict(euler_at_final=False)),
    "dpm-leading": dict(scheduler=PIXART | dict(timestep_spacing="leading", steps_offset=1), steps=12, guidance=1, seed=35,
                        label=3, other=dict(steps_offset=0)),
    "dpm-trailing-48": dict(scheduler=PIXART | dict(timestep_spacing="trailing"), steps=48, guidance=2, seed=36, label=0,
                            other=dict(timestep_spacing="linspace")),
    "dpm-clipped": dict(scheduler=PIXART | dict(lambda_min_clipped=-3.0), steps=10, guidance=2, seed=37, label=4,
                        other=dict(lambda_min_clipped=-4.0)),
    "dpm-clipped-trailing": dict(scheduler=PIXART | dict(lambda_min_clipped=-3.0, timestep_spacing="trailing"), steps=10,
                                 guidance=2, seed=38, label=4, other=dict(lambda_min_clipped=-float("inf"))),
    "unipc": dict(scheduler=UNIPC, steps=10, guidance=2, seed=39, label=1, other=dict(timestep_spacing="trailing")),
    "unipc-leading": dict(scheduler=UNIPC | dict(timestep_spacing="leading", steps_offset=1, beta_schedule="scaled_linear",
                                                 beta_start=0.00085, beta_end=0.012), steps=12, guidance=2, seed=40, label=2,
                          other=dict(beta_schedule="linear")),
    "unipc-sigma-min": dict(scheduler=UNIPC | dict(final_sigmas_type="sigma_min"), steps=7, guidance=2, seed=41, label=3,
                            other=dict(final_sigmas_type="zero")),
    "unipc-not-lower": dict(scheduler=UNIPC | dict(final_sigmas_type="sigma_min", lower_order_final=False), steps=7, guidance=2,
                            seed=42, label=3, other=dict(lower_order_final=True)),
    "ddim-stable-diffusion": dict(scheduler=DDIM | dict(set_alpha_to_one=False, steps_offset=1, beta_schedule="scaled_linear",
                                                        beta_start=0.00085, beta_end=0.012), steps=25, guidance=2, seed=43,
                                  label=1, other=dict(set_alpha_to_one=True)),
    "ddim-trailing": dict(scheduler=DDIM | dict(timestep_spacing="trailing"), steps=20, guidance=2, seed=44, label=1,
                          other=dict(timestep_spacing="leading")),
    "ddim-linspace": dict(scheduler=DDIM | dict(timestep_spacing="linspace", set_alpha_to_one=False), steps=21, guidance=2,
                          seed=52, label=3, other=dict(timestep_spacing="leading")),
    "ddpm": dict(scheduler=DDPM, steps=25, guidance=2, seed=45, label=4, other=dict(variance_type="fixed_large")),
    "ddpm-large": dict(scheduler=DDPM | dict(variance_type="fixed_large", timestep_spacing="linspace"), steps=21, guidance=1,
                       seed=46, label=4, other=dict(variance_type="fixed_small")),
    "ddpm-offset": dict(scheduler=DDPM | dict(variance_type="fixed_large", steps_offset=40), steps=24, guidance=2, seed=47,
                        label=0, other=dict(steps_offset=39)),
    "ddpm-learned": dict(scheduler=DDPM | dict(variance_type="learned_range", timestep_spacing="trailing"), steps=48, guidance=2,
                         seed=48, label=0, other=dict(timestep_spacing="linspace")),
    "ddpm-learned-offset": dict(scheduler=DDPM | dict(variance_type="learned_range", steps_offset=40), steps=24, guidance=2,
                                seed=49, label=0, other=dict(steps_offset=39)),
    "flow": dict(model="diffusers-v", scheduler=FLOW, guidance=2, seed=50, label=1, other=dict(shift=1.5)),
    "flow-shift": dict(model="diffusers-v", scheduler=FLOW | dict(shift=3.0), steps=9, guidance=2, seed=51, label=3,
                       other=dict(shift=1.0)),
}
DEFAULTS = {"DPMSolverMultistepScheduler": 20, "FlowMatchEulerDiscreteScheduler": 28}
SAMPLERS = {"DDIMScheduler": "ddim", "DDPMScheduler": "ddpm", "DPMSolverMultistepScheduler": "dpmpp2m",
            "UniPCMultistepScheduler": "unipc", "FlowMatchEulerDiscreteScheduler": "euler"}


def open_twin(name):
    if name == "trained":
        folder = HERE / "trained" / "model"
        return tw.Twin(load_file(folder / "model.safetensors"), json.loads((folder / "config.json").read_text()))
    case = cases.CASES[name]
    tensors = {k: hashed.values(k, e["shape"], e["scale"], e["offset"]) for k, e in cases.weights(case).items()}
    return tw.Twin(tensors, case["config"])


def run(twin, spec, settings):
    """One picture [C,h,w]. As DiTPipeline, both halves of a guided batch go through the scheduler."""
    config = spec["scheduler"] | settings
    name = config["_class_name"]
    scheduler = getattr(diffusers, name).from_config({k: v for k, v in config.items() if k != "_class_name"})
    scheduler.set_timesteps(spec.get("steps", DEFAULTS.get(name)))
    torch.manual_seed(spec["seed"])
    halves = 1 if spec["guidance"] == 1 else 2
    x = torch.randn(1, twin.C, twin.size, twin.size) * getattr(scheduler, "init_noise_sigma", 1)
    x = x.repeat(halves, 1, 1, 1)
    is_learned = config.get("variance_type") == "learned_range"
    for t in scheduler.timesteps:
        out = twin.guide(x[:1].double(), float(t), spec["label"], None if halves == 1 else spec["guidance"]).float()
        out = out if is_learned else out[:, : twin.C]
        x = scheduler.step(out.repeat(halves, 1, 1, 1), t, x).prev_sample
    return x[0]


def rms(x):
    return x.pow(2).mean().sqrt().item()


def main():
    torch.set_grad_enabled(False)
    twins = {name: open_twin(name) for name in ("trained", "diffusers-v")}
    expected, runs = {}, {}
    for name, spec in RUNS.items():
        model = spec.get("model", "trained")
        result = run(twins[model], spec, {})
        moved = rms(run(twins[model], spec, spec["other"]) - result) / rms(result)
        print(f"{name}: rms {rms(result):.2f}, moved by {moved:.1e}")
        assert 0.3 < rms(result) < 3 and moved > 1e-3, name
        expected[name] = result.contiguous().numpy().astype(np.float32)
        runs[name] = {k: v for k, v in spec.items() if k != "other"} | {"model": model}
        runs[name]["scheduler"] = json.dumps(spec["scheduler"])  # a text, for an infinity is no JSON
        runs[name]["sampler"] = SAMPLERS[spec["scheduler"]["_class_name"]]
    (HERE / "schedulers").mkdir(exist_ok=True)
    save_file(expected, HERE / "schedulers" / "expected.safetensors")
    (HERE / "schedulers" / "runs.json").write_text(json.dumps({"runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
