#!/usr/bin/env python3
"""Trains the vocabulary of the prompts: vocabulary.py ATLAS ANNOTATIONS FOLDER writes FOLDER/spiece.model.

A Unigram model (Kudo, arXiv 1804.10959; the package sentencepiece) of SIZE pieces on captions of scenes, and on the names and
keywords of CLDR's ANNOTATIONS (see atlas.py), so that other plain words are not taken to pieces altogether; with T5's own numbers
for what is no piece (0 fills up, 1 ends, 2 unknown) and bytes for whatever it has no letters for.
"""
import pathlib
import random
import string
import sys
import xml.etree.ElementTree

import sentencepiece

from captions import caption
from draw import Atlas
from scenes import MANY, scenes

SIZE, CAPTIONS = 2000, 60000


def main():
    atlas, folder = Atlas(sys.argv[1]), pathlib.Path(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(5)
    lines = [caption(chance, scene, atlas.words) for scene in scenes(5, CAPTIONS, len(atlas), MANY)]
    lines += [chance.choice((name, name.capitalize(), name.title())) for words in atlas.words for name in words] * 20
    root = xml.etree.ElementTree.parse(sys.argv[2]).getroot()
    lines += [part.strip() for a in root.iter("annotation") for part in a.text.split("|")]
    lines += [string.ascii_letters, string.digits, string.punctuation] * 20
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_prefix=str(folder / "spiece"), vocab_size=SIZE, model_type="unigram",
        byte_fallback=True, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, character_coverage=1.0, hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc_cf", num_threads=1, minloglevel=1)
    (folder / "spiece.vocab").unlink()
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spiece.model"))
    print("%d pieces" % pieces.get_piece_size())
    longest = max(lines[:2000], key=lambda line: len(pieces.encode(line)))
    print(len(pieces.encode(longest)) + 1, "tokens:", longest)
    print(pieces.encode("An owl to the left of a cupcake, on a green meadow; Überraschung", out_type=str))


if __name__ == "__main__":
    main()
