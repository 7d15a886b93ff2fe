"""Counts a JUnit report: prints `passed failed skipped` on standard output, names failures on standard error."""

import os
import sys
import xml.etree.ElementTree as tree


def outcome(case):
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "skipped" if case.find("skipped") is not None else "passed"


def main(path):
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    cases = tree.parse(path).iter("testcase") if os.path.exists(path) else []
    for case in cases:
        kind = outcome(case)
        counts[kind] += 1
        if kind == "failed":
            print(f"failed: {case.get('classname')} {case.get('name')}", file=sys.stderr)
    print(counts["passed"], counts["failed"], counts["skipped"])


main(sys.argv[1])
