#!/usr/bin/env python3
"""The figures in the last line of ./dev test: crashes, time-outs and missing cases count as failures."""
import os
import sys

import tree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import count  # noqa: E402

CASES = [
    ("all well", "OK", 0, "1..2\nok 1 /a\nok 2 /b\n", (2, 0, 0)),
    ("plan at the end", "OK", 0, "ok 1 /a\n# said\nok 2 /b\n1..2\n", (2, 0, 0)),
    ("one fails, one is skipped", "ERROR", 1, "1..3\nok 1 /a\nok 2 /b # SKIP no\nnot ok 3 /c\n", (1, 1, 1)),
    ("a crash in the second of three", "ERROR", -11, "1..3\nok 1 /a\n", (1, 2, 0)),
    ("a crash after the last", "ERROR", -6, "1..1\nok 1 /a\n", (1, 1, 0)),
    ("out of time", "TIMEOUT", -15, "1..2\nok 1 /a\n", (1, 1, 0)),
    ("out of time without a case", "TIMEOUT", -15, "", (0, 1, 0)),
    ("a failing status after good cases", "ERROR", 3, "1..1\nok 1 /a\n", (1, 1, 0)),
    ("nothing said", "SKIP", 0, "", (0, 1, 0)),
    ("skipped as a whole", "SKIP", 0, "1..0 # SKIP no display\n", (0, 0, 1)),
    ("skipped by status", "SKIP", 77, "", (0, 0, 1)),
    ("a test without cases", "OK", 0, "", (1, 0, 0)),
    ("a failing test without cases", "FAIL", 1, "", (0, 1, 0)),
    ("an unfinished case is no success", "ERROR", 1, "1..1\nnot ok 1 /a # TODO later\n", (0, 1, 0)),
]


def main():
    tap = tree.Tap()
    for name, result, status, out, expected in CASES:
        passed, failed, skipped = count.count({"name": "t", "result": result, "returncode": status, "stdout": out})
        found = (passed, len(failed), skipped)
        tap.case(name, [] if found == expected else ["counted %s, not %s" % (found, expected)])
    return tap.end()


sys.exit(main())
