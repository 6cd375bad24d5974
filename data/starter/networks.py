"""The three transformers, with the names of those whose layout they have: Dit (facebookresearch/DiT, models.py), PixArt
(diffusers, models/transformers/pixart_transformer_2d.py), T5 (transformers, models/t5/modeling_t5.py: the encoder of v1.1).

Letters: B items, T picture tokens, S text tokens, D width, H heads, C channels of the latent, p patch, g side of the grid.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

MOST = 30.0  # of attention's logits in text and to it


def positions(width, side):
    """[1, T, D]: sines and cosines of the column, then of the row."""
    omega = 10000 ** -(torch.arange(width // 4, dtype=torch.float64) / (width / 4))
    line = torch.arange(side, dtype=torch.float64)[:, None] * omega
    one = torch.cat([line.sin(), line.cos()], 1).float()
    column, row = one[None].expand(side, -1, -1), one[:, None].expand(-1, side, -1)
    return torch.cat([column, row], -1).reshape(1, side * side, width)


def wave_of_time(t, period):
    """[B, 256] of the model's own time."""
    angle = t.float()[:, None] * torch.exp(-math.log(10000) / period * torch.arange(128, device=t.device))
    return torch.cat([angle.cos(), angle.sin()], -1)


def norm(x):
    return F.layer_norm(x, x.shape[-1:], eps=1e-6)


def split(x, heads):
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def join(x):
    return x.transpose(1, 2).flatten(2)


def look(q, k, scale=None, peaks=None):
    """Logits of attention, [B, H, T, S]. peaks: a list that gets the largest of every head, [H], without sign."""
    logits = (q * (scale or q.shape[-1] ** -0.5)) @ k.mT
    if peaks is not None:
        peaks.append(logits.detach().abs().amax((0, 2, 3)).float())
    return logits


def attend(q, k, v, mask=None, scale=None, peaks=None):
    """[B, H, T, d]. On a processor in single steps: the backward pass of PyTorch's fused one takes half of all time there."""
    if q.is_cuda and peaks is None:
        return F.scaled_dot_product_attention(q, k, v, mask, scale=scale)
    weights = look(q, k, scale, peaks)
    if mask is not None:
        weights = weights.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else weights + mask
    return torch.softmax(weights, -1).to(v.dtype) @ v


def gelu(x):
    """With the tangent, written with a sigmoid on a processor, where a compiler makes one pass of it."""
    if x.is_cuda:
        return F.gelu(x, approximate="tanh")
    wide = x.float()
    return (wide * torch.sigmoid(wide * (1.5957691216 + 0.0713548128 * wide * wide))).to(x.dtype)


def unpatch(x, side, patch):
    """[B, T, p p C], of each patch (row, column, channel), to [B, C, h, w]."""
    x = x.unflatten(-1, (patch, patch, -1)).unflatten(1, (side, side))
    return x.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)


def start(network, zeros):
    for module in network.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            nn.init.xavier_uniform_(module.weight.view(module.weight.shape[0], -1))
            nn.init.zeros_(module.bias)
    for module in zeros:
        nn.init.zeros_(module.weight)


class DitBlock(nn.Module):
    def __init__(self, D, H):
        super().__init__()
        self.H = H
        self.attn, self.mlp = nn.Module(), nn.Module()
        self.attn.qkv, self.attn.proj = nn.Linear(D, 3 * D), nn.Linear(D, D)
        self.mlp.fc1, self.mlp.fc2 = nn.Linear(D, 4 * D), nn.Linear(4 * D, D)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(D, 6 * D))

    def forward(self, x, c):
        shift, scale, gate, shift2, scale2, gate2 = self.adaLN_modulation(c)[:, None].chunk(6, -1)
        q, k, v = (split(part, self.H) for part in self.attn.qkv(norm(x) * (1 + scale) + shift).chunk(3, -1))
        x = x + gate * self.attn.proj(join(attend(q, k, v)))
        h = self.mlp.fc1(norm(x) * (1 + scale2) + shift2)
        return x + gate2 * self.mlp.fc2(gelu(h))


class Dit(nn.Module):
    def __init__(self, width, depth, heads, patch, n_classes, out=4, side=32, channels=4):
        super().__init__()
        self.patch, self.side, self.n_classes, self.out = patch, side // patch, n_classes, out
        self.x_embedder, self.t_embedder, self.y_embedder, self.final_layer = (nn.Module() for _ in range(4))
        self.x_embedder.proj = nn.Conv2d(channels, width, patch, patch)
        self.t_embedder.mlp = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))
        self.y_embedder.embedding_table = nn.Embedding(n_classes + 1, width)
        self.register_buffer("pos_embed", positions(width, self.side))
        self.blocks = nn.ModuleList(DitBlock(width, heads) for _ in range(depth))
        self.final_layer.linear = nn.Linear(width, patch * patch * out)
        self.final_layer.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))
        start(self, [b.adaLN_modulation[1] for b in self.blocks]
              + [self.final_layer.adaLN_modulation[1], self.final_layer.linear])
        nn.init.normal_(self.y_embedder.embedding_table.weight, std=0.02)

    def forward(self, x, t, y):
        """x [B, C, h, w]; t [B] in 0..999; y [B], n_classes meaning no class. [B, out, h, w]"""
        x = self.x_embedder.proj(x).flatten(2).transpose(1, 2) + self.pos_embed
        c = self.t_embedder.mlp(wave_of_time(t, 128)) + self.y_embedder.embedding_table(y)
        for block in self.blocks:
            x = block(x, c)
        shift, scale = self.final_layer.adaLN_modulation(c)[:, None].chunk(2, -1)
        return unpatch(self.final_layer.linear(norm(x) * (1 + scale) + shift).float(), self.side, self.patch)


def join_peaks(peaks):
    return torch.cat(peaks).tolist() if peaks else []


@torch.no_grad()
def limit_logits(network, peaks):
    """Makes queries and keys smaller where a head's logits became larger than MOST (QK-clip of Kimi K2, arXiv 2507.20534).
    Without it Muon makes those larger and larger that have no norm before them, or no scale, until every softmax is a choice of
    one, which learns no more. peaks: of all heads of T5's attentions, if these learn, and of those to the text, as forward()
    fills them, joined."""
    own = [one.layer[0].SelfAttention for one in network.modules() if isinstance(one, T5Block)]
    modules = [(one.q, one.k) for one in own if one.q.weight.requires_grad]
    modules += [(one.attn2.to_q, one.attn2.to_k) for one in network.modules() if isinstance(one, PixArtBlock)]
    heads = len(peaks) // len(modules)
    for i, pair in enumerate(modules):
        own = torch.tensor(peaks[i * heads : (i + 1) * heads])
        factors = (MOST / own.clamp(min=MOST)).sqrt()
        if factors.min() < 1:
            for parameter in (p for module in pair for p in module.parameters()):
                rows = factors.to(parameter.device).repeat_interleave(len(parameter) // heads)
                parameter.mul_(rows.view(-1, *[1] * (parameter.ndim - 1)))


class Attention(nn.Module):
    def __init__(self, D, H, other):
        super().__init__()
        self.H = H
        self.to_q, self.to_k, self.to_v = nn.Linear(D, D), nn.Linear(other, D), nn.Linear(other, D)
        self.to_out = nn.ModuleList([nn.Linear(D, D)])

    def forward(self, x, other, mask=None, seen=None, peaks=None):
        """seen: a list that gets how much each of x looks at each of other, [B, H, T, S]; peaks: as in look()."""
        q, k, v = split(self.to_q(x), self.H), split(self.to_k(other), self.H), split(self.to_v(other), self.H)
        if seen is not None:
            weights = look(q, k, peaks=peaks)
            seen.append(torch.softmax(weights.float().masked_fill(~mask, -math.inf), -1))
            return self.to_out[0](join(seen[-1].to(v.dtype) @ v))
        return self.to_out[0](join(attend(q, k, v, mask, peaks=peaks)))


class FeedForward(nn.Module):
    """ff.net.0.proj and ff.net.2 are what diffusers calls them."""

    def __init__(self, D):
        super().__init__()
        first = nn.Module()
        first.proj = nn.Linear(D, 4 * D)
        self.net = nn.ModuleList([first, nn.Identity(), nn.Linear(4 * D, D)])

    def forward(self, x):
        return self.net[2](gelu(self.net[0].proj(x)))


class PixArtBlock(nn.Module):
    def __init__(self, D, H):
        super().__init__()
        self.scale_shift_table = nn.Parameter(torch.randn(6, D) / D ** 0.5)
        self.attn1, self.attn2, self.ff = Attention(D, H, D), Attention(D, H, D), FeedForward(D)

    def forward(self, x, six, text, mask, seen=None, peaks=None):
        shift, scale, gate, shift2, scale2, gate2 = (self.scale_shift_table + six).chunk(6, 1)
        h = norm(x) * (1 + scale) + shift
        x = x + gate * self.attn1(h, h)
        x = x + self.attn2(x, text, mask, seen, peaks)
        return x + gate2 * self.ff(norm(x) * (1 + scale2) + shift2)


class PixArt(nn.Module):
    def __init__(self, width, depth, heads, patch, caption, out=4, side=32, channels=4):
        super().__init__()
        self.patch, self.side, self.width, self.heads, self.caption, self.out = patch, side // patch, width, heads, caption, out
        self.pos_embed, self.adaln_single, self.caption_projection = nn.Module(), nn.Module(), nn.Module()
        self.pos_embed.proj = nn.Conv2d(channels, width, patch, patch)
        self.register_buffer("places", positions(width, self.side), persistent=False)
        embedder = nn.Module()
        embedder.timestep_embedder = nn.Module()
        embedder.timestep_embedder.linear_1, embedder.timestep_embedder.linear_2 = nn.Linear(256, width), nn.Linear(width, width)
        self.adaln_single.emb, self.adaln_single.linear = embedder, nn.Linear(width, 6 * width)
        self.caption_projection.linear_1, self.caption_projection.linear_2 = nn.Linear(caption, width), nn.Linear(width, width)
        self.transformer_blocks = nn.ModuleList(PixArtBlock(width, heads) for _ in range(depth))
        self.scale_shift_table = nn.Parameter(torch.randn(2, width) / width ** 0.5)
        self.proj_out = nn.Linear(width, patch * patch * out)
        start(self, [self.proj_out] + [b.attn2.to_out[0] for b in self.transformer_blocks])

    @torch.no_grad()
    def begin_with(self, known):
        """Takes over what a Dit of the same sizes knows, its tensors by name, if it has these sizes: it paints what that one
        paints of no class in particular, and has to learn only words. One modulation for all blocks takes the place of theirs
        as in PixArt-alpha (arXiv 2310.00426, 2.3): the mean of theirs here, and in each block's table what is left of it in the
        mean over times. The last layer's follows the time in another way, and learns it."""
        blocks, own = self.transformer_blocks, self.state_dict()
        renamed = {"x_embedder.proj": "pos_embed.proj", "t_embedder.mlp.0": "adaln_single.emb.timestep_embedder.linear_1",
                   "t_embedder.mlp.2": "adaln_single.emb.timestep_embedder.linear_2", "final_layer.linear": "proj_out"}
        for i in range(len(blocks)):
            there, here = "blocks.%d." % i, "transformer_blocks.%d." % i
            renamed |= {there + "attn.proj": here + "attn1.to_out.0", there + "mlp.fc1": here + "ff.net.0.proj",
                        there + "mlp.fc2": here + "ff.net.2"}
        pairs = {new + end: known.get(old + end) for old, new in renamed.items() for end in (".weight", ".bias")}
        if any(value is None or value.shape != own[name].shape for name, value in pairs.items()):
            return
        for name, value in pairs.items():
            own[name].copy_(value)
        for i, block in enumerate(blocks):
            for end in ("weight", "bias"):
                parts = known["blocks.%d.attn.qkv.%s" % (i, end)].chunk(3)
                for module, part in zip((block.attn1.to_q, block.attn1.to_k, block.attn1.to_v), parts):
                    getattr(module, end).copy_(part)
        embedder = self.adaln_single.emb.timestep_embedder
        embedder.linear_2.bias += known["y_embedder.embedding_table.weight"].mean(0)
        weights, biases = (torch.stack([known["blocks.%d.adaLN_modulation.1.%s" % (i, end)] for i in range(len(blocks))])
                           for end in ("weight", "bias"))
        self.adaln_single.linear.weight.copy_(weights.mean(0))
        self.adaln_single.linear.bias.copy_(biases.mean(0))
        waves = wave_of_time(torch.arange(0, 1000, 10), 128)
        time = embedder.linear_2(F.silu(embedder.linear_1(waves)))
        mean = F.silu(time).mean(0)
        for block, weight, bias in zip(blocks, weights - weights.mean(0), biases - biases.mean(0)):
            block.scale_shift_table.copy_((weight @ mean + bias).unflatten(0, (6, -1)))
        last = known["final_layer.adaLN_modulation.1.weight"] @ mean + known["final_layer.adaLN_modulation.1.bias"]
        self.scale_shift_table.copy_(last.unflatten(0, (2, -1)) - time.mean(0))

    def forward(self, x, t, text, there, seen=None, peaks=None):
        """text [B, S, caption]; there [B, S]: TRUE where it is a token and not what fills up. seen: a list that gets the
        attention of the middle half of the blocks to the text; peaks: one that gets the largest logits of all to the text."""
        x = self.pos_embed.proj(x).flatten(2).transpose(1, 2) + self.places
        embedder = self.adaln_single.emb.timestep_embedder
        time = embedder.linear_2(F.silu(embedder.linear_1(wave_of_time(t, 128))))
        six = self.adaln_single.linear(F.silu(time)).unflatten(-1, (6, -1))
        text = self.caption_projection.linear_2(gelu(self.caption_projection.linear_1(text)))
        mask = there[:, None, None, :]
        n = len(self.transformer_blocks)
        for i, block in enumerate(self.transformer_blocks):
            x = block(x, six, text, mask, seen if n // 4 <= i < n - n // 4 else None, peaks)
        shift, scale = (self.scale_shift_table + time[:, None]).chunk(2, 1)
        return unpatch(self.proj_out(norm(x) * (1 + scale) + shift).float(), self.side, self.patch)

    def config(self):
        return {"_class_name": "PixArtTransformer2DModel", "activation_fn": "gelu-approximate", "attention_bias": True,
                "attention_head_dim": self.width // self.heads, "caption_channels": self.caption,
                "cross_attention_dim": self.width, "in_channels": 4, "norm_elementwise_affine": False, "norm_eps": 1e-6,
                "norm_type": "ada_norm_single", "num_attention_heads": self.heads, "num_embeds_ada_norm": 1000,
                "num_layers": len(self.transformer_blocks), "out_channels": self.out, "patch_size": self.patch,
                "sample_size": self.side * self.patch, "use_additional_conditions": False}


class RmsNorm(nn.Module):
    def __init__(self, D):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(D))

    def forward(self, x):
        return self.weight * F.rms_norm(x.float(), x.shape[-1:], eps=1e-6)


class T5Block(nn.Module):
    """layer.0: attention, layer.1: a gated MLP; no scale on the logits, no biases."""

    def __init__(self, D, H, hidden, buckets, is_first):
        super().__init__()
        self.H = H
        attention, mlp = nn.Module(), nn.Module()
        attention.SelfAttention, attention.layer_norm = nn.Module(), RmsNorm(D)
        for name in "qkvo":
            setattr(attention.SelfAttention, name, nn.Linear(D, D, bias=False))
        if is_first:
            attention.SelfAttention.relative_attention_bias = nn.Embedding(buckets, H)
        mlp.DenseReluDense, mlp.layer_norm = nn.Module(), RmsNorm(D)
        for name in ("wi_0", "wi_1"):
            setattr(mlp.DenseReluDense, name, nn.Linear(D, hidden, bias=False))
        mlp.DenseReluDense.wo = nn.Linear(hidden, D, bias=False)
        self.layer = nn.ModuleList([attention, mlp])

    def forward(self, x, bias, peaks=None):
        own, h = self.layer[0].SelfAttention, self.layer[0].layer_norm(x)
        q, k, v = split(own.q(h), self.H), split(own.k(h), self.H), split(own.v(h), self.H)
        x = x + own.o(join(attend(q, k, v, bias.to(q.dtype), 1.0, peaks)))
        gated, h = self.layer[1].DenseReluDense, self.layer[1].layer_norm(x)
        return x + gated.wo(gelu(gated.wi_0(h)) * gated.wi_1(h))


class T5(nn.Module):
    BUCKETS, FAR = 32, 128

    def __init__(self, n_pieces, D, depth, H, hidden):
        super().__init__()
        self.sizes = {"vocab_size": n_pieces, "d_model": D, "num_layers": depth, "num_heads": H, "d_kv": D // H, "d_ff": hidden}
        self.shared, self.encoder = nn.Embedding(n_pieces, D), nn.Module()
        self.encoder.block = nn.ModuleList(T5Block(D, H, hidden, self.BUCKETS, i == 0) for i in range(depth))
        self.encoder.final_layer_norm = RmsNorm(D)
        nn.init.normal_(self.shared.weight, std=1.0)
        for block in self.encoder.block:
            own, gated = block.layer[0].SelfAttention, block.layer[1].DenseReluDense
            nn.init.normal_(own.q.weight, std=(D * (D // H)) ** -0.5)
            for module in (own.k, own.v, own.o, gated.wi_0, gated.wi_1):
                nn.init.normal_(module.weight, std=D ** -0.5)
            nn.init.normal_(gated.wo.weight, std=hidden ** -0.5)
        nn.init.normal_(self.encoder.block[0].layer[0].SelfAttention.relative_attention_bias.weight, std=1.0)

    def buckets(self, n, device):
        """[S, S]: the bucket of key - query, half of them for keys behind."""
        line = torch.arange(n, device=device)
        apart = line[None] - line[:, None]
        half = self.BUCKETS // 2
        exact = half // 2
        far = exact + (torch.log(apart.abs().clamp(min=1) / exact) / math.log(self.FAR / exact) * (half - exact)).long()
        return (apart > 0) * half + torch.where(apart.abs() < exact, apart.abs(), far.clamp(max=half - 1))

    def forward(self, ids, there, peaks=None):
        """ids [B, S]; there [B, S] and peaks as above; [B, S, D]"""
        table = self.encoder.block[0].layer[0].SelfAttention.relative_attention_bias
        bias = table(self.buckets(ids.shape[1], ids.device)).permute(2, 0, 1)[None].float()
        bias = bias.masked_fill(~there[:, None, None, :], -1e4)
        x = self.shared(ids)
        for block in self.encoder.block:
            x = block(x, bias, peaks)
        return self.encoder.final_layer_norm(x)

    def config(self):
        return self.sizes | {"model_type": "t5", "architectures": ["T5EncoderModel"], "is_encoder_decoder": True,
                             "feed_forward_proj": "gated-gelu", "dense_act_fn": "gelu_new", "is_gated_act": True,
                             "layer_norm_epsilon": 1e-6, "relative_attention_num_buckets": self.BUCKETS,
                             "relative_attention_max_distance": self.FAR, "tie_word_embeddings": False, "pad_token_id": 0,
                             "eos_token_id": 1}
