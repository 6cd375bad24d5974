#!/usr/bin/env python3
"""Writes core/text/entity-table.c: HTML's named characters, from Python's html.entities (which has them from the W3C).

Usage: entity_table.py > core/text/entity-table.c
"""
from html.entities import html5


def main():
    names = sorted({name.rstrip(";") for name in html5})
    print("/* HTML's named characters (html.spec.whatwg.org, section 13.5), written by tests/reference/entity_table.py. A")
    print(" * record is the name, \"!\" where the name also counts without a semicolon, else a space, the characters in")
    print(" * hexadecimal with a comma between, and a semicolon. */")
    print('#include "text/entities.h"\n\nconst char pm_entity_table[] =')
    line = ""
    for name in names:
        assert html5[name + ";"] == html5.get(name, html5[name + ";"])
        item = "%s%s%s;" % (name, "!" if name in html5 else " ", ",".join("%x" % ord(c) for c in html5[name + ";"]))
        if len(line) + len(item) > 124:
            print('  "%s"' % line)
            line = ""
        line += item
    print('  "%s";' % line)


if __name__ == "__main__":
    main()
