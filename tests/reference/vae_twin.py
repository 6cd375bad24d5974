"""The project's own PyTorch twin of diffusers' AutoencoderKL: decoder and encoder, in the precision of the tensors given.

A VAE is {key: tensor} with diffusers' keys, and its config.json as a dictionary. The order of the layers is that of
diffusers' models/autoencoders/vae.py; nothing of it is needed here."""
import torch
import torch.nn.functional as F


class Vae:
    def __init__(self, tensors, config, dtype=torch.float64):
        self.tensors = {k: torch.as_tensor(v).to(dtype) for k, v in tensors.items()}
        self.groups = config.get("norm_num_groups", 32)
        self.scaling = config.get("scaling_factor", 0.18215)
        self.shift = config.get("shift_factor") or 0
        self.levels = len(config["block_out_channels"])
        self.layers = config["layers_per_block"]

    def conv(self, x, key, **how):
        return F.conv2d(x, self.tensors[key + ".weight"], self.tensors[key + ".bias"], **how)

    def norm(self, x, key):
        return F.group_norm(x, self.groups, self.tensors[key + ".weight"], self.tensors[key + ".bias"], 1e-6)

    def resnet(self, x, key):
        h = self.conv(F.silu(self.norm(x, key + ".norm1")), key + ".conv1", padding=1)
        h = self.conv(F.silu(self.norm(h, key + ".norm2")), key + ".conv2", padding=1)
        shortcut = key + ".conv_shortcut"
        return h + (self.conv(x, shortcut) if shortcut + ".weight" in self.tensors else x)

    def attention(self, x, key):
        """One head over all pixels, in either naming."""
        old = key + ".query.weight" in self.tensors
        names = ["query", "key", "value", "proj_attn"] if old else ["to_q", "to_k", "to_v", "to_out.0"]

        def linear(rows, name):
            weight = self.tensors[f"{key}.{name}.weight"]
            return F.linear(rows, weight.reshape(weight.shape[:2]), self.tensors[f"{key}.{name}.bias"])

        rows = self.norm(x, key + ".group_norm").flatten(2).transpose(1, 2)
        q, k, v = (linear(rows, name) for name in names[:3])
        P = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1)
        return x + linear(P @ v, names[3]).transpose(1, 2).reshape(x.shape)

    def middle(self, x, side):
        x = self.resnet(x, side + ".mid_block.resnets.0")
        if side + ".mid_block.attentions.0.group_norm.weight" in self.tensors:
            x = self.attention(x, side + ".mid_block.attentions.0")
        return self.resnet(x, side + ".mid_block.resnets.1")

    def out(self, x, side):
        return self.conv(F.silu(self.norm(x, side + ".conv_norm_out")), side + ".conv_out", padding=1)

    def decode(self, latent):
        """latent [B,z,h,w] as the painting model has it -> [B,3,H,W]."""
        x = latent / self.scaling + self.shift
        if "post_quant_conv.weight" in self.tensors:
            x = self.conv(x, "post_quant_conv")
        x = self.middle(self.conv(x, "decoder.conv_in", padding=1), "decoder")
        for i in range(self.levels):
            for j in range(self.layers + 1):
                x = self.resnet(x, f"decoder.up_blocks.{i}.resnets.{j}")
            if i + 1 < self.levels:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
                x = self.conv(x, f"decoder.up_blocks.{i}.upsamplers.0.conv", padding=1)
        return self.out(x, "decoder")

    def moments(self, image):
        """image [B,3,H,W] -> means and logarithms of variances [B,z,h,w], unscaled."""
        x = self.conv(image, "encoder.conv_in", padding=1)
        for i in range(self.levels):
            for j in range(self.layers):
                x = self.resnet(x, f"encoder.down_blocks.{i}.resnets.{j}")
            if i + 1 < self.levels:
                x = self.conv(F.pad(x, (0, 1, 0, 1)), f"encoder.down_blocks.{i}.downsamplers.0.conv", stride=2)
        x = self.out(self.middle(x, "encoder"), "encoder")
        if "quant_conv.weight" in self.tensors:
            x = self.conv(x, "quant_conv")
        return x.chunk(2, dim=1)

    def encode(self, image, normals=None):
        """The posterior's mean, or a draw with the given normals; scaled."""
        mean, logarithm = self.moments(image)
        if normals is not None:
            mean = mean + (0.5 * logarithm.clamp(-30, 20)).exp() * normals
        return (mean - self.shift) * self.scaling
