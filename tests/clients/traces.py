#!/usr/bin/env python3
"""Traces of the lab between the groups, read by OpenTelemetry's own messages.

    tests/clients/traces.py TRACES.json

Parses each line as an `ExportTraceServiceRequest`, strictly, and compares the two traces that the lab
compares: the mock's 429 and OpenAI's 200 differ in what the lab says, and in nothing else.
Needs the Python package `opentelemetry-proto`; without it the exit code is 77.
"""

import base64
import json
import sys

try:
    from google.protobuf import json_format
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
except ImportError:
    print("passed over: there is no opentelemetry-proto here")
    sys.exit(77)

SERVER, CLIENT = 2, 3
# What each of the two may have that the other has not, or has otherwise.
REQUEST = {
    "endpoint", "http.status", "trace.id", "span.id", "gen_ai.request.model", "gen_ai.response.model",
    "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "duration", "labsim.request", "labsim.provider",
    "labsim.group",
}
ATTEMPT = {
    "gen_ai.request.model", "gen_ai.response.model", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens",
    "server.address", "server.port", "http.response.status_code", "error.type", "labsim.provider", "labsim.group",
}


def with_binary_ids(export):
    """OTLP writes ids as hexadecimal digits, where protobuf's JSON has base64."""
    for resource in export["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for name, length in (("traceId", 16), ("spanId", 8), ("parentSpanId", 8)):
                    if name in span:
                        raw = bytes.fromhex(span[name])
                        assert len(raw) == length and any(raw), f"{name} {span[name]}"
                        span[name] = base64.b64encode(raw).decode()
    return export


def spans_of(path):
    for line in open(path):
        message = json_format.ParseDict(with_binary_ids(json.loads(line)), ExportTraceServiceRequest())
        for resource in message.resource_spans:
            names = [one.value.string_value for one in resource.resource.attributes if one.key == "service.name"]
            assert names == ["agentgateway"], names
            for scope in resource.scope_spans:
                yield from scope.spans


def attributes(span):
    keys = [one.key for one in span.attributes]
    assert len(keys) == len(set(keys)), f"an attribute stands twice: {keys}"
    return {one.key: one.value.SerializeToString() for one in span.attributes}


def different(one, other):
    one, other = attributes(one), attributes(other)
    return {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


def main():
    spans = list(spans_of(sys.argv[1]))
    requests = sorted((one for one in spans if one.kind == SERVER), key=lambda one: one.start_time_unix_nano)
    attempts = {one.parent_span_id: one for one in spans if one.kind == CLIENT}
    assert len(attempts) == len(requests) == len(spans) / 2, "a span for each request, and one for its attempt"
    for request in requests:
        attempt = attempts[request.span_id]
        assert attempt.trace_id == request.trace_id
        assert request.start_time_unix_nano <= attempt.start_time_unix_nano
        assert attempt.end_time_unix_nano <= request.end_time_unix_nano
    limited, answered = requests[0], requests[1]
    found = different(limited, answered)
    assert found == REQUEST, f"the requests differ in {sorted(found ^ REQUEST)}"
    limited, answered = attempts[limited.span_id], attempts[answered.span_id]
    found = different(limited, answered)
    assert found == ATTEMPT, f"the attempts differ in {sorted(found ^ ATTEMPT)}"
    assert [event.name for event in limited.events] == ["provider.evicted"] and not answered.events
    assert (limited.status.code, answered.status.code) == (2, 0)
    print(f"{len(spans)} spans; the lab's two traces differ in {', '.join(sorted(ATTEMPT))}, and in the eviction")


main()
