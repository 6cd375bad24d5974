#!/usr/bin/env python3
"""Writes imagenet-1k.json: the names of the 1000 classes of ILSVRC 2012, in the order in which models count them; and
imagenet-1k.LANG.json, their names in other languages, null where a class has none.

imagenet.py SYNSETS DATA_NOUN [LANG=TAB ...]: the list of the 1000 synset numbers in ascending order ("n01440764", ... one a line;
timm carries it as timm/data/_info/imagenet_synsets.txt), and WordNet 3.0's dict/data.noun (Debian: wordnet-base). A number is the
byte where the synset's line begins; the line's words, all of them, are the names: what the class is called first, then synonyms.
The format of data.noun: wndb(5WN). A TAB is a wordnet of the Open Multilingual Wordnet (github.com/omwn/omw-data, wns/README):
lines of "OFFSET-n", "LANG:lemma" and a word. Those bundled: ca=mcr/wn-data-cat.tab it=ita/wn-data-ita.tab
pl=pol/wn-data-pol.tab zh_CN=cow/wn-data-cmn.tab.
"""
import json
import pathlib
import sys


def words(data, synset):
    line = data[int(synset[1:]):].split(b"\n", 1)[0].decode("ascii").split(" ")
    assert synset[0] == "n" and line[0] == synset[1:] and line[2] == "n", synset
    count = int(line[3], 16)
    return [word.replace("_", " ") for word in line[4 : 4 + 2 * count : 2]]


def local_names(tab, synsets, english):
    """One text or None a synset. Words that English has too, mostly Latin, go last, and what differs by case alone comes once."""
    lemmas = {synset[1:] + "-n": {} for synset in synsets}
    for line in tab.read_text().splitlines()[1:]:
        key, kind, *rest = line.split("\t")
        if key in lemmas and kind.endswith("lemma"):
            word = " ".join(rest[0].replace("+", "").replace("_", " ").replace(",", " ").split())
            if word not in ("", "GAP!", "PSEUDOGAP!"):  # MultiWordNet's marks of what Italian has no word for
                lemmas[key].setdefault(word.casefold(), word)
    names = []
    for found, known in zip(lemmas.values(), english):
        known = {word.casefold() for word in known}
        names.append(", ".join(found[key] for key in sorted(found, key=known.__contains__)) or None)
    return names


def write(names, file):
    text = json.dumps(names, indent=0, ensure_ascii=False)
    pathlib.Path(__file__).with_name(file).write_text(text + "\n")


def main():
    synsets = pathlib.Path(sys.argv[1]).read_text().split()
    data = pathlib.Path(sys.argv[2]).read_bytes()
    assert len(synsets) == 1000 and synsets == sorted(set(synsets))
    english = [words(data, synset) for synset in synsets]
    write([", ".join(names) for names in english], "imagenet-1k.json")
    for argument in sys.argv[3:]:
        language, tab = argument.split("=", 1)
        names = local_names(pathlib.Path(tab), synsets, english)
        write(names, f"imagenet-1k.{language}.json")
        print(f"{language}: {sum(name is not None for name in names)} of {len(names)} classes")


if __name__ == "__main__":
    main()
