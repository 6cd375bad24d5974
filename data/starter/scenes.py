"""What a scene is, and chance that makes one: which objects stand where, on which ground. Plain Python numbers; draw.py paints
scenes, captions.py describes them.

Places and sizes are parts of the picture's side, from its upper left corner. Some pairs of objects and some places of objects are
held out: training never sees them, measuring asks for them.
"""
import random
from dataclasses import dataclass

GROUNDS = ("plain", "graded", "sky", "sea", "meadow", "night", "snow", "desert", "stripes", "dots", "checks")
COLOURED = {"plain": 1, "graded": 2, "stripes": 2, "dots": 2, "checks": 2}  # grounds and how many colours of the list they take
COLOURS = (
    ("white", (0.97, 0.97, 0.97)), ("grey", (0.72, 0.73, 0.75)), ("black", (0.14, 0.14, 0.17)), ("brown", (0.66, 0.48, 0.34)),
    ("red", (0.89, 0.40, 0.38)), ("orange", (1.00, 0.72, 0.42)), ("yellow", (1.00, 0.90, 0.50)), ("green", (0.56, 0.80, 0.50)),
    ("light blue", (0.74, 0.89, 0.99)), ("blue", (0.42, 0.62, 0.92)), ("purple", (0.70, 0.56, 0.86)),
    ("pink", (1.00, 0.74, 0.82)),
)
LEAST = 80 / 256  # an object's longer side
N_NUMBERS = 16  # chance that a ground takes


@dataclass
class Place:
    x: float  # of the centre
    y: float
    size: float  # of the longer side
    angle: float  # radians
    mirrored: bool


@dataclass
class Scene:
    layout: str  # one, beside, above, same, row; beside: the first is left; above: the first is above
    objects: list
    places: list
    ground: str
    colours: tuple  # of COLOURS
    numbers: list


def is_pair_held_out(a, b):
    low, high = min(a, b), max(a, b)
    return low != high and (low * 7919 + high * 10473 + low * high) % 10 == 0


def is_place_held_out(thing, place):
    """One object of six is never alone in the upper left quarter."""
    return thing % 6 == 0 and place.x < 0.5 and place.y < 0.5


def _place(chance, x, y, size, turn=0.26):
    return Place(x, y, size, chance.uniform(-turn, turn), chance.random() < 0.5)


def _alone(chance, sizes, turn):
    size = chance.uniform(*sizes)
    free = 1 - size * 0.96
    return _place(chance, 0.5 + free * chance.uniform(-0.5, 0.5), 0.5 + free * chance.uniform(-0.5, 0.5), size, turn)


def _two(chance, layout, pair):
    """Two that do not overlap: one behind the other along one axis, anywhere along the other."""
    sizes = [chance.uniform(*pair), chance.uniform(*pair)]
    if layout == "same" and chance.random() < 0.5:
        sizes = [sizes[0]] * 2
    along = [0.26 + chance.uniform(-0.03, 0.04), 0.74 + chance.uniform(-0.04, 0.03)]
    across = [chance.uniform(0.3, 0.7) for _ in sizes]
    if layout == "above":
        return [_place(chance, across[i], along[i], sizes[i]) for i in range(2)]
    return [_place(chance, along[i], across[i], sizes[i]) for i in range(2)]


def _row(chance):
    return [_place(chance, x + chance.uniform(-0.01, 0.01), chance.uniform(0.34, 0.66), chance.uniform(LEAST, 0.33))
            for x in (0.175, 0.5, 0.825)]


def _ground(chance, grounds):
    ground = chance.choice(grounds)
    colours = tuple(chance.sample(range(len(COLOURS)), COLOURED.get(ground, 0)))
    return ground, colours, [chance.random() for _ in range(N_NUMBERS)]


def _objects(chance, among, layout, held):
    n = {"one": 1, "same": 1, "row": 3}.get(layout, 2)
    while True:
        things = chance.sample(among, n)
        pairs = [is_pair_held_out(a, b) for i, a in enumerate(things) for b in things[:i]]
        if held == "pairs" and n == 2 and not any(pairs):
            continue
        if held != "pairs" and any(pairs):
            continue
        return things * 2 if layout == "same" else things


def scene(chance, n_objects, layouts, held="", grounds=GROUNDS, among=None, sizes=(0.42, 0.85), turn=0.26,
          pair=(LEAST, 0.46)):
    """layouts: {name: weight}. held: "": nothing that is held out; "pairs" or "places": only such, where the layout can.
    among: the only objects that there are; sizes and turn (radians at most): of one that is alone; pair: sizes of two."""
    among = among or range(n_objects)
    layout = chance.choices(list(layouts), list(layouts.values()))[0]
    things = _objects(chance, among, layout, held)
    if layout == "one":
        if held == "places":
            things = [chance.choice([thing for thing in among if thing % 6 == 0])]
        while True:
            places = [_alone(chance, sizes, turn)]
            if is_place_held_out(things[0], places[0]) == (held == "places"):
                break
    else:
        places = _row(chance) if layout == "row" else _two(chance, layout, pair)
    return Scene(layout, things, places, *_ground(chance, grounds))


def room(one):
    """(left, right, up, down): by how much less or more of x and y a picture's window may begin, all things still being in it and
    none where it is held out."""
    far = [(p.x - 0.48 * p.size, p.x + 0.48 * p.size, p.y - 0.48 * p.size, p.y + 0.48 * p.size) for p in one.places]
    left, right = max(0.0, 1 - max(f[1] for f in far)), max(0.0, min(f[0] for f in far))
    up, down = max(0.0, 1 - max(f[3] for f in far)), max(0.0, min(f[2] for f in far))
    if one.layout == "one" and one.objects[0] % 6 == 0:
        if one.places[0].x >= 0.5:
            right = min(right, one.places[0].x - 0.5)
        else:
            down = min(down, one.places[0].y - 0.5)
    return left, right, up, down


ONE = {"one": 1}
MANY = {"one": 0.3, "beside": 0.32, "above": 0.14, "same": 0.1, "row": 0.14}


def scenes(seed, n, n_objects, layouts, held="", **world):
    chance = random.Random(seed)
    return [scene(chance, n_objects, layouts, held, **world) for _ in range(n)]
