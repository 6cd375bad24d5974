"""diffusers' AutoencoderKL (models/autoencoders/autoencoder_kl.py, vae.py), its layout and names, without attention and without
the 1x1 convolutions around the latent; and what it is trained with.

Letters: z channels of the latent, h w its size; a picture is 8 times as large.
"""
import torch
import torch.nn.functional as F
from torch import nn

LATENT = 4


class Resnet(nn.Module):
    def __init__(self, cin, cout, groups):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(groups, cin, 1e-6), nn.Conv2d(cin, cout, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(groups, cout, 1e-6), nn.Conv2d(cout, cout, 3, padding=1)
        if cin != cout:
            self.conv_shortcut = nn.Conv2d(cin, cout, 1)

    def forward(self, x):
        h = self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))
        return h + (self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x)


class Resize(nn.Module):
    def __init__(self, channels, doubles):
        super().__init__()
        self.doubles = doubles
        self.conv = nn.Conv2d(channels, channels, 3, 1 if doubles else 2, 1 if doubles else 0)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0) if self.doubles else F.pad(x, (0, 1, 0, 1)))


class Level(nn.Module):
    def __init__(self, cin, cout, n, groups, resize):
        super().__init__()
        self.resnets = nn.ModuleList(Resnet(cin if i == 0 else cout, cout, groups) for i in range(n))
        if resize == "half":
            self.downsamplers = nn.ModuleList([Resize(cout, False)])
        elif resize == "double":
            self.upsamplers = nn.ModuleList([Resize(cout, True)])

    def forward(self, x):
        for layer in (*self.resnets, *getattr(self, "downsamplers", ()), *getattr(self, "upsamplers", ())):
            x = layer(x)
        return x


class Middle(nn.Module):
    def __init__(self, channels, groups):
        super().__init__()
        self.resnets = nn.ModuleList(Resnet(channels, channels, groups) for _ in range(2))

    def forward(self, x):
        return self.resnets[1](self.resnets[0](x))


class Encoder(nn.Module):
    def __init__(self, channels, layers, groups):
        super().__init__()
        self.conv_in = nn.Conv2d(3, channels[0], 3, padding=1)
        into = [channels[0], *channels[:-1]]
        self.down_blocks = nn.ModuleList(
            Level(into[i], c, layers, groups, "half" if i + 1 < len(channels) else "") for i, c in enumerate(channels))
        self.mid_block = Middle(channels[-1], groups)
        self.conv_norm_out = nn.GroupNorm(groups, channels[-1], 1e-6)
        self.conv_out = nn.Conv2d(channels[-1], 2 * LATENT, 3, padding=1)

    def forward(self, x):
        x = self.conv_in(x)
        for level in self.down_blocks:
            x = level(x)
        return self.conv_out(F.silu(self.conv_norm_out(self.mid_block(x))))


class Decoder(nn.Module):
    def __init__(self, channels, layers, groups):
        super().__init__()
        turned = channels[::-1]
        self.conv_in = nn.Conv2d(LATENT, turned[0], 3, padding=1)
        self.mid_block = Middle(turned[0], groups)
        into = [turned[0], *turned[:-1]]
        self.up_blocks = nn.ModuleList(
            Level(into[i], c, layers + 1, groups, "double" if i + 1 < len(turned) else "") for i, c in enumerate(turned))
        self.conv_norm_out = nn.GroupNorm(groups, turned[-1], 1e-6)
        self.conv_out = nn.Conv2d(turned[-1], 3, 3, padding=1)

    def forward(self, x):
        x = self.mid_block(self.conv_in(x))
        for level in self.up_blocks:
            x = level(x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class Vae(nn.Module):
    def __init__(self, channels=(16, 32, 64, 80), layers=1, groups=8):
        super().__init__()
        self.channels, self.layers, self.groups = channels, layers, groups
        self.encoder, self.decoder = Encoder(channels, layers, groups), Decoder(channels, layers, groups)

    def encode(self, picture):
        """Means [B, z, h, w] and logarithms of variances."""
        mean, log_variance = self.encoder(picture).float().chunk(2, 1)
        return mean, log_variance.clamp(-20, 10)

    def config(self, scaling):
        return {"_class_name": "AutoencoderKL", "act_fn": "silu", "block_out_channels": list(self.channels), "in_channels": 3,
                "out_channels": 3, "latent_channels": LATENT, "layers_per_block": self.layers, "norm_num_groups": self.groups,
                "down_block_types": ["DownEncoderBlock2D"] * len(self.channels),
                "up_block_types": ["UpDecoderBlock2D"] * len(self.channels), "mid_block_add_attention": False,
                "use_quant_conv": False, "use_post_quant_conv": False, "sample_size": 256, "scaling_factor": scaling}


def _slopes(x):
    return x[..., 1:, :] - x[..., :-1, :], x[..., :, 1:] - x[..., :, :-1]


def difference(made, picture, edges=0.5):
    """(squares and, so that edges stay sharp, slopes at two sizes; the mean square alone)"""
    square = F.mse_loss(made, picture)
    total = square + 0.05 * F.l1_loss(made, picture)
    for size in (1, 2):
        a, b = (made, picture) if size == 1 else (F.avg_pool2d(made, 2), F.avg_pool2d(picture, 2))
        total = total + edges * sum(F.l1_loss(p, q) for p, q in zip(_slopes(a), _slopes(b))) * 0.1
    return total, square.detach()


def loss(vae, picture, noise=0.0, kl=2e-4, edges=0.5):
    """How far the picture is from what comes back of a draw of the posterior, and how far that is from normal.

    Latents that a diffusion model will draw are never exact: `noise`, in parts of a latent's spread, is added to them. Returns
    the loss and the mean square of the picture alone.
    """
    mean, log_variance = vae.encode(picture)
    spread = torch.exp(0.5 * log_variance) + noise
    made = vae.decoder(mean + spread * torch.randn_like(mean)).float()
    total, square = difference(made, picture, edges)
    divergence = 0.5 * (mean ** 2 + log_variance.exp() - 1 - log_variance).mean()
    return total + kl * divergence, square
