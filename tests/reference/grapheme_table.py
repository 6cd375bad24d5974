#!/usr/bin/env python3
"""Writes core/text/grapheme-table.h: the properties that grapheme clusters are made of, as ranges of characters.

Source: Unicode 16.0 (GraphemeBreakProperty, emoji-data, DerivedCoreProperties), as the package regex 2025.9.18 knows it; the
library `tokenizers` 0.22 has the same version. Usage: grapheme_table.py > core/text/grapheme-table.h
"""
import regex

CLASSES = [("CONTROL", "GCB=CN"), ("EXTEND_LINKER", "InCB=Linker"), ("ZWJ", "GCB=ZWJ"), ("EXTEND", "InCB=Extend"),
           ("EXTEND_OTHER", "GCB=Extend"), ("REGIONAL", "GCB=RI"), ("PREPEND", "GCB=Prepend"), ("SPACING", "GCB=SM"),
           ("HANGUL_L", "GCB=L"), ("HANGUL_V", "GCB=V"), ("HANGUL_T", "GCB=T"), ("CONSONANT", "InCB=Consonant"),
           ("PICTURE", "ExtPict")]
SHORT = {"CONTROL": "C", "EXTEND_LINKER": "K", "ZWJ": "Z", "EXTEND": "E", "EXTEND_OTHER": "F", "REGIONAL": "R", "PREPEND": "P",
         "SPACING": "S", "HANGUL_L": "L", "HANGUL_V": "V", "HANGUL_T": "T", "CONSONANT": "N", "PICTURE": "X"}


def find_ranges():
    patterns = [(name, regex.compile(r"\p{%s}" % prop)) for name, prop in CLASSES]
    ranges = []
    for code in range(0x80, 0x110000):
        name = None
        if not 0xD800 <= code < 0xE000:
            char = chr(code)
            name = next((n for n, pattern in patterns if pattern.match(char)), None)
        if name is None:
            continue
        if ranges and ranges[-1][1] == code - 1 and ranges[-1][2] == name:
            ranges[-1][1] = code
        else:
            ranges.append([code, code, name])
    return ranges


def main():
    assert regex.__version__ == "2.5.162", "the table is of Unicode 16.0, so of regex 2025.9.18"
    linker, extend = regex.compile(r"\p{InCB=Linker}"), regex.compile(r"\p{GCB=Extend}")
    assert all(extend.match(chr(c)) for c in range(0x110000) if not 0xD800 <= c < 0xE000 and linker.match(chr(c)))
    items = ["{0x%X, 0x%X, %s}" % (first, last, SHORT[name]) for first, last, name in find_ranges()]
    print("/* Written by tests/reference/grapheme_table.py: properties of Unicode 16.0 that make grapheme clusters, without")
    print(" * ASCII and Hangul syllables. Letters as in grapheme.c. */")
    print("static const PmGraphemeRange ranges[] = {")
    line = " "
    for item in items:
        if len(line) + len(item) + 2 > 130:
            print(line)
            line = " "
        line += " " + item + ","
    print(line)
    print("};")


if __name__ == "__main__":
    main()
