#!/usr/bin/env python3
"""Trains the starter models: train.py --recipe gpu|cpu|smoke --atlas FOLDER --state FOLDER
[--stages vae,decoder,judge,class,text,prompt] [--wall SECONDS] [--rank 0 --of 1].

Everything that a later start needs is in the state's folder; a stage goes on where its files say it was, and ends after the
recipe's minutes, or on SIGTERM. The atlas comes from atlas.py. See README.md.
"""
import argparse
import functools
import os
import signal
import sys

import torch

import judge
import train_dit
import train_text
import train_vae
from draw import Atlas
from recipes import RECIPES
from together import Together

STAGES = {"vae": train_vae.train, "decoder": train_vae.train_decoder, "judge": judge.train,
          "class": functools.partial(train_dit.train, "class"), "text": train_text.train,
          "prompt": functools.partial(train_dit.train, "prompt")}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--recipe", choices=list(RECIPES), required=True)
    parser.add_argument("--atlas", required=True)
    parser.add_argument("--state", required=True)
    parser.add_argument("--stages", default=",".join(STAGES))
    parser.add_argument("--minutes", type=float, help="of every stage, instead of the recipe's")
    parser.add_argument("--rank", type=int, default=0, help="which of the processes that train the painters together")
    parser.add_argument("--of", type=int, default=1, help="how many processes")
    parser.add_argument("--wall", type=float, help="seconds after which this start ends, whatever the stage")
    options = parser.parse_args()
    if options.wall:
        signal.signal(signal.SIGALRM, lambda number, frame: os.kill(os.getpid(), signal.SIGTERM))
        signal.alarm(int(options.wall))
    recipe = RECIPES[options.recipe]
    torch.manual_seed(1 + options.rank)
    together = Together(options.rank, options.of)
    atlas = Atlas(options.atlas, "cuda" if torch.cuda.is_available() else "cpu")
    for stage in options.stages.split(","):
        minutes = options.minutes or recipe["minutes"][stage]
        more = (together,) if stage in ("class", "text", "prompt") else ()
        if not STAGES[stage](atlas, recipe, options.state, minutes, *more):
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
