"""Several processes of one thread each that train one network: each has its own scenes, and all take the mean of their gradients.

On a processor this gets more out of few cores than several threads do, which wait for each other at every product. One process
needs none of it: then nothing here does anything.
"""
import torch
import torch.distributed


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

    @torch.no_grad()
    def mean(self, parameters, numbers):
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
