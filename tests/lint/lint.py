#!/usr/bin/env python3
"""Checks of the sources, as TAP: lint.py TOP. What a reader would otherwise have to watch for."""
import sys

import layers
import manners
import records
import sizes
import tree


def main():
    files = tree.Tree(sys.argv[1] if len(sys.argv) > 1 else ".")
    tap = tree.Tap()
    for check in (layers, sizes, manners, records):
        check.run(files, tap)
    return tap.end()


sys.exit(main())
