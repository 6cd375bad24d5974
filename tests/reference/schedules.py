"""The linear schedule of noise, and which timesteps each sampler keeps; all falling, noisiest first.

Compared with facebookresearch/DiT (diffusion/respace.py) and diffusers' schedulers; README.md has the figures.
"""
import numpy as np

LINEAR = {"beta_start": 1e-4, "beta_end": 0.02, "steps": 1000}


def betas(schedule=LINEAR):
    return np.linspace(schedule["beta_start"], schedule["beta_end"], schedule["steps"], dtype=np.float64)


def kept(schedule=LINEAR):
    """The share of the picture's variance left at each timestep."""
    return np.cumprod(1 - betas(schedule))


def ddim_times(steps, train_steps=1000):
    """The first whole stride that gives so many steps."""
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


def linspace_times(steps, train_steps=1000):
    """Evenly from the last timestep towards 0, which itself is left out (diffusers' "linspace" of its multistep solvers)."""
    return [int(t) for t in np.linspace(0, train_steps - 1, steps + 1).round()[::-1][:-1]]
