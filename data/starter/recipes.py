"""What differs between a graphics card, two processor cores, and a test that only asks whether everything runs."""

VAE = {"channels": (16, 32, 64, 80), "rate": 2e-3, "muon_rate": 0.01, "warm_up": 50, "kl": 5e-5, "noise": 0.0, "edges": 0.5,
       "crops": ((96, 0.8), (256, 0.2)), "held_out": 32}
RECIPES = {
    "gpu": {
        "minutes": {"vae": 5, "class": 8, "prompt": 11},
        "vae": VAE | {"channels": (24, 48, 64, 80), "pixels": 64 * 128 * 128, "crops": ((128, 0.8), (256, 0.2)), "cool_down": 0.3},
    },
    "cpu": {
        "minutes": {"vae": 1e9, "class": 1e9, "prompt": 1e9},
        "vae": VAE | {"pixels": 8 * 96 * 96, "cool_down": 0},
    },
    "smoke": {
        "minutes": {"vae": 0.05, "class": 0.05, "prompt": 0.05},
        "vae": VAE | {"channels": (8, 8, 8, 8), "pixels": 4 * 64 * 64, "crops": ((64, 1.0),), "held_out": 2, "warm_up": 2,
                      "cool_down": 0.5},
    },
}
EVERY = 110  # seconds between checkpoints
