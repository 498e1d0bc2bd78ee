-- For wrk: sends the requests of a file in turn, and prints what came of it as JSON.
local requests, count, at = {}, 0, 0

function init(args)
  local text = assert(io.open(args[1], "rb")):read("*a")
  local from = 1
  while true do
    local first, last = text:find("\n---\n", from, true)
    if not first then break end
    count = count + 1
    requests[count] = text:sub(from, first - 1)
    from = last + 1
  end
end

function request()
  at = at % count + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "refused": %d, "broken": %d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout
  ))
end
