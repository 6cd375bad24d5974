#!/usr/bin/env python3
"""Draws the objects of objects.tsv from Noto Color Emoji into one sheet: atlas.py FONT ANNOTATIONS FOLDER.

FONT: NotoColorEmoji.ttf (Debian: fonts-noto-color-emoji). ANNOTATIONS: CLDR's common/annotations/en.xml (Debian:
unicode-cldr-core), from which come the names; where objects.tsv gives a plainer name, that one is used and CLDR's is another
word for the same thing. Writes FOLDER/atlas.png, [rows of 16 cells of CELL x CELL, RGBA], and FOLDER/atlas.json: the names of
every object, the first one being the class.
"""
import json
import pathlib
import sys
import xml.etree.ElementTree

from PIL import Image, ImageDraw, ImageFont

CELL, LONG, COLUMNS = 144, 120, 16  # a cell, the object's longer side in it, cells in a row
STRIKE = 109  # the only size in which the font has pictures


def read_objects():
    lines = (pathlib.Path(__file__).with_name("objects.tsv")).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line]


def read_names(path):
    root = xml.etree.ElementTree.parse(path).getroot()
    return {a.get("cp"): a.text for a in root.iter("annotation") if a.get("type") == "tts"}


def draw(font, emoji):
    image = Image.new("RGBA", (STRIKE * 2, STRIKE * 2), (0, 0, 0, 0))
    ImageDraw.Draw(image).text((20, 20), emoji, font=font, embedded_color=True)
    image = image.crop(image.getbbox())
    scale = LONG / max(image.size)
    size = [max(1, round(side * scale)) for side in image.size]
    pixels = image.convert("RGBa").resize(size, Image.Resampling.LANCZOS).convert("RGBA")  # premultiplied while scaling
    cell = Image.new("RGBA", (CELL, CELL), (0, 0, 0, 0))
    cell.paste(pixels, ((CELL - size[0]) // 2, (CELL - size[1]) // 2))
    return cell


def main():
    font = ImageFont.truetype(sys.argv[1], STRIKE)
    cldr, folder, objects = read_names(sys.argv[2]), pathlib.Path(sys.argv[3]), read_objects()
    folder.mkdir(parents=True, exist_ok=True)
    sheet = Image.new("RGBA", (COLUMNS * CELL, -(-len(objects) // COLUMNS) * CELL), (0, 0, 0, 0))
    names = []
    for i, (emoji, *words) in enumerate(objects):
        sheet.paste(draw(font, emoji), (i % COLUMNS * CELL, i // COLUMNS * CELL))
        names.append(list(dict.fromkeys(words + [cldr[emoji].lower()])))
    taken = [name for own in names for name in own]
    assert len(taken) == len(set(taken)), sorted(n for n in set(taken) if taken.count(n) > 1)
    sheet.save(folder / "atlas.png", optimize=True)
    (folder / "atlas.json").write_text(json.dumps({"cell": CELL, "long": LONG, "names": names}, indent=0) + "\n")
    print("%d objects, %d words" % (len(names), len(taken)))


if __name__ == "__main__":
    main()
