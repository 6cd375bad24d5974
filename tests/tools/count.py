#!/usr/bin/env python3
"""count.py BUILD...: adds up the single cases of the last `meson test` in each build folder. The last line is
"N passed, N failed, N skipped"; the exit status is 1 when any failed or none ran. A test that crashed, ran out of time,
ended with an error or planned more cases than it reported counts at least one failure more."""
import json
import os
import re
import sys

CASE = re.compile(r"(not )?ok\b\s*(\d*)\s*(?:- )?(.*?)(?:\s*#\s*(skip|todo)\b.*)?$", re.IGNORECASE)
SAID = 12  # lines that a failed case may add below its name


def count(test):
    """(passed, [what failed], skipped) of one test of the log."""
    passed, failed, skipped, plan = 0, [], 0, None
    result, status = test["result"], test.get("returncode", 0)
    said = 0
    for line in (test.get("stdout") or "").split("\n"):
        match = CASE.match(line)
        if line.startswith("#") and said:
            failed[-1] += "\n    " + line
            said -= 1
        elif match:
            said = SAID if match.group(1) else 0
        planned = re.match(r"1\.\.(\d+)", line)
        if planned:
            plan = int(planned.group(1))
        elif match:
            bad, number, what, directive = match.groups()
            if directive and directive.lower() == "skip":
                skipped += 1
            elif bad:
                failed.append("%s: %s" % (test["name"], what or number))
            else:
                passed += 1
    seen = passed + len(failed) + skipped
    if seen == 0 and plan in (None, 0):
        if result == "OK":
            return 1, [], 0
        if result == "SKIP" and (plan == 0 or status == 77):
            return 0, [], 1
        return 0, ["%s: %s, status %s" % (test["name"], result, status)], 0
    if plan is None or plan != seen:
        failed.append("%s: %s of %s planned cases reported" % (test["name"], seen, plan))
        failed += [""] * ((plan or 0) - seen - 1)  # each counts, one line says it
    if not failed and (result not in ("OK", "SKIP") or status not in (0, 77)):
        failed.append("%s: %s, status %s" % (test["name"], result, status))
    return passed, failed, skipped


def main():
    passed, failed, skipped = 0, [], 0
    for folder in sys.argv[1:]:
        path = os.path.join(folder, "meson-logs", "testlog.json")
        if not os.path.exists(path):
            failed.append("%s: its tests did not run" % folder)
            continue
        with open(path, encoding="utf-8") as file:
            for line in file:
                one = count(json.loads(line))
                passed, failed, skipped = passed + one[0], failed + one[1], skipped + one[2]
    for what in filter(None, failed):
        print("failed: " + what)
    print("%d passed, %d failed, %d skipped" % (passed, len(failed), skipped))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
