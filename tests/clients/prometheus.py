#!/usr/bin/env python3
"""A real Prometheus reads a gateway's metrics and answers the dashboard's queries.

    tests/clients/prometheus.py 127.0.0.1:15020 --expect 200=2 429=1

Starts Prometheus (Debian's package `prometheus`) on a port of its own, has it scrape the address, puts
every query of dashboards/agentgateway.json to it, and compares the status split with what is expected.
Exit code 0 if all is well, 1 if not, 77 if there is no Prometheus here.
"""

import argparse
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
VARIABLES = {"$__rate_interval": "5s", "$__range": "1m", "$__interval": "5s", "$gateway": ".*", "$replica": ".*"}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def dashboard_queries():
    dashboard = json.loads((ROOT / "dashboards/agentgateway.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], filled(target["expr"])
    for annotation in dashboard["annotations"]["list"]:
        yield annotation["name"], filled(annotation["expr"])


def filled(query):
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    return query


class Prometheus:
    def __init__(self, target, folder):
        self.port = free_port()
        config = pathlib.Path(folder) / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s}\n"
            f"scrape_configs: [{{job_name: gateway, static_configs: [{{targets: ['{target}']}}]}}]\n"
        )
        command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data"]
        command += [f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=error"]
        self.process = subprocess.Popen(command)

    def query(self, expression):
        url = f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)["data"]["result"]

    def wait_for(self, expression, limit=30):
        end = time.monotonic() + limit
        while time.monotonic() < end:
            try:
                if result := self.query(expression):
                    return result
            except OSError:
                pass
            time.sleep(0.5)
        raise SystemExit(f"Prometheus has no answer to {expression}")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def status_split(prometheus):
    result = prometheus.query("sum by (status) (agentgateway_requests_total)")
    return {one["metric"]["status"]: int(float(one["value"][1])) for one in result}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", help="address of the metrics")
    parser.add_argument("--expect", nargs="*", default=[], metavar="STATUS=COUNT", help="the status split")
    args = parser.parse_args()
    if not shutil.which("prometheus"):
        print("passed over: there is no prometheus here")
        sys.exit(77)
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        prometheus = Prometheus(args.target, folder)
        try:
            prometheus.wait_for("up == 1")
            prometheus.wait_for("count_over_time(agentgateway_requests_total[1m]) >= 3")
            for title, query in dashboard_queries():
                result = prometheus.query(query)
                print(f"{title}: {len(result)} series")
                # Nothing may have been evicted within the last seconds.
                if not result and title != "Evictions":
                    wrong.append(f"no answer to {query}")
            split = status_split(prometheus)
        finally:
            prometheus.stop()
    print("status split:", json.dumps(split, sort_keys=True))
    expected = {status: int(count) for status, count in (one.split("=") for one in args.expect)}
    if expected and expected != split:
        wrong.append(f"expected {expected}")
    for line in wrong:
        print("wrong:", line)
    sys.exit(1 if wrong else 0)


main()
