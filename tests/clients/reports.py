#!/usr/bin/env python3
"""Reads the reports of one `labsim run` with parsers that know nothing of labsim, and compares them.

    labsim run scenarios --report junit=r.xml --report json=r.json --report tap=r.tap
    tests/clients/reports.py r.xml r.json r.tap

Exit code 0 if they are well-formed and say the same, 1 if not.
"""

import json
import re
import sys
import xml.etree.ElementTree as xml


def of_junit(path):
    root = xml.parse(path).getroot()
    outcomes = []
    for suite in root.iter("testsuite"):
        cases = suite.findall("testcase")
        failures = sum(case.find("failure") is not None for case in cases)
        errors = sum(case.find("error") is not None for case in cases)
        told = [int(suite.get(name)) for name in ("tests", "failures", "errors")]
        assert told == [len(cases), failures, errors], f"{suite.get('name')}: {told}"
        names = [(case.get("classname"), case.get("name")) for case in cases]
        assert len(set(names)) == len(names), f"{suite.get('name')}: names twice"
        for case in cases:
            kind = "fail" if case.find("failure") is not None else "unknown" if case.find("error") is not None else "pass"
            outcomes.append(kind)
    totals = [sum(int(suite.get(name)) for suite in root.iter("testsuite")) for name in ("tests", "failures", "errors")]
    assert totals == [int(root.get(name)) for name in ("tests", "failures", "errors")], "totals"
    return outcomes


def of_json(path):
    report = json.load(open(path, encoding="utf-8"))
    assert report["labsim_report"] == 1
    assert report["passed"] + report["failed"] + report["unknown"] == len(report["runs"])
    return [finding["outcome"] for run in report["runs"] for finding in run["findings"]]


def of_tap(path):
    lines = open(path, encoding="utf-8").read().splitlines()
    assert lines[0] == "TAP version 14"
    first, last = map(int, re.fullmatch(r"(\d+)\.\.(\d+)", lines[1]).groups())
    points = [re.fullmatch(r"(not )?ok (\d+) - .*", line) for line in lines]
    points = [point for point in points if point]
    assert [int(point[2]) for point in points] == list(range(first, last + 1)), "numbers"
    severities = iter(re.findall(r"^  severity: (\w+)$", "\n".join(lines), re.MULTILINE))
    return [next(severities) if point[1] else "pass" for point in points]


def main():
    junit, report, tap = of_junit(sys.argv[1]), of_json(sys.argv[2]), of_tap(sys.argv[3])
    if not junit == report == tap:
        sys.exit(f"they differ:\njunit {junit}\njson  {report}\ntap   {tap}")
    print(f"{len(junit)} findings, the same in all three")


main()
