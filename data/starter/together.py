"""Several processes of one thread each that train one network: each has its own scenes, and all take the mean of their gradients.

On a processor this gets more out of few cores than several threads do, which wait for each other at every product. One process
needs none of it: then nothing here does anything.
"""
import torch
import torch.distributed
from torch import nn

from networks import join_peaks, limit_logits


class Together:
    def __init__(self, rank=0, n=1, port=29517):
        self.rank, self.n = rank, n
        if n > 1:
            torch.distributed.init_process_group("gloo", init_method="tcp://127.0.0.1:%d" % port, rank=rank, world_size=n)

    @torch.no_grad()
    def begin(self, tensors):
        """The first one's numbers for all."""
        for tensor in tensors if self.n > 1 else ():
            torch.distributed.broadcast(tensor, 0)

    def step(self, training, optimiser, own, value, n, peaks=()):
        """Learns from a loss, of n pictures or captions here; whether that was the last time. peaks: see limit_logits()."""
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        numbers = [training.is_done(1), training.rate(own), *join_peaks(peaks)]
        ends, optimiser.rate, *most = self._mean(training.network.parameters(), numbers)
        nn.utils.clip_grad_norm_(training.network.parameters(), 1.0)
        optimiser.step()
        if most:
            limit_logits(training.network, most)
        training.stepped(n * self.n)
        return ends

    @torch.no_grad()
    def _mean(self, parameters, numbers):
        """Makes the gradients the mean of all; and the means of these numbers."""
        if self.n == 1:
            return numbers
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients] + [torch.tensor(numbers, dtype=torch.float32)])
        torch.distributed.all_reduce(flat)
        flat /= self.n
        sizes = [g.numel() for g in gradients]
        for gradient, part in zip(gradients, flat[: -len(numbers)].split(sizes)):
            gradient.copy_(part.view_as(gradient))
        return flat[-len(numbers) :].tolist()
