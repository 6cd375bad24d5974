"""What a training leaves behind, at any moment: NAME.weights.safetensors and NAME.average.safetensors in a folder, f16, with the
steps and seconds so far in their metadata. Both are replaced by renaming; the moments of an optimiser are not kept: they start
again, with a warm-up.
"""
import json
import os
import pathlib
import signal
import time

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from recipes import EVERY


def save_half(path, tensors, about, exact=()):
    """exact: names of the few that stay f32."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    halves = {name: t.detach().to("cpu", torch.float32 if name in exact else torch.float16).contiguous()
              for name, t in tensors.items()}
    new = path.with_name(path.name + ".new")
    save_file(halves, new, {key: value if isinstance(value, str) else json.dumps(value) for key, value in about.items()})
    os.chmod(new, 0o644)
    os.replace(new, path)


def load_half(path):
    """({name: tensor}, {key: value})"""
    with safe_open(path, "pt") as file:
        about = file.metadata() or {}
        tensors = {name: file.get_tensor(name).float() for name in file.keys()}
    return tensors, {key: json.loads(value) for key, value in about.items() if key != "format"}


class Training:
    """One network on its way: its average, its clock, its files.

    The average forgets what lies further back than a tenth of all steps (Karras et al., arXiv 2312.02696: power functions), so
    that it needs no end in sight.
    """

    WIDTH = 8.94  # gamma + 2, where the standard deviation is about a tenth of the length

    def __init__(self, name, network, folder, minutes, steps=None, writes=True):
        self.name, self.network, self.folder = name, network, pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.step, self.seconds, self.pictures, self.numbers = 0, 0.0, 0, {}
        self.first, self.writes = 0, writes  # of several processes with one network, one writes
        if self._path("average").exists():
            weights, about = load_half(self._path("weights") if self._path("weights").exists() else self._path("average"))
            network.load_state_dict(weights)
            self.step, self.seconds, self.pictures = about["step"], about["seconds"], about["pictures"]
            self.numbers, self.first = about["numbers"], about["step"]
        self.average = {name: t.detach().clone().float() for name, t in network.state_dict().items()}
        if self.first:
            kept = load_half(self._path("average"))[0]
            self.average = {name: kept[name].to(t.device) for name, t in self.average.items()}
        self.limit, self.steps, self.began, self.last = minutes * 60, steps, time.time(), time.time()
        self.ends = False
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, self._end)

    def _path(self, kind):
        return self.folder / ("%s.%s.safetensors" % (self.name, kind))

    def _end(self, number, frame):
        self.ends = True

    def is_done(self, more=0):
        """Past its minutes, all starts together, or its steps (after so many more), or asked to end."""
        return self.ends or self.spent() >= self.limit or (self.steps is not None and self.step + more >= self.steps)

    def spent(self):
        return self.seconds + time.time() - self.began

    def rate(self, recipe):
        """The part of the full learning rate: warm-up after every start, and towards a known end a slope to nothing."""
        up = min(1.0, (self.step - self.first + 1) / recipe["warm_up"])
        left = (1 - self.spent() / self.limit) / recipe["cool_down"] if recipe["cool_down"] else 1.0
        return up * max(0.0, min(1.0, left))

    @torch.no_grad()
    def stepped(self, pictures):
        self.step += 1
        self.pictures += pictures
        decay = (1 - 1 / self.step) ** self.WIDTH
        now = self.network.state_dict()
        names = [name for name, t in now.items() if t.is_floating_point()]
        torch._foreach_lerp_([self.average[name] for name in names], [now[name].float() for name in names], 1 - decay)

    def is_due(self):
        return time.time() - self.last >= EVERY

    def save(self):
        about = {"step": self.step, "seconds": round(self.spent(), 1), "pictures": self.pictures, "numbers": self.numbers}
        if self.writes:
            save_half(self._path("weights"), self.network.state_dict(), about)
            save_half(self._path("average"), self.average, about)
        self.last = time.time()

    def say(self, text):
        if self.writes:
            print("%s step %d, %.1f min, %.1f pictures/s: %s" % (self.name, self.step, self.spent() / 60,
                                                            self.pictures / self.spent(), text), flush=True)
