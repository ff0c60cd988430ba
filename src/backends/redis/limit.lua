
-- Reserve and commit, and what they read and write.

local function read_demand()
  local at = next_argument
  demand.name, demand.n, demand.value = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2]
  demand.kind = kUnits
  if demand.value ~= '' then
    demand.kind = kValues
    make_values()
  end
  demand.checks = tonumber(ARGV[at + 3])
  at = at + 4
  for c = 1, demand.checks do
    demand.count[c], demand.period[c] = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
    demand.refill[c] = nil
    at = at + 2
  end
  next_argument = at + 1
  if ARGV[at] ~= '1' then return end
  make_buckets()
  local c = demand.checks + 1
  demand.checks = c
  demand.count[c], demand.refill[c] = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  demand.period[c] = tonumber(ARGV[at + 3])
  next_argument = at + 4
end

-- Takes the limit of the keys that begin there.
local function begin(at)
  limit.main, limit.holds, limit.values = KEYS[at], KEYS[at + 1], KEYS[at + 2]
  limit.margin = number()
  limit.name, limit.extra, limit.extra_until, limit.held, limit.sweep_at = '', 0, 0, 0, kMost
  limit.series, limit.n = {}, 0
  limit.has_changed, limit.has_values = false, false
  local packed = call('GET', limit.main)
  if not packed then return end
  local known = unpack_packed(packed)
  if type(known) ~= 'table' or known[1] ~= kVersion then error('a limit of another version') end
  limit.name, limit.extra, limit.extra_until = known[2], known[3], known[4]
  limit.held, limit.sweep_at = known[5], known[6]
  limit.n = #known - kHeader
  for i = 1, limit.n do
    local s = known[i + kHeader]
    limit.series[i] = s
    if s[1] == kValues then make_values() elseif s[1] == kBucket then make_buckets() end
  end
  if now >= limit.sweep_at then
    make_changes()
    limit.sweep()
  end
  for i = 1, limit.n do
    local s = limit.series[i]
    if s[1] ~= kBucket and s[kFirstOffset] and expiry(s[5] + s[kFirstOffset], s[2]) <= now then
      make_changes()
      limit.refresh(s)
    end
  end
end

-- What counts stays longer than any first contact of a greylist; what does not goes first. Periods
-- come and go with policies: what counts nothing is left out, but holds know their series by
-- number, and while there are any none moves.
local function finish()
  if not limit.has_changed then return end
  local last, n = limit.extra > 0 and limit.extra_until or 0, 0
  for i = 1, limit.n do
    local s = limit.series[i]
    if limit.held == 0 then s[3] = 0 end
    local ends = end_of_use(s)
    if ends > last then last = ends end
    if limit.held > 0 or ends > 0 then
      n = n + 1
      limit.series[n] = s
    end
  end
  for i = n + 1, limit.n do limit.series[i] = nil end
  if limit.held > 0 and last < now + kLease then last = now + kLease end
  local stays = last > now and digits(last - now + limit.margin) or digits(kSettled + kGrace)
  call('SET', limit.main, pack({kVersion, limit.name, limit.extra, limit.extra_until, limit.held,
                                limit.sweep_at, unpack(limit.series)}), 'PX', stays)
  call('PEXPIRE', limit.holds, limit.held > 0 and stays or digits(kSettled + kGrace))
  if limit.has_values then call('PEXPIRE', limit.values, stays) end
end

local make = {}  -- operations by their names

function make.reserve()
  make_decisions()

  function operations.reserve()
    local id, even_if_exceeded = ARGV[next_argument], ARGV[next_argument + 1] == '1'
    next_argument = next_argument + 2
    read_demand()
    local hold, is_settled = find_hold(id)
    if hold then return {hold[5], hold[6], hold[7], hold[8], hold[9]} end
    local answer = limit.decide()
    local holds_it = (answer[1] == 1 or even_if_exceeded) and demand.checks > 0
    if not holds_it or is_settled then return answer end
    return limit.hold_units(id, answer)
  end
end

function make.commit()
  make_changes()

  function operations.commit()
    local id = text()
    read_demand()
    local hold, is_settled = find_hold(id)
    if is_settled then return {1} end
    limit.settle(id, hold)
    local mine = charged()
    if not mine then return {2} end
    for m = 1, #mine do
      local s = limit.series[mine[m]]
      local kind = s[1]
      if kind == kUnits then
        limit.add_units(s, demand.n)
      elseif kind == kValues then
        limit.add_value(s, demand.value)
      else
        limit.add_tokens(s, demand.n, demand.refill[demand.checks])
      end
    end
    if #mine > 0 then limit.name = demand.name end
    return {1}
  end
end
