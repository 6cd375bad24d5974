#!/usr/bin/env python3
"""The stochastic and the multistep samplers of the twin, and the fixtures in trained/ made with them.

Everything is computed in float64 but the noise, which is PyTorch's in f32. Run without arguments, it writes the same files
again: runs.json (whole runs and single steps) and expected.safetensors. It refuses fixtures that could not fail: latents must
stay near 1, and another variance or guidance of the fourth channel must change every run by far more than the tests allow.
"""
import json
import math
import pathlib

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

import schedules
import twin as tw

HERE = pathlib.Path(__file__).resolve().parent / "trained"

# Whole runs: the request, as tests/core/test-samplers.c reads it. Noise comes from the seed.
RUNS = {
    "ddpm-250": dict(sampler="ddpm", steps=250, guidance=2, seed=11, label=1),
    "ddpm-20": dict(sampler="ddpm", steps=20, guidance=3, seed=12, label=4),
    "ddpm-20-unguided": dict(sampler="ddpm", steps=20, guidance=1, seed=13, label=2),
    "ddpm-20-interval": dict(sampler="ddpm", steps=20, guidance=3, seed=14, label=0, interval=[0.2, 0.7]),
    "ddim-50": dict(sampler="ddim", steps=50, guidance=2, seed=15, label=3),
    "dpmpp2m-20": dict(sampler="dpmpp2m", steps=20, guidance=2, seed=16, label=5),
    "unipc-10": dict(sampler="unipc", steps=10, guidance=2, seed=17, label=1),
    "ddpm-20-start": dict(sampler="ddpm", steps=20, guidance=2, seed=18, label=3, strength=0.55, mask=False),
    "ddim-20-mask": dict(sampler="ddim", steps=20, guidance=2, seed=19, label=2, strength=0.8, mask=True),
    "unipc-10-mask": dict(sampler="unipc", steps=10, guidance=2, seed=20, label=2, strength=1, mask=True),
}
STEPS = {  # single steps of a run: the first, one in the middle, the last with noise, and the last
    "p_sample": dict(sampler="ddpm", steps=250, guidance=4, seed=21, label=1, at=[0, 125, 248, 249]),
    "ddim_sample": dict(sampler="ddim", steps=50, guidance=4, seed=22, label=4, at=[0, 25, 49]),
}


class Path:
    """time [n], alpha and sigma [n + 1] of a linear schedule at falling timesteps; after the last comes the picture."""

    def __init__(self, times, schedule=schedules.LINEAR):
        kept = np.append(schedules.kept(schedule)[times], 1.0)
        self.time, self.unit = [float(t) for t in times], [t / schedule["steps"] for t in times]
        self.alpha, self.sigma = np.sqrt(kept), np.sqrt(1 - kept)

    def skip(self, n):
        self.time, self.unit, self.alpha, self.sigma = (a[n:] for a in (self.time, self.unit, self.alpha, self.sigma))


class Ddpm:
    """p_sample; variance: "learned", "large" or "small"."""

    times, draws = staticmethod(schedules.ddpm_times), True

    def __init__(self, path, variance="learned"):
        self.path, self.variance = path, variance

    def step(self, i, x, x0, v, noise):
        kept, kept_next = self.path.alpha[i] ** 2, self.path.alpha[i + 1] ** 2
        beta = 1 - kept / kept_next
        mean = beta * math.sqrt(kept_next) / (1 - kept) * x0 + (1 - kept_next) * math.sqrt(1 - beta) / (1 - kept) * x
        if i + 1 == len(self.path.time):
            return mean
        high, low = math.log(beta), math.log(beta * (1 - kept_next) / (1 - kept))
        share = (v + 1) / 2 if self.variance == "learned" else torch.tensor(float(self.variance == "large"))
        return mean + (0.5 * (share * high + (1 - share) * low)).exp() * noise


class Ddim:
    times, draws = staticmethod(schedules.ddim_times), False

    def __init__(self, path):
        self.path = path

    def step(self, i, x, x0, v, noise):
        eps = (x - self.path.alpha[i] * x0) / self.path.sigma[i]
        return self.path.alpha[i + 1] * x0 + self.path.sigma[i + 1] * eps


class Multistep:
    """What DPM-Solver++(2M) and UniPC share: steps in lambda = log (alpha / sigma)."""

    times, draws = staticmethod(schedules.multistep_times), False

    def __init__(self, path):
        self.path, self.clean, self.before = path, [], None
        with np.errstate(divide="ignore"):
            self.at = np.log(path.alpha) - np.log(path.sigma)

    def predict(self, i, x):
        """x at i + 1, of second order where there is a step before and the next is not the picture itself."""
        h = self.at[i + 1] - self.at[i]
        slope = 0
        if i > 0 and math.isfinite(h):
            slope = (self.clean[-1] - self.clean[-2]) * h / (self.at[i] - self.at[i - 1])
        ratio = self.path.sigma[i + 1] / self.path.sigma[i]
        return ratio * x - self.path.alpha[i + 1] * math.expm1(-h) * (self.clean[-1] + 0.5 * slope)


class Dpmpp2m(Multistep):
    def step(self, i, x, x0, v, noise):
        self.clean.append(x0)
        return self.predict(i, x)


class Unipc(Multistep):
    """Order 2, B (h) = exp (-h) - 1."""

    def correct(self, i, x0):
        h = self.at[i] - self.at[i - 1]
        scale, weights, ratios = math.expm1(-h), np.array([0.5]), np.array([1.0])
        if i > 1:
            ratios = np.array([(self.at[i - 2] - self.at[i - 1]) / h, 1.0])
            phi = scale / -h - 1
            rows = np.stack([ratios**0, ratios])
            weights = np.linalg.solve(rows, np.array([phi / scale, 2 * (phi / -h - 0.5) / scale]))
        others = self.clean[-2:-1] * (i > 1) + [x0]
        change = sum(w * (m - self.clean[-1]) / r for w, m, r in zip(weights, others, ratios))
        kept = self.path.sigma[i] / self.path.sigma[i - 1] * self.before
        return kept - self.path.alpha[i] * scale * (self.clean[-1] + change)

    def step(self, i, x, x0, v, noise):
        self.before = self.correct(i, x0) if i > 0 else x
        self.clean.append(x0)
        return self.predict(i, self.before)


SAMPLERS = {"ddpm": Ddpm, "ddim": Ddim, "dpmpp2m": Dpmpp2m, "unipc": Unipc}


def run(twin, spec, known=None, mask=None, variance="learned"):
    """[x of every step ..., result]: one picture of a specification."""
    kind = SAMPLERS[spec["sampler"]]
    path = Path(kind.times(spec["steps"]))
    sampler = kind(path, variance) if kind is Ddpm else kind(path)
    torch.manual_seed(spec["seed"])
    shape = (twin.C, twin.size, twin.size)
    noise = torch.randn(1, *shape).to(twin.dtype)
    x = noise
    if "strength" in spec:
        path.skip(spec["steps"] - max(1, math.floor(spec["steps"] * spec["strength"] + 1e-9)))
        sampler = kind(path, variance) if kind is Ddpm else kind(path)
        x = path.alpha[0] * known + path.sigma[0] * noise
    trajectory = [x]
    for i in range(len(path.time)):
        x = take(twin, sampler, i, spec, x)
        if spec.get("mask"):
            x = mask * x + (1 - mask) * (path.alpha[i + 1] * known + path.sigma[i + 1] * noise)
        trajectory.append(x)
    return trajectory


def take(twin, sampler, i, spec, x):
    """One step of the network and the sampler; noise is drawn for both halves of a run with guidance, guided here or not."""
    scale = spec["guidance"] if spec["guidance"] != 1 and tw.inside(sampler.path.unit[i], spec.get("interval", [0, 1])) else None
    out = twin.guide(x, sampler.path.time[i], spec["label"], scale)
    x0 = tw.to_clean(twin, x, out, sampler.path.alpha[i], sampler.path.sigma[i])
    noise = None
    if sampler.draws:
        noise = torch.randn(1 if spec["guidance"] == 1 else 2, twin.C, twin.size, twin.size)[:1].to(twin.dtype)
    return sampler.step(i, x, x0, out[:, twin.C :], noise)


def rms(x):
    return x.pow(2).mean().sqrt().item()


def require_telling(twin, spec, trajectory, known, mask):
    """Latents near 1; the variance and the channels guided matter."""
    assert 0.5 < rms(trajectory[-1]) < 2, rms(trajectory[-1])
    changes = {}
    if spec["sampler"] == "ddpm":
        for variance in ("large", "small"):
            changes[variance] = rms(run(twin, spec, known, mask, variance)[-1] - trajectory[-1])
    if spec["guidance"] != 1:
        twin.guided = 4
        changes["four channels"] = rms(run(twin, spec, known, mask)[-1] - trajectory[-1])
        twin.guided = 3
    assert all(change > 3e-3 for change in changes.values()), changes
    return changes


def main():
    torch.set_grad_enabled(False)
    config = json.loads((HERE / "model" / "config.json").read_text())
    twin = tw.Twin(load_file(HERE / "model" / "model.safetensors"), config)
    torch.manual_seed(99)
    known = run(twin, RUNS["ddim-50"] | dict(seed=23, label=0))[-1].float().double()
    pixels = torch.zeros(8 * twin.size, 8 * twin.size, dtype=torch.float64)
    pixels[12:44, 20:60] = 1  # of the picture; cells of the latent are covered in part
    mask = pixels.view(twin.size, 8, twin.size, 8).mean((1, 3))
    expected = {"known": known}
    for name, spec in RUNS.items():
        trajectory = run(twin, spec, known, mask)
        expected["run." + name] = trajectory[-1]
        changes = require_telling(twin, spec, trajectory, known, mask)
        print(f"{name}: rms {rms(trajectory[-1]):.2f}; " + ", ".join(f"{k} {c:.1e}" for k, c in changes.items()))
    for name, spec in STEPS.items():
        trajectory = run(twin, spec)
        kind = SAMPLERS[spec["sampler"]]
        for i in spec["at"]:
            torch.manual_seed(1000 + i)
            x = trajectory[i].float().double()
            expected[f"{name}.{i}.x"] = x
            expected[f"{name}.{i}"] = take(twin, kind(Path(kind.times(spec["steps"]))), i, spec, x)
    torch.manual_seed(24)
    x, x0, noise = (torch.randn(1, 1, 4, 4).double() for _ in range(3))
    expected |= {"fixed.x": x, "fixed.x0": x0, "fixed.noise": noise}
    for variance in ("large", "small"):
        path = Path(schedules.ddpm_times(20))
        steps = [Ddpm(path, variance).step(i, x, x0, None, noise) for i in (0, 10, 18, 19)]
        expected["fixed." + variance] = torch.cat(steps)
    save_file({k: v.float().contiguous().numpy() for k, v in expected.items()}, HERE / "expected.safetensors")
    (HERE / "runs.json").write_text(json.dumps({"runs": RUNS, "steps": STEPS}, indent=1) + "\n")


if __name__ == "__main__":
    main()
