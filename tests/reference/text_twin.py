"""The project's own PyTorch twin of T5's encoder, one text at a time and without padding.

Letters: n tokens; E width; H heads; d of a head. Sources: Raffel et al., arXiv 1910.10683; huggingface/transformers,
models/t5/modeling_t5.py."""
import math

import torch


class T5:
    def __init__(self, tensors, config, dtype):
        self.weights = {k: v.to(dtype) for k, v in tensors.items()}
        self.config = config
        self.heads, self.head = config["num_heads"], config["d_kv"]

    def norm(self, key, x):
        scale = torch.rsqrt((x * x).mean(-1, keepdim=True) + self.config["layer_norm_epsilon"])
        return x * scale * self.weights[key + ".weight"]

    def linear(self, key, x):
        return x @ self.weights[key + ".weight"].T

    def bucket(self, distance):
        """Of a key that many tokens after the query. In float32, as the reference does at any precision."""
        half = self.config["relative_attention_num_buckets"] // 2
        exact, far, after = half // 2, abs(distance), half if distance > 0 else 0
        if far < exact:
            return after + far
        limit = self.config["relative_attention_max_distance"]
        ratio = torch.log(torch.tensor(far / exact, dtype=torch.float32)) / math.log(limit / exact)
        return after + min(exact + int(ratio * (half - exact)), half - 1)

    def bias(self, n):
        """[H, n, n]"""
        table = self.weights["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
        rows = torch.tensor([[self.bucket(j - i) for j in range(n)] for i in range(n)])
        return table[rows].permute(2, 0, 1)

    def attend(self, key, x, bias):
        n = x.shape[0]
        q, k, v = (self.linear(f"{key}.{name}", x).view(n, self.heads, self.head).transpose(0, 1) for name in "qkv")
        out = torch.softmax(q @ k.transpose(1, 2) + bias, -1) @ v
        return self.linear(key + ".o", out.transpose(0, 1).reshape(n, -1))

    def unit(self, key, x):
        if key + ".wi.weight" in self.weights:
            return self.linear(key + ".wo", torch.relu(self.linear(key + ".wi", x)))
        a = torch.nn.functional.gelu(self.linear(key + ".wi_0", x), approximate="tanh")
        return self.linear(key + ".wo", a * self.linear(key + ".wi_1", x))

    def encode(self, ids):
        """[n] to [n, E]"""
        x = self.weights["shared.weight"][torch.tensor(ids)]
        bias = self.bias(len(ids))
        for i in range(self.config["num_layers"]):
            block = f"encoder.block.{i}.layer."
            x = x + self.attend(block + "0.SelfAttention", self.norm(block + "0.layer_norm", x), bias)
            x = x + self.unit(block + "1.DenseReluDense", self.norm(block + "1.layer_norm", x))
        return self.norm("encoder.final_layer_norm", x)
