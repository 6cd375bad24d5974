"""Muon (Jordan et al. 2024): for every matrix of weights, the momentum made orthogonal by a Newton-Schulz iteration, so that all
directions move equally far; the rest (biases, norms, embeddings, ends) by Adam. Both in one optimiser with one learning rate.
"""
import torch


def orthogonal(m):
    """[n, rows, columns], rows <= columns: singular values towards 1."""
    x = m.bfloat16()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.float()


def is_matrix(name, p):
    """Of the transformers: what Muon is for."""
    return p.ndim == 2 and "block" in name and "adaLN" not in name and min(p.shape) > 32 and "bias" not in name


class Muon(torch.optim.Optimizer):
    def __init__(self, network, is_matrix, adam_rate, muon_rate, momentum=0.95, betas=(0.9, 0.95), decay=0.0):
        """is_matrix (name, parameter): by Muon; the learning rates are those of a factor `rate` of 1."""
        self.rate, self.adam_rate, self.muon_rate = 1.0, adam_rate, muon_rate
        self.momentum, self.betas, self.decay, self.count = momentum, betas, decay, 0
        named = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
        self.others = [p for name, p in named if not is_matrix(name, p)]
        self.shapes = {}
        for name, p in named:
            if is_matrix(name, p):
                self.shapes.setdefault(tuple(p.shape), []).append(p)
        self.buffers = {shape: torch.zeros(len(ps), *shape, device=ps[0].device) for shape, ps in self.shapes.items()}
        self.first, self.second = [torch.zeros_like(p) for p in self.others], [torch.zeros_like(p) for p in self.others]
        super().__init__([p for _, p in named], {})

    @torch.no_grad()
    def step(self):
        self.count += 1
        for shape, params in self.shapes.items():
            gradient = torch.stack([p.grad for p in params])
            buffer = self.buffers[shape].mul_(self.momentum).add_(gradient)
            update = (gradient + self.momentum * buffer).flatten(2)
            wide = update.shape[1] <= update.shape[2]
            update = orthogonal(update if wide else update.mT)
            update = update if wide else update.mT
            step = self.rate * self.muon_rate * max(1.0, update.shape[1] / update.shape[2]) ** 0.5
            if self.decay:
                torch._foreach_mul_(params, 1 - self.decay * step)
            torch._foreach_add_(params, list(update.view(-1, *shape).unbind(0)), alpha=-step)
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in self.others]
        torch._foreach_lerp_(self.first, gradients, 1 - self.betas[0])
        torch._foreach_lerp_(self.second, torch._foreach_mul(gradients, gradients), 1 - self.betas[1])
        size = torch._foreach_sqrt(torch._foreach_div(self.second, 1 - self.betas[1] ** self.count))
        torch._foreach_add_(size, 1e-8)
        torch._foreach_addcdiv_(self.others, self.first, size,
                                value=-self.rate * self.adam_rate / (1 - self.betas[0] ** self.count))
