#!/usr/bin/env python3
"""Writes tokenizer/: three small vocabularies as sentencepiece and `tokenizers` write them, and what both make of hard strings.

`bytes`: nmt_nfkc and pieces for single bytes; its tokenizer.json has the steps that T5's published one has. `t5`: as T5 was
made (nmt_nfkc, pad 0, end 1, unknown 2, no bytes, 100 extra tokens), converted by transformers. `symbols`: user-defined
symbols, rules of its own (NFKC and lower case for a part of Unicode), spaces that stay, and a tokenizer.json with every option
of added tokens. Each is NAME.model.gz and NAME.json.gz without the character map, which lies in MAP.map.gz: the two that share
one would hold four copies. expected.json.gz: {"strings", "NAME": {"spiece": ids of each string, "json": the same},
"long": {"NAME": {"spiece": [n, FNV-1a of the ids as u32], "json"}}}; all ids with what ends a text. Also the seeds of the fuzz
targets in ../fuzz/corpus.

Needs the packages sentencepiece 0.2.2, tokenizers 0.22.2, transformers 4.57.6 and protobuf; the library does not.
"""
import base64
import gzip
import io
import json
import pathlib
import sys
import tempfile
import unicodedata

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as pb
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import T5TokenizerFast

import tokenizer_text as text

OUT = pathlib.Path(__file__).resolve().parent / "tokenizer"
FUZZ = OUT.parent.parent / "fuzz" / "corpus"
MAP = "@MAP@"


def own_rules(path):
    """Rules of a part of Unicode: NFKC and lower case, some control characters away, white space one space."""
    rules = {}
    blocks = [(0xA0, 0x250), (0x370, 0x530), (0x1E00, 0x2000), (0x2000, 0x2070), (0x2460, 0x24F0), (0xFB00, 0xFB07),
              (0xFF01, 0xFFA0)]
    for first, end in blocks:
        for code in range(first, end):
            char = chr(code)
            to = unicodedata.normalize("NFKC", char).lower()
            if to != char:
                rules[char] = to
            decomposed = unicodedata.normalize("NFD", char)
            if decomposed != char:
                rules[decomposed] = to
    rules.update({chr(c): chr(c).lower() for c in range(0x41, 0x5B)})
    rules.update({chr(c): "" for c in [1, 2, 7, 8, 0x7F, 0x200B, 0x200E, 0x200F, 0xFEFF]})
    rules.update({c: " " for c in ["\t", "\n", "\r", "\u00a0", "\u2003", "\u2028", "\u3000"]})
    rules["\r\n"] = " "
    with open(path, "w", encoding="utf-8") as file:
        for key, to in sorted(item for item in rules.items() if item[0] != item[1]):
            file.write("%s\t%s\n" % (" ".join("%X" % ord(c) for c in key), " ".join("%X" % ord(c) for c in to)))


def train(**options):
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text.training()), model_writer=out, model_type="unigram", hard_vocab_limit=False, num_threads=1,
        max_sentence_length=100000, minloglevel=2, **options)
    return out.getvalue()


def train_all(folder):
    own_rules(folder / "own.tsv")
    t5 = dict(pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    return {
        "bytes": train(vocab_size=900, byte_fallback=True, character_coverage=0.981, **t5),
        "t5": train(vocab_size=800, character_coverage=0.985, **t5),
        "symbols": train(vocab_size=500, character_coverage=0.98, user_defined_symbols=["<paint>", "[KEY]", "ﬁ", "  "],
                         control_symbols=["<brush>"], remove_extra_whitespaces=False,
                         normalization_rule_tsv=str(folder / "own.tsv"), **t5)}


def published_json(proto, n_extra=100):
    """The steps of google's published t5 tokenizer.json, which names its space mark in an older way."""
    tokenizer = Tokenizer(models.Unigram([(p.piece, p.score) for p in proto.pieces], unk_id=2, byte_fallback=True))
    tokenizer.normalizer = normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.post_processor = processors.TemplateProcessing(single=["$A", "</s>"], pair=["$A", "</s>", "$B", "</s>"],
                                                             special_tokens=[("</s>", 1)])
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ["<pad>", "</s>", "<unk>"]]
                                 + [AddedToken("<extra_id_%d>" % i, special=True, normalized=False)
                                    for i in range(n_extra - 1, -1, -1)])
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def t5_json(model):
    """As transformers converts a folder without tokenizer.json."""
    fast = T5TokenizerFast(vocab_file=str(model), legacy=True, add_prefix_space=True)
    return Tokenizer.from_str(fast.backend_tokenizer.to_str())


def symbols_json(proto):
    """Every option that is read: they matter with other tokens than T5 has."""
    tokenizer = Tokenizer(models.Unigram([(p.piece, p.score) for p in proto.pieces], unk_id=2))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap), normalizers.Lowercase(),
        normalizers.Strip(True, True),
        normalizers.Prepend("the "), normalizers.Replace(Regex(" {2,}"), "▁"), normalizers.Replace("''", "\"")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.post_processor = processors.TemplateProcessing(single=["<brush>", "$A", "</s>"],
                                                             special_tokens=[("<brush>", 3), ("</s>", 1)])
    tokenizer.add_tokens([AddedToken("<PAINT>", normalized=True), AddedToken("[KEY]", single_word=True, normalized=False),
                          AddedToken("sky", lstrip=True, rstrip=True, normalized=False), AddedToken("new token", rstrip=True),
                          AddedToken("fox", single_word=True, normalized=True)])
    tokenizer.add_special_tokens([AddedToken("</s>", special=True, normalized=False),
                                  AddedToken("<brush>", special=True, lstrip=True)])
    return tokenizer


def write_tiny(folder):
    """Seeds of the fuzz targets and the sweep that cuts files: a few pieces, four rules, every step."""
    (folder / "tiny.tsv").write_text("41\t61\n65 301\te9\nA0\t20\n200B\t\n")
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a cab, a bead\u00e9 bad ace dad bed"] * 30), model_writer=out, model_type="unigram",
        vocab_size=24,
        hard_vocab_limit=False, num_threads=1, minloglevel=2, normalization_rule_tsv=str(folder / "tiny.tsv"), pad_id=0, eos_id=1,
        unk_id=2, bos_id=-1, user_defined_symbols=["[K]"])
    proto = pb.ModelProto.FromString(out.getvalue())
    proto.trainer_spec.CopyFrom(pb.TrainerSpec(model_type=1, pad_id=0, eos_id=1, unk_id=2, bos_id=-1))
    proto.normalizer_spec.ClearField("normalization_rule_tsv")
    proto.ClearField("denormalizer_spec")
    (FUZZ / "spiece").mkdir(parents=True, exist_ok=True)
    (FUZZ / "tokenizer").mkdir(parents=True, exist_ok=True)
    (FUZZ / "spiece" / "tiny.model").write_bytes(proto.SerializeToString())
    (FUZZ / "tokenizer" / "tiny.json").write_text(published_json(proto, 2).to_str(), encoding="utf-8")
    (FUZZ / "tokenizer" / "options.json").write_text(symbols_json(proto).to_str(), encoding="utf-8")


def hash_ids(ids):
    value = 0xCBF29CE484222325
    for number in ids:
        for byte in int(number).to_bytes(4, "little"):
            value = (value ^ byte) * 0x100000001B3 % 2**64
    return [len(ids), "%016x" % value]


def write(name, data):
    with open(OUT / (name + ".gz"), "wb") as file:
        file.write(gzip.compress(data, 9, mtime=0))


def main():
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write_tiny(folder)
        trained = train_all(folder)
        cases = text.strings()
        expected = {"strings": cases, "long": {}}
        for name, model in trained.items():
            path = folder / (name + ".model")
            path.write_bytes(model)
            proto = pb.ModelProto.FromString(model)
            charsmap = proto.normalizer_spec.precompiled_charsmap
            make = {"bytes": lambda: published_json(proto), "t5": lambda: t5_json(path), "symbols": lambda: symbols_json(proto)}
            said = make[name]().to_str()
            if name == "bytes":
                said = said.replace('"prepend_scheme":"always","split":true', '"add_prefix_space":true,"str_rep":"▁"')
                assert "str_rep" in said
            tokenizer = Tokenizer.from_str(said)
            spiece = sentencepiece.SentencePieceProcessor(model_proto=model)
            by_spiece = lambda s: spiece.encode(s) + [1]  # noqa: E731
            by_json = lambda s: tokenizer.encode(s).ids  # noqa: E731
            expected[name] = {"spiece": [by_spiece(s) for s in cases], "json": [by_json(s) for s in cases]}
            long = text.long_string()
            expected["long"][name] = {"spiece": hash_ids(by_spiece(long)), "json": hash_ids(by_json(long))}
            write("own.map" if name == "symbols" else "nmt_nfkc.map", charsmap)
            proto.normalizer_spec.ClearField("precompiled_charsmap")
            proto.normalizer_spec.ClearField("normalization_rule_tsv")
            proto.trainer_spec.ClearField("input")
            proto.ClearField("denormalizer_spec")
            write(name + ".model", proto.SerializeToString())
            whole = json.dumps(json.loads(said), ensure_ascii=False, separators=(",", ":"))
            whole = whole.replace(base64.b64encode(charsmap).decode(), MAP)
            assert MAP in whole
            write(name + ".json", whole.encode())
        write("expected.json", json.dumps(expected, ensure_ascii=True, separators=(",", ":")).encode())
        print("%d strings" % len(cases))


if __name__ == "__main__":
    sys.exit(main())
