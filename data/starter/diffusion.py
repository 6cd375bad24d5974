"""Noise, what networks predict of it, and the loss: DDPM's linear betas, 1000 steps, as the configurations in folders.py say.

z = a x + s e, a^2 + s^2 = 1. Predictions: "v" is a e - s x (Salimans and Ho, arXiv 2202.00512), "x0" is x, "eps_learned_range" is
e and, in as many channels more, where between its bounds the logarithm of the variance of a step lies (facebookresearch/DiT,
diffusion/gaussian_diffusion.py).
"""
import math

import torch

STEPS, BETAS = 1000, (1e-4, 0.02)


class Schedule:
    def __init__(self, device):
        betas = torch.linspace(*BETAS, STEPS, dtype=torch.float64)
        bar = torch.cumprod(1 - betas, 0)
        before = torch.cat([torch.ones(1, dtype=torch.float64), bar[:-1]])
        posterior = betas * (1 - before) / (1 - bar)
        posterior[0] = posterior[1]
        self.bar = bar
        self.a, self.s = bar.sqrt().float().to(device), (1 - bar).sqrt().float().to(device)
        self.log_beta, self.log_posterior = betas.log().float().to(device), posterior.log().float().to(device)
        self.mean_x0 = (betas * before.sqrt() / (1 - bar)).float().to(device)
        self.mean_z = ((1 - before) * (1 - betas).sqrt() / (1 - bar)).float().to(device)

    def times(self, n, device):
        """More of the middle, where things take their places, and all the rest too."""
        u = torch.where(torch.rand(n) < 0.7, torch.sigmoid(1.1 * torch.randn(n) - 0.35), torch.rand(n))
        return (u * STEPS).long().clamp(0, STEPS - 1).to(device)


def _at(values, t):
    return values[t][:, None, None, None]


def to_x0(schedule, prediction, out, z, t):
    a, s = _at(schedule.a, t), _at(schedule.s, t)
    if prediction == "x0":
        return out
    if prediction == "v":
        return a * z - s * out
    return (z - s * out[:, : z.shape[1]]) / a


def _variance_loss(schedule, out, x, z, t):
    """How far the step's distribution is from the true one, in bits; only the variance learns from it."""
    eps, part = out.chunk(2, 1)
    guess = ((z - _at(schedule.s, t) * eps.detach()) / _at(schedule.a, t)).clamp(-6, 6)
    apart = _at(schedule.mean_x0, t) * (x - guess)
    part = (part + 1) / 2
    log = part * _at(schedule.log_beta, t) + (1 - part) * _at(schedule.log_posterior, t)
    true = _at(schedule.log_posterior, t)
    return 0.5 * (log - true - 1 + torch.exp(true - log) + apart ** 2 * torch.exp(-log)).mean((1, 2, 3)) / math.log(2)


def loss(schedule, prediction, network, x, condition):
    """x [B, C, h, w]. Weights as if v were predicted, at most five times the signal's (min-SNR, arXiv 2303.09556)."""
    t = schedule.times(len(x), x.device)
    noise = torch.randn_like(x)
    a, s = _at(schedule.a, t), _at(schedule.s, t)
    z = a * x + s * noise
    out = network(z, t, *condition)
    snr = (schedule.a[t] / schedule.s[t]) ** 2
    if prediction == "eps_learned_range":
        square = ((out[:, : x.shape[1]] - noise) ** 2).mean((1, 2, 3))
        return (square * snr.clamp(max=5) / snr).mean() + 1e-3 * _variance_loss(schedule, out, x, z, t).clamp(max=100).mean()
    square = ((to_x0(schedule, prediction, out, z, t) - x) ** 2).mean((1, 2, 3))
    return (square * (snr + 1).clamp(max=6)).mean()


@torch.no_grad()
def sample(schedule, prediction, guided, noise, steps=20):
    """DDIM without noise. guided (z, t) gives the network's output after guidance."""
    z = noise
    times = torch.linspace(STEPS - 1, 0, steps).round().long()
    for i, t in enumerate(times.tolist()):
        many = torch.full((len(z),), t, device=z.device)
        x = to_x0(schedule, prediction, guided(z, many), z, many)
        e = (z - schedule.a[t] * x) / schedule.s[t]
        z = x if i + 1 == steps else schedule.a[times[i + 1]] * x + schedule.s[times[i + 1]] * e
    return z
