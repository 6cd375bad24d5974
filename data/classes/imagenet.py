#!/usr/bin/env python3
"""Writes imagenet-1k.json: the names of the 1000 classes of ILSVRC 2012, in the order in which models count them.

imagenet.py SYNSETS DATA_NOUN: the list of the 1000 synset numbers in ascending order ("n01440764", ... one a line; timm carries
it as timm/data/_info/imagenet_synsets.txt), and WordNet 3.0's dict/data.noun (Debian: wordnet-base). A number is the byte where
the synset's line begins; the line's words, all of them, are the names: what the class is called first, then synonyms.
The format of data.noun: wndb(5WN).
"""
import json
import pathlib
import sys


def words(data, synset):
    line = data[int(synset[1:]):].split(b"\n", 1)[0].decode("ascii").split(" ")
    assert synset[0] == "n" and line[0] == synset[1:] and line[2] == "n", synset
    count = int(line[3], 16)
    return [word.replace("_", " ") for word in line[4 : 4 + 2 * count : 2]]


def main():
    synsets = pathlib.Path(sys.argv[1]).read_text().split()
    data = pathlib.Path(sys.argv[2]).read_bytes()
    assert len(synsets) == 1000 and synsets == sorted(set(synsets))
    names = [", ".join(words(data, synset)) for synset in synsets]
    text = json.dumps(names, indent=0)
    pathlib.Path(__file__).with_name("imagenet-1k.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
