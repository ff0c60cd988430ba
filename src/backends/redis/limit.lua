-- Reserve, peek, commit, release and renew; behind limit_decision.lua. Loads the limit of its key
-- first; save() is what the end of the script calls.

local function read_demand()
  local demand = {name = text(), n = number(), value = text(), checks = {}}
  for _ = 1, number() do
    local count, period = number(), number()
    demand.checks[#demand.checks + 1] =
        {kind = demand.value ~= '' and kValues or kUnits, count = count, period = period}
  end
  if number() == 1 then
    local capacity, refill, period = number(), number(), number()
    demand.checks[#demand.checks + 1] =
        {kind = kBucket, count = capacity, refill = refill, period = period}
  end
  return demand
end

-- To and from the keys.

local function load()
  local packed = redis.call('GET', main)
  if not packed then return end
  local known = cmsgpack.unpack(packed)
  if type(known) ~= 'table' or known[1] ~= kVersion then error('a limit of another version') end
  limit.name, limit.extra, limit.extra_until = known[2], known[3], known[4]
  limit.held, limit.sweep = known[5], known[6]
  for i = kHeader + 1, #known do series[i - kHeader] = known[i] end
end

-- Periods come and go with policies. Holds know their series by number: while there are any, none
-- moves.
local function drop_unused_series()
  if limit.held > 0 then return end
  local used = {}
  for _, s in ipairs(series) do
    s[3] = 0
    if has_use(s) then used[#used + 1] = s end
  end
  series = used
end

-- What counts stays longer than any first contact of a greylist; what does not goes first.
local function lifetime()
  local last = limit.extra > 0 and limit.extra_until or 0
  for _, s in ipairs(series) do last = math.max(last, end_of_use(s)) end
  if limit.held > 0 then last = math.max(last, now + kLease) end
  return last > now and last - now + margin or kSettled + kGrace
end

local function save()
  if not has_changed then return end
  drop_unused_series()
  local stays = digits(lifetime())
  redis.call('SET', main, cmsgpack.pack({kVersion, limit.name, limit.extra, limit.extra_until,
                                         limit.held, limit.sweep, unpack(series)}), 'PX', stays)
  redis.call('PEXPIRE', holds, limit.held > 0 and stays or digits(kSettled + kGrace))
  if has_values then redis.call('PEXPIRE', values, stays) end
end

load()
sweep()
for _, s in ipairs(series) do refresh(s) end
finish = save

function operations.reserve()
  local id, even_if_exceeded = text(), number() == 1
  local demand = read_demand()
  local hold, is_settled = find_hold(id)
  if hold then return {hold[5], hold[6], hold[7], hold[8], hold[9]} end
  local answer = decide(demand)
  local holds_it = (answer[1] == 1 or even_if_exceeded) and #demand.checks > 0
  if not holds_it or is_settled then return answer end
  return hold_units(demand, id, answer)
end

function operations.peek()
  return decide(read_demand())
end

function operations.commit()
  local id = text()
  local demand = read_demand()
  local hold, is_settled = find_hold(id)
  if is_settled then return {1} end
  drop_hold(id, hold)
  settle(id)
  local mine = charged(demand)
  if not mine then return {2} end
  for _, i in ipairs(mine) do
    local s = series[i]
    if s[1] == kUnits then add_units(s, demand.n) end
    if s[1] == kValues then add_value(s, demand.value) end
    if s[1] == kBucket then add_tokens(s, demand.n, demand.checks[#demand.checks].refill) end
  end
  if #mine > 0 then limit.name = demand.name end
  return {1}
end

function operations.release()
  local id = text()
  local hold, is_settled = find_hold(id)
  if is_settled then return {1} end
  drop_hold(id, hold)
  settle(id)
  return {1}
end

function operations.renew()
  local id = text()
  local hold = find_hold(id)
  if not hold then return {0} end
  hold[1] = now + kLease
  redis.call('HSET', holds, id, cmsgpack.pack(hold))
  has_changed = true  -- lifetimes are set again
  return {1}
end
