-- A plain chat completion for wrk, and a last line that a script can read.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"model":"sim","messages":[{"role":"user","content":"What is 2+2? Answer in one word."}]}'

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("RATE %.0f p50 %.0f us p99 %.0f us failed %d\n",
    summary.requests / (summary.duration / 1e6), latency:percentile(50), latency:percentile(99), failed))
end
