"""What differs between a graphics card, two processor cores, and a test that only asks whether everything runs.

cool_down: the last part of a stage in which the learning rate falls to nothing; 0 where no end is known. pool: latents kept;
first: how many before training begins; fresh: new ones every fresh_every steps. world: what scenes are limited to (scenes.scene);
a painter knows no more than that. attention: how much it counts that words are looked at where the things are that they name.
"""
from scenes import MANY

VAE = {"channels": (16, 32, 64, 80), "rate": 2e-3, "muon_rate": 0.01, "warm_up": 50, "kl": 5e-5, "noise": 0.0, "edges": 0.5,
       "crops": ((96, 0.8), (256, 0.2)), "held_out": 32}
DECODER = {"pixels": 8 * 96 * 96, "crops": ((96, 1.0),), "cut": 2, "noise": 0.05, "edges": 0.5, "rate": 5e-4, "muon_rate": 3e-3,
           "warm_up": 30, "cool_down": 0.6}
PAINTER = {"width": 192, "depth": 8, "heads": 6, "rate": 1e-3, "muon_rate": 0.015, "warm_up": 100, "guidance": 2.5,
           "show_every": 500, "shown": 32, "world": {}}
TEXT = (192, 4, 6, 384)  # width, depth, heads, width of the MLP
TINY = {"width": 64, "depth": 2, "heads": 2, "patch": 4, "out": 4, "prediction": "v", "batch": 4, "pool": 32, "first": 16,
        "fresh": 2, "fresh_every": 4, "margin": 2, "wordings": 2, "warm_up": 2, "cool_down": 0.5, "shown": 2,
        "text": (64, 1, 2, 64), "attention": 0.2}
LEARNED = {"patch": 2, "out": 8, "prediction": "eps_learned_range", "batch": 512, "pool": 200000, "first": 60000, "fresh": 256,
           "fresh_every": 8, "margin": 0, "wordings": 1, "cool_down": 0.25, "text": TEXT, "attention": 0.2}
PLAIN = {"patch": 4, "out": 4, "prediction": "v", "batch": 48, "pool": 30000, "first": 1024, "fresh": 16, "fresh_every": 8,
         "margin": 4, "wordings": 4, "cool_down": 0.35, "text": TEXT, "attention": 0.2}
FEW = (0, 2, 4, 6, 7, 8, 10, 13, 21, 24, 26, 31, 32, 36, 40, 42, 47, 49, 52, 54, 57, 58, 66, 67, 68, 71, 74, 76, 77, 78, 79, 80,
       81, 82, 86, 87, 93, 101, 108, 111, 124, 129, 133, 134, 135, 140, 147, 170)  # lines of objects.tsv, from 0
LARGE = {"among": FEW, "sizes": (0.6, 0.9), "turn": 0.12}
COUPLES = {"one": 0.35, "beside": 0.35, "above": 0.2, "same": 0.1}  # layouts of scenes.MANY: three in a row are too small for it
# of the text alone; vague: how many captions of two things do not say where these are
WORDS = {"rate": 1e-3, "muon_rate": 3e-3, "warm_up": 50, "cool_down": 0.4, "vague": 0.15,
         "layouts": {"one": 0.15, "beside": 0.4, "above": 0.3, "same": 0.15}}
JUDGE = {"rate": 1e-3, "muon_rate": 0.01, "warm_up": 50, "cool_down": 0, "world": {}}
RECIPES = {
    "gpu": {
        "minutes": {"vae": 5, "decoder": 0, "class": 8, "text": 2, "prompt": 9, "judge": 1}, "keeps_pool": False,
        "compiles": True,
        "vae": VAE | {"channels": (24, 48, 64, 80), "pixels": 64 * 128 * 128, "crops": ((128, 0.8), (256, 0.2)),
                      "cool_down": 0.3},
        "class": PAINTER | LEARNED, "prompt": PAINTER | LEARNED, "judge": JUDGE | {"batch": 512, "cool_down": 0.3},
        "decoder": DECODER, "text": WORDS | {"batch": 1024, "layouts": MANY},
    },
    "cpu": {
        "minutes": {"vae": 95, "decoder": 5, "class": 78, "text": 5, "prompt": 83, "judge": 10}, "keeps_pool": True,
        "compiles": True,
        "vae": VAE | {"pixels": 8 * 96 * 96, "cool_down": 0.15},
        "class": PAINTER | PLAIN | {"wordings": 1, "first": 512, "fresh": 8, "world": LARGE, "guidance": 2.0},
        "prompt": PAINTER | PLAIN | {"world": LARGE | {"pair": (0.38, 0.48)}, "layouts": COUPLES},
        "judge": JUDGE | {"batch": 32, "cool_down": 0.3, "world": {"among": FEW}}, "decoder": DECODER,
        "text": WORDS | {"batch": 128},
    },
    "smoke": {
        "minutes": {"vae": 9, "decoder": 9, "class": 9, "text": 9, "prompt": 9, "judge": 9}, "steps": 4,
        "keeps_pool": False, "compiles": False,
        "vae": VAE | {"channels": (8, 8, 8, 8), "pixels": 4 * 64 * 64, "crops": ((64, 1.0),), "held_out": 2, "warm_up": 2,
                      "cool_down": 0.5},
        "class": PAINTER | TINY | {"out": 8, "prediction": "eps_learned_range"}, "prompt": PAINTER | TINY,
        "judge": JUDGE | {"batch": 4}, "decoder": DECODER | {"pixels": 2 * 96 * 96},
        "text": WORDS | {"batch": 4, "warm_up": 2},
    },
}
EVERY = 110  # seconds between checkpoints
