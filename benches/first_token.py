"""Time to the first byte of a stream's body, alternately at an upstream and at the gateway before it.

    benches/first_token.py UPSTREAM_PORT GATEWAY_PORT [TIMES]
"""

import socket
import statistics
import sys
import time

BODY = b'{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"What is 2+2?"}]}'


def connect(port):
    stream = socket.create_connection(("127.0.0.1", port))
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


def first_byte(stream):
    """Microseconds from the request to the first `data:`; reads the rest."""
    head = b"POST /stream HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    start = time.perf_counter_ns()
    stream.sendall(head % len(BODY) + BODY)
    received, first = b"", None
    while b"[DONE]\n\n" not in received or (b"chunked" in received and not received.endswith(b"0\r\n\r\n")):
        piece = stream.recv(65536)
        assert piece, received
        received += piece
        if first is None and b"data:" in received:
            first = time.perf_counter_ns()
    return (first - start) / 1000


def main():
    ports, times = [int(port) for port in sys.argv[1:3]], int(sys.argv[3]) if len(sys.argv) > 3 else 2000
    streams, all_times = [connect(port) for port in ports], ([], [])
    for _ in range(times):
        for stream, found in zip(streams, all_times):
            found.append(first_byte(stream))
    upstream, gateway = (statistics.median(found) for found in all_times)
    print(f"first token: {upstream:.0f} us at the upstream, {gateway:.0f} us at the gateway; adds {gateway - upstream:.0f} us")


main()
