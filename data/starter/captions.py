"""Describes scenes in words, in several ways. The last way of every list is held out: measuring asks for it, training never does.

Names come from the atlas: the first word of an object most of the time, else another one for the same thing.
"""
from scenes import COLOURS

OWNER = 4096  # more than there are pieces
N_TOKENS = 40  # of a caption, the end included; the longest have fewer
ALREADY_MANY = {"grapes", "cherries", "pancakes", "french fries", "books"}
UNCOUNTED = {"popcorn", "broccoli"}
LIKE_CONSONANTS = ("uni", "ufo")
IRREGULAR = {"mouse": "mice", "sheep": "sheep", "fish": "fish", "tropical fish": "tropical fish", "blowfish": "blowfish",
             "pufferfish": "pufferfish", "squid": "squid", "cactus": "cacti", "maple leaf": "maple leaves", "mouse face": "mice",
             "hourglass not done": "hourglasses", "sun with face": "suns with faces"}

GROUNDS = {
    "plain": ["on a {0} background", "on {0}", "with a {0} background", "in front of a {0} wall"],
    "graded": ["on a {0} and {1} gradient", "on a background from {0} to {1}", "where {0} fades into {1}"],
    "sky": ["in the sky", "in a blue sky", "among the clouds", "under a cloudy sky"],
    "sea": ["at the sea", "by the sea", "on the blue sea", "on the ocean"],
    "meadow": ["on a green meadow", "on a meadow", "on the grass", "in a green field"],
    "night": ["at night", "under the stars", "in the starry night", "on a dark starry night"],
    "snow": ["in the snow", "on a snowy hill", "in winter", "while it snows"],
    "desert": ["in the desert", "on the sand", "on a sand dune", "in a sandy desert"],
    "stripes": ["on {0} and {1} stripes", "on a background with {0} and {1} stripes", "in front of {0} and {1} stripes"],
    "dots": ["on {0} with {1} dots", "on a {0} background with {1} dots", "in front of {1} dots on {0}"],
    "checks": ["on a {0} and {1} chequered background", "on {0} and {1} checks", "in front of {0} and {1} squares"],
}
ONE = ["{a}", "{a}", "a picture of {a}", "one {bare}", "just {a}"]
BESIDE = ["{a} on the left and {b} on the right", "{a} to the left of {b}", "{b} to the right of {a}", "{a} left of {b}",
          "on the left {a}, on the right {b}"]
ABOVE = ["{a} above {b}", "{b} below {a}", "{a} over {b}", "{b} under {a}", "{a} at the top and {b} at the bottom"]
TOGETHER = ["{a} and {b}", "{a} and {b}", "{a} with {b}", "{a} next to {b}", "{a} beside {b}"]  # says nothing of places
ROW = ["{a}, {b} and {c}", "{a}, {b} and {c} in a row", "from left to right {a}, {b} and {c}", "{a} with {b} and {c}"]
SAME = ["two {many}", "two {many}", "a pair of {many}", "two {many} together"]
SAME_BESIDE = ["two {many}, the {side} one larger", "two {many}, the {other} one smaller",
                "two {many}, the bigger one on the {side}"]


def with_article(name):
    if name in ALREADY_MANY or name in UNCOUNTED:
        return "some " + name
    vowel = name[0] in "aeiou" and not name.startswith(LIKE_CONSONANTS) or name == "hourglass"
    return ("an " if vowel else "a ") + name


def plural(name):
    if name in ALREADY_MANY or name in UNCOUNTED:
        return "portions of " + name
    for middle in (" of ", " with "):
        if middle in name:
            first, rest = name.split(middle, 1)
            return plural(first) + middle + rest
    if name in IRREGULAR:
        return IRREGULAR[name]
    if name.endswith(("s", "x", "ch", "sh")):
        return name + "es"
    if name.endswith("y") and name[-2] not in "aeiou":
        return name[:-1] + "ies"
    return name + "s"


def _choose(chance, ways, held):
    return ways[-1] if held else chance.choice(ways[:-1])


def _name(chance, words):
    return words[0] if len(words) == 1 or chance.random() < 0.7 else chance.choice(words[1:])


def _things(chance, scene, names, held, vague):
    articled = [with_article(name) for name in names]
    if scene.layout == "one":
        bare = names[0] if names[0] not in ALREADY_MANY | UNCOUNTED else "portion of " + names[0]
        return _choose(chance, ONE, held).format(a=articled[0], bare=bare)
    if scene.layout == "row":
        return _choose(chance, ROW, held).format(a=articled[0], b=articled[1], c=articled[2])
    if scene.layout == "same":
        sizes = [place.size for place in scene.places]
        if max(sizes) > 1.15 * min(sizes) and chance.random() < 0.6:
            side, other = ("left", "right") if sizes[0] > sizes[1] else ("right", "left")
            return _choose(chance, SAME_BESIDE, held).format(many=plural(names[0]), side=side, other=other)
        return _choose(chance, SAME, held).format(many=plural(names[0]))
    sizes = [place.size for place in scene.places]
    if not held and chance.random() < 0.2 and max(sizes) > 1.25 * min(sizes):
        first = sizes[0] > sizes[1]
        articled = ["a %s %s" % ("big" if big else "small", name) if name not in ALREADY_MANY | UNCOUNTED else "some " + name
                    for name, big in zip(names, (first, not first))]
    if chance.random() < vague:
        order = chance.sample(articled, 2)
        return _choose(chance, TOGETHER, held).format(a=order[0], b=order[1])
    return _choose(chance, BESIDE if scene.layout == "beside" else ABOVE, held).format(a=articled[0], b=articled[1])


def caption(chance, scene, words, held=False, vague=0.4):
    """One sentence; words: of every object of the atlas, its names. held: only ways that training does not have; vague: how many
    of those with two things do not say where these are."""
    names = [_name(chance, words[thing]) for thing in scene.objects]
    if scene.layout == "same":
        names = [names[0]] * 2
    text = _things(chance, scene, names, held, vague)
    if chance.random() < 0.85:
        colours = [COLOURS[c][0] for c in scene.colours]
        text += " " + _choose(chance, GROUNDS[scene.ground], held).format(*colours).replace(" a orange", " an orange")
    return text


def named(text, scene, words):
    """[(first, end, which)]: where a caption names a thing, which counts from 1; of two of one kind both are the first."""
    found = []
    for which, thing in enumerate(dict.fromkeys(scene.objects), 1):
        forms = [form for name in words[thing] for form in (name, plural(name)) if form in text]
        if forms:
            longest = max(forms, key=len)
            found.append((text.index(longest), text.index(longest) + len(longest), which))
    return found


def encode_text(pieces, text, named=()):
    """Padded ids of a caption, the end (1) included, plus OWNER times the number of the thing that a token names."""
    ids, at = [], -1  # the first piece begins with a space that the text has not
    for piece in pieces.encode(text, out_type=str)[: N_TOKENS - 1]:
        which = next((which for first, end, which in named if at < end and at + len(piece) > first), 0)
        ids.append(pieces.piece_to_id(piece) + OWNER * which)
        at += len(piece)
    ids.append(1)
    return ids + [0] * (N_TOKENS - len(ids))


def read_pieces(folder):
    import sentencepiece

    return sentencepiece.SentencePieceProcessor(model_file=str(folder / "spiece.model"))
