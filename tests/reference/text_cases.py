"""The fixture encoders of text, as transformers' T5EncoderModel writes them, with weights from a hash: {name: case}."""
import math

import hashed

CASES = {
    # Version 1.1: a gated unit; heads times their size is not the width; as many tokens as PixArt reads, and one.
    "t5-gated": dict(
        width=48, heads=3, head=20, ff=104, layers=3, vocabulary=600, buckets=32, lengths=[1, 7, 120, 300],
        config={"feed_forward_proj": "gated-gelu", "layer_norm_epsilon": 1e-6, "relative_attention_max_distance": 128},
    ),
    # Version 1.0: no gate; another table of distances, and an epsilon that matters.
    "t5-plain": dict(
        width=32, heads=4, head=8, ff=96, layers=2, vocabulary=200, buckets=16, lengths=[1, 2, 77],
        config={"feed_forward_proj": "relu", "layer_norm_epsilon": 1e-2, "relative_attention_max_distance": 40},
    ),
}


def is_gated(case):
    return case["config"]["feed_forward_proj"].startswith("gated")


def config(case):
    return {
        "model_type": "t5", "architectures": ["T5EncoderModel"], "d_model": case["width"], "d_kv": case["head"],
        "d_ff": case["ff"], "num_heads": case["heads"], "num_layers": case["layers"], "vocab_size": case["vocabulary"],
        "relative_attention_num_buckets": case["buckets"], "is_encoder_decoder": False, "use_cache": False,
    } | case["config"]


def weights(case):
    """{key: entry}. Logits, which nothing scales, have a deviation near 2, and the table of distances weighs as much."""
    E, H, d, F = case["width"], case["heads"], case["head"], case["ff"]
    entries = {"shared.weight": hashed.entry([case["vocabulary"], E], 1.7)}

    def linear(key, N, K, gain):
        entries[key + ".weight"] = hashed.entry([N, K], gain * math.sqrt(3 / K))

    def norm(key):
        entries[key + ".weight"] = hashed.entry([E], 0.5, 1)

    for i in range(case["layers"]):
        block = f"encoder.block.{i}.layer."
        for name in "qk":
            linear(f"{block}0.SelfAttention.{name}", H * d, E, math.sqrt(2 / math.sqrt(d)))
        linear(f"{block}0.SelfAttention.v", H * d, E, 1.5)
        linear(f"{block}0.SelfAttention.o", E, H * d, 1.5)
        if i == 0:
            entries[block + "0.SelfAttention.relative_attention_bias.weight"] = hashed.entry([case["buckets"], H], 3)
        norm(block + "0.layer_norm")
        for name in ["wi_0", "wi_1"] if is_gated(case) else ["wi"]:
            linear(f"{block}1.DenseReluDense.{name}", F, E, 1.2)
        linear(f"{block}1.DenseReluDense.wo", E, F, 1.2)
        norm(block + "1.layer_norm")
    norm("encoder.final_layer_norm")
    return entries


def tokens(case, n):
    """Ids of a text of n tokens; the last is T5's end token."""
    values = (hashed.values(f"ids.{n}", [n], 1) + 1) / 2 * case["vocabulary"]
    return [*(int(v) for v in values[:-1]), 1]
