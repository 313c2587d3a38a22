#!/usr/bin/env python3
"""A collector that speaks gRPC: OpenTelemetry's own service, and what it is sent.

    tests/clients/collector.py FILE LABSIM ARGS…

Listens on a port of loopback, runs `LABSIM ARGS… --traces http://127.0.0.1:PORT --traces-protocol grpc`, and compares what
came with FILE, the same run's traces as JSON: each span has to be there, the same in every field.
Needs the Python packages `opentelemetry-proto` and `grpcio`; without them the exit code is 77.
"""

import base64
import json
import subprocess
import sys
from concurrent import futures

try:
    import grpc
    from google.protobuf import json_format
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
except ImportError:
    print("passed over: there is no opentelemetry-proto or no grpcio here")
    sys.exit(77)

IDS = ("traceId", "spanId", "parentSpanId")


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps what it is sent."""

    def __init__(self):
        self.spans = []

    def Export(self, request, context):  # noqa: N802, the service's own name
        self.spans += spans_of(request)
        return trace_service_pb2.ExportTraceServiceResponse()


def spans_of(message):
    return [span for resource in message.resource_spans for scope in resource.scope_spans for span in scope.spans]


def with_binary_ids(export):
    """OTLP writes ids as hexadecimal digits, where protobuf's JSON has base64."""
    for resource in export["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                span.update({name: base64.b64encode(bytes.fromhex(span[name])).decode() for name in IDS if name in span})
    return export


def of_file(path):
    request = trace_service_pb2.ExportTraceServiceRequest
    exports = [json_format.ParseDict(with_binary_ids(json.loads(line)), request()) for line in open(path)]
    return [span for export in exports for span in spans_of(export)]


def main():
    path, *command = sys.argv[1:]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    collector = Collector()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        traces = ["--traces", f"http://127.0.0.1:{port}", "--traces-protocol", "grpc"]
        subprocess.run([*command, *traces], check=True, timeout=60, stdout=subprocess.DEVNULL)
    finally:
        server.stop(None)
    expected = of_file(path)
    assert expected, "the file has spans"
    assert collector.spans == expected, f"{len(collector.spans)} spans came, {len(expected)} are in the file"
    print(f"{len(expected)} spans came over gRPC, the same as in the file")


main()
