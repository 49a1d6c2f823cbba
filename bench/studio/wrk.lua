-- Prints what wrk measured as one line of JSON; latencies are in microseconds.
done = function(summary, latency)
  local failed = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "bytes": %d, "p50": %d, "p99": %d, "longest": %d, "failed": %d}\n',
    summary.requests, summary.duration, summary.bytes,
    latency:percentile(50), latency:percentile(99), latency.max,
    failed.connect + failed.read + failed.write + failed.timeout + failed.status
  ))
end
