"""The linear schedule of noise, and which timesteps each sampler keeps; all falling, noisiest first.

Compared with facebookresearch/DiT (diffusion/respace.py) and diffusers' schedulers; README.md has the figures.
"""
import numpy as np

LINEAR = {"beta_start": 1e-4, "beta_end": 0.02, "steps": 1000}


def betas(schedule=LINEAR):
    power = schedule.get("beta_power", 1)
    ends = schedule["beta_start"] ** (1 / power), schedule["beta_end"] ** (1 / power)
    return np.linspace(*ends, schedule["steps"], dtype=np.float64) ** power


def kept(schedule=LINEAR):
    """The share of the picture's variance left at each timestep."""
    return np.cumprod(1 - betas(schedule))


def ddim_times(steps, train_steps=1000, spacing="stride", offset=0):
    """"stride": the first whole stride that gives so many steps, as facebookresearch/DiT has it; "leading" and "trailing" as
    diffusers does, the latter only where steps divide the training's."""
    if spacing == "leading":
        return [i * (train_steps // steps) + offset for i in range(steps)][::-1]
    if spacing == "trailing":
        assert train_steps % steps == 0
        return [train_steps - 1 - i * (train_steps // steps) for i in range(steps)]
    for stride in range(1, train_steps):
        if len(range(0, train_steps, stride)) == steps:
            return list(range(0, train_steps, stride))[::-1]
    raise ValueError(f"no whole stride gives {steps} steps")


def ddpm_times(steps, train_steps=1000):
    """From the first to the last timestep; the position is a sum, rounded to even halves."""
    stride, position, times = (train_steps - 1) / (steps - 1), 0.0, []
    for _ in range(steps):
        times.append(round(position))
        position += stride
    return times[::-1]


def multistep_times(steps, train_steps=1000, spacing="linspace", offset=0):
    """As diffusers' multistep solvers; by default evenly from the last timestep towards 0, which itself is left out."""
    if spacing == "leading":
        return [i * (train_steps // (steps + 1)) + offset for i in range(1, steps + 1)][::-1]
    if spacing == "trailing":
        return [round(train_steps - i * (train_steps / steps)) - 1 for i in range(steps)]
    return [int(t) for t in np.linspace(0, train_steps - 1, steps + 1).round()[::-1][:-1]]
