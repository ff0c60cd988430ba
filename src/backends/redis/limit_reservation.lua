-- Reservations of a limit, behind limit_series.lua: what is held, what is settled, what a demand
-- charges.

local function let_go(hold)
  for _, i in ipairs(hold[3]) do
    local s = series[i]
    if s and s[1] ~= kValues then
      s[3] = math.max(0, s[3] - hold[2])
    elseif s then
      local index, held = read_value(hold[4], s[2])
      if held == 1 and not index then s[3] = math.max(0, s[3] - 1) end
      if held > 0 then write_value(hold[4], s[2], index, held - 1) end
    end
  end
  limit.held = math.max(0, limit.held - 1)
  has_changed = true
end

local function hold_of(packed)
  local hold = cmsgpack.unpack(packed)
  if type(hold) == 'table' then return hold, hold[1] end
  return nil, hold
end

-- Reservations whose leases have ended, and settled ids that need not be known any more.
local function sweep()
  if now < limit.sweep then return end
  limit.sweep = kMost
  local all = redis.call('HGETALL', holds)
  local held = 0
  for i = 1, #all, 2 do
    local hold, ends = hold_of(all[i + 1])
    if ends <= now then
      if hold then let_go(hold) end
      redis.call('HDEL', holds, all[i])
    else
      if hold then held = held + 1 end
      limit.sweep = math.min(limit.sweep, hold and ends or now + kLease)
    end
  end
  limit.held = held
  has_changed = true
end

local function find_hold(id)
  local packed = redis.call('HGET', holds, id)
  if not packed then return nil, false end
  local hold, ends = hold_of(packed)
  return hold, not hold and ends > now
end

local function drop_hold(id, hold)
  if not hold then return end
  redis.call('HDEL', holds, id)
  let_go(hold)
end

local function settle(id)
  redis.call('HSET', holds, id, cmsgpack.pack(now + kSettled))
  limit.sweep = math.min(limit.sweep, now + kSettled)
  has_changed = true
end

-- The series that a demand charges; nil when there would be too many.
local function charged(demand)
  local all, known = {}, {}
  for _, check in ipairs(demand.checks) do
    local i = find(check.kind, check.period)
    if not i then
      if #series >= kMostSeries then return nil end
      i = #series + 1
      series[i] = check.kind == kBucket and {kBucket, check.period, 0, 0, 0, now, check.refill}
                                         or {check.kind, check.period, 0, 0, 0}
    end
    if not known[i] then all[#all + 1] = i end
    known[i] = true
  end
  return all
end

local function hold_units(demand, id, answer)
  local mine = limit.held < kMostHolds and charged(demand)
  if not mine then return {2} end
  for _, i in ipairs(mine) do
    local s = series[i]
    if s[1] ~= kValues then
      s[3] = s[3] + demand.n
    else
      local index, held = read_value(demand.value, s[2])
      if held == 0 and not index then s[3] = s[3] + 1 end
      write_value(demand.value, s[2], index, held + 1)
    end
  end
  local hold = {now + kLease, demand.n, mine, demand.value}
  for _, part in ipairs(answer) do hold[#hold + 1] = part end
  redis.call('HSET', holds, id, cmsgpack.pack(hold))
  limit.held = limit.held + 1
  limit.sweep = math.min(limit.sweep, now + kLease)
  limit.name = demand.name
  has_changed = true
  return answer
end
