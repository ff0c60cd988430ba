-- The limits of one key: what was used in sub-windows, buckets and as distinct values, and what
-- sessions hold of it. The arithmetic is that of backends/sub_window.h; numbers above 2^53 stay
-- there.
--
-- KEYS[2]  all but the following, packed: version, name, extra, its end, holds, next sweep, series
-- KEYS[3]  hash: reservation -> what it holds; or, once it is settled, until when that is known
-- KEYS[4]  hash: 8 bytes of a value's hash and a period -> "SUB-WINDOW,HOLDS" ('' if it is not used)
--
-- One series for each kind and period:
--   units, values  {kind, period, reserved, used, base, offset, n, offset, n, ...}: sub-windows with
--                  something in them, oldest first, numbered from base
--   bucket         {kind, period, reserved, whole, part, at, refill}: whole + part/period tokens are
--                  missing at that time
local kVersion = 1
local kUnits, kValues, kBucket = 1, 2, 3
local kSubWindows = 60
local kFirstOffset = 6
local kLease = 60000
local kSettled = 120000
local kGrace = 5000             -- a settled id stays so much longer than it counts
local kLongest = 3155760000000  -- 100 years
local kMostSeries, kMostHolds, kMostValues = 64, 100000, 100000
local kHeader = 6               -- elements before the series

local main, holds, values = KEYS[2], KEYS[3], KEYS[4]
local margin = number()  -- ms that a limit stays longer than it counts, so that a flood evicts itself

local limit = {name = '', extra = 0, extra_until = 0, held = 0, sweep = kMost}
local series = {}
local has_changed, has_values = false, false

-- Whole numbers.

local function sub_window(period)
  return math.ceil(now * kSubWindows / period)
end

local function expiry(index, period)
  return math.ceil((index + kSubWindows) * period / kSubWindows)
end

-- floor(a * b / m) and the rest of it, for a < m <= kLongest.
local function multiply_divide(a, b, m)
  if a * b < kMost then
    local quotient = math.floor(a * b / m)
    return quotient, a * b - quotient * m
  end
  local quotient, rest = 0, 0
  for place = 5, 0, -1 do
    local digit = math.floor(b / 1024 ^ place) % 1024
    local part = rest * 1024 + a * digit
    local times = math.floor(part / m)
    quotient, rest = quotient * 1024 + times, part - times * m
  end
  return quotient, rest
end

-- What is missing in a bucket now, when it is refilled at that rate.
local function debt(s, refill)
  local whole, part = s[4], s[5]
  local elapsed, period = now - s[6], s[2]
  if whole == 0 and part == 0 or elapsed <= 0 then return whole, part end
  local periods = math.floor(elapsed / period)
  local more, more_part = multiply_divide(elapsed - periods * period, refill, period)
  whole, part = whole - periods * refill - more, part - more_part
  if part < 0 then whole, part = whole - 1, part + period end
  if whole < 0 then return 0, 0 end
  return whole, part
end

-- Distinct values.

local function field_of(value, period)
  return value .. digits(period)
end

local function read_value(value, period)
  local known = redis.call('HGET', values, field_of(value, period))
  if not known then return nil, 0 end
  local index, held = string.match(known, '^(%-?%d*),(%d+)$')
  return tonumber(index), tonumber(held) or 0
end

local function write_value(value, period, index, held)
  has_values = true
  if not index and held <= 0 then
    redis.call('HDEL', values, field_of(value, period))
  else
    redis.call('HSET', values, field_of(value, period),
               (index and digits(index) or '') .. ',' .. digits(held))
  end
end

-- Values used before that sub-window are not used any more.
local function drop_values(s, first_live)
  local all = redis.call('HGETALL', values)
  local period = digits(s[2])
  for i = 1, #all, 2 do
    if string.sub(all[i], 9) == period then
      local value = string.sub(all[i], 1, 8)
      local index, held = read_value(value, s[2])
      if index and index < first_live then
        if held > 0 then s[3] = s[3] + 1 end
        write_value(value, s[2], nil, held)
      end
    end
  end
end

-- Series.

local function find(kind, period)
  for i, s in ipairs(series) do
    if s[1] == kind and s[2] == period then return i, s end
  end
end

local function has_use(s)
  if s[1] == kBucket then return s[4] > 0 or s[5] > 0 end
  return s[4] > 0
end

local function end_of_use(s)
  if not has_use(s) then return 0 end
  if s[1] ~= kBucket then return expiry(s[5] + s[#s - 1], s[2]) end
  if s[7] <= 0 then return s[6] + kLongest end
  return s[6] + math.min(kLongest, math.ceil((s[4] * s[2] + s[5]) / s[7]) + 1)
end

local function refresh(s)
  if s[1] == kBucket then return end
  local first = kFirstOffset
  while s[first] and expiry(s[5] + s[first], s[2]) <= now do first = first + 2 end
  if first == kFirstOffset then return end
  local base = s[5] + (s[first] or 0)
  local kept, used = {}, 0
  for i = first, #s, 2 do
    kept[#kept + 1] = s[5] + s[i] - base
    kept[#kept + 1] = s[i + 1]
    used = math.min(kMost, used + s[i + 1])
  end
  for i = #s, kFirstOffset, -1 do s[i] = nil end
  s[4], s[5] = used, base
  for _, part in ipairs(kept) do s[#s + 1] = part end
  if s[1] == kValues then drop_values(s, #kept > 0 and base or kMost) end
  has_changed = true
end

local function add_units(s, n)
  if n <= 0 then return end
  local index = sub_window(s[2])
  if #s < kFirstOffset then s[5] = index end
  if #s < kFirstOffset or s[5] + s[#s - 1] < index then
    s[#s + 1] = index - s[5]
    s[#s + 1] = 0
  end
  s[#s] = math.min(kMost, s[#s] + n)
  s[4] = math.min(kMost, s[4] + n)
end

local function add_value(s, value)
  local index, held = read_value(value, s[2])
  local present = sub_window(s[2])
  if index == present then return end
  if index then
    for i = kFirstOffset, #s, 2 do
      if s[5] + s[i] == index then s[i + 1], s[4] = s[i + 1] - 1, s[4] - 1 end
    end
  elseif held > 0 then
    s[3] = math.max(0, s[3] - 1)
  elseif redis.call('HLEN', values) >= kMostValues then
    add_units(s, 1)  -- counts each time it comes
    return
  end
  add_units(s, 1)
  write_value(value, s[2], present, held)
end

local function add_tokens(s, n, refill)
  local whole, part = debt(s, refill)
  s[4], s[5], s[6], s[7] = math.min(kMost, whole + n), part, now, refill
end

-- Reservations.

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

-- Decisions.

-- Ends of what counts: pairs of a time and how much ends then.
local function use_ends(s)
  local ends = {}
  for i = kFirstOffset, #s, 2 do ends[#ends + 1] = {expiry(s[5] + s[i], s[2]), s[i + 1]} end
  return ends
end

local function each_hold_of(i, take)
  local all = redis.call('HGETALL', holds)
  for at = 2, #all, 2 do
    local hold = hold_of(all[at])
    for _, mine in ipairs(hold and hold[3] or {}) do
      if mine == i then take(hold) end
    end
  end
end

local function add_lease_ends(ends, i)
  each_hold_of(i, function(hold) ends[#ends + 1] = {hold[1], hold[2]} end)
end

-- A value counts until the last of its leases, or of its use, ends.
local function add_value_ends(ends, i, s)
  local leases = {}
  each_hold_of(i, function(hold)
    leases[hold[4]] = math.max(leases[hold[4]] or 0, hold[1])
  end)
  for value, lease in pairs(leases) do
    local index = read_value(value, s[2])
    local use_end = index and expiry(index, s[2])
    if not use_end or use_end < lease then
      if use_end then ends[#ends + 1] = {use_end, -1} end
      ends[#ends + 1] = {lease, 1}
    end
  end
end

local function by_time(a, b) return a[1] < b[1] end

-- Until `total` has become `most`; nil: never.
local function until_at_most(total, most, ends)
  if total <= most then return 0 end
  if most < 0 then return nil end
  table.sort(ends, by_time)
  for i, one in ipairs(ends) do
    total = total - one[2]
    local more_at_once = ends[i + 1] and ends[i + 1][1] == one[1]
    if total <= most and not more_at_once then return one[1] - now end
  end
  return nil
end

-- The debt shrinks, reserved tokens go when their leases end; `most` is what both may be together.
local function until_debt_fits(whole, part, check, most, leases)
  table.sort(leases, by_time)
  local held = 0
  for _, lease in ipairs(leases) do held = held + lease[2] end
  for ended = 0, #leases do
    local from = ended == 0 and 0 or leases[ended][1] - now
    local allowed = most - held
    local too_much = (whole - allowed) * check.period + part
    if allowed >= 0 and (too_much <= 0 or check.refill > 0) then
      local refilled = too_much <= 0 and 0 or math.ceil(too_much / check.refill)
      local at = math.max(from, refilled)
      local next_lease = leases[ended + 1]
      if not next_lease or at < next_lease[1] - now then
        if at > 2 * kLongest then return nil end
        return at
      end
    end
    if leases[ended + 1] then held = held - leases[ended + 1][2] end
  end
  return nil
end

local function wait_for(check, i, s, with_holds)
  local most = check.most
  if check.kind == kBucket then
    local leases = {}
    if s and with_holds then add_lease_ends(leases, i) end
    return until_debt_fits(check.whole, check.part, check, most, leases) or check.period
  end
  local ends = s and use_ends(s) or {}
  if s and with_holds and check.kind == kValues then add_value_ends(ends, i, s) end
  if s and with_holds and check.kind == kUnits then add_lease_ends(ends, i) end
  local total = s and s[4] + (with_holds and s[3] or 0) or 0
  return until_at_most(total, most, ends) or check.period
end

-- Whether a check refuses; notes what it counts on the way.
local function refuses(check, demand, s)
  local extra = limit.extra > 0 and now < limit.extra_until and limit.extra or 0
  check.most = check.count + extra - (check.kind == kValues and 1 or demand.n)
  check.whole, check.part, check.used = 0, 0, 0
  local reserved = s and s[3] or 0
  if check.kind == kBucket then
    if s then check.whole, check.part = debt(s, check.refill) end
    check.used = check.whole + (check.part > 0 and 1 or 0)
    local most = check.most - reserved
    return check.whole > most or check.whole == most and check.part > 0
  end
  if not s then return check.most < 0 end
  check.used = s[4]
  if check.kind == kValues then
    local index, held = read_value(demand.value, s[2])
    if index or held > 0 then return false end
  end
  return s[4] + reserved > check.most
end

-- {granted, exceeded, wait, used, by committed use}
local function decide(demand)
  local granted, exceeded, wait, used, committed_wait = 1, 0, 0, 0, 0
  for number_of, check in ipairs(demand.checks) do
    local i, s = find(check.kind, check.period)
    local refused = refuses(check, demand, s)
    if number_of == 1 or refused and granted == 1 then used = check.used end
    if refused then
      if granted == 1 then exceeded = number_of - 1 end
      granted = 0
      wait = math.max(wait, wait_for(check, i, s, true))
      committed_wait = math.max(committed_wait, wait_for(check, i, s, false))
    end
  end
  return {granted, exceeded, wait, used, granted == 0 and committed_wait == wait and 1 or 0}
end

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

local operations = {}

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

-- The administrator.

-- name, what is granted, then for each series that counts something: kind, period, used, reserved, end
local function entries()
  local has_extra = limit.extra > 0 and now < limit.extra_until
  local answer = {limit.name, has_extra and limit.extra or 0}
  for _, s in ipairs(series) do
    local used = s[4]
    if s[1] == kBucket then
      local whole, part = debt(s, s[7])
      used = whole + (part > 0 and 1 or 0)
    end
    if used > 0 or s[3] > 0 then
      local ends = end_of_use(s)
      for _, part in ipairs({s[1], s[2], used, s[3], ends > 0 and ends - ahead or 0}) do
        answer[#answer + 1] = part
      end
    end
  end
  if #answer == 2 then return {} end
  return answer
end

function operations.show()
  local filter, is_whole_key = text(), text()
  if not is_meant(filter, is_whole_key, limit.name) then return {} end
  return entries()
end

function operations.forget()
  local filter, is_whole_key = text(), text()
  if not is_meant(filter, is_whole_key, limit.name) then return {} end
  local answer = entries()
  for _, s in ipairs(series) do
    if s[1] == kBucket then s[4], s[5] = 0, 0
    else
      for i = #s, kFirstOffset, -1 do s[i] = nil end
      s[4] = 0
      if s[1] == kValues then drop_values(s, kMost) end
    end
  end
  limit.extra = 0
  has_changed = true
  return answer
end

function operations.grant()
  local filter, is_whole_key, extra, keep = text(), text(), number(), number()
  if not is_meant(filter, is_whole_key, limit.name) then return {} end
  local answer = entries()
  if #answer > 0 then
    limit.extra, limit.extra_until = extra, now + keep
    has_changed = true
  end
  return answer
end

-- What another store knew, unless something was counted here already: name, extra, its end, then each
-- series: kind, period and base, pairs of a sub-window and n (pairs of a value and its sub-window
-- behind them); of a bucket whole, part, at, refill.
function operations.import()
  local name, extra, extra_until = text(), number(), number()
  local taken = {}
  for _ = 1, number() do
    local s = {number(), number(), 0, 0, 0}
    if s[1] == kBucket then
      s[4], s[5], s[6], s[7] = number(), number(), number(), number()
    else
      for _ = 1, number() do
        local index, n = number(), number()
        if #s < kFirstOffset then s[5] = index end
        s[#s + 1], s[#s + 2] = index - s[5], n
        s[4] = math.min(kMost, s[4] + n)
      end
    end
    s.values = {}
    for at = 1, number() do s.values[at] = {text(), number()} end
    taken[#taken + 1] = s
  end
  if #series > 0 then return {0} end
  limit.name, limit.extra, limit.extra_until = name, extra, extra_until
  for i, s in ipairs(taken) do
    for _, value in ipairs(s.values) do write_value(value[1], s[2], value[2], 0) end
    s.values = nil
    series[i] = s
    refresh(s)
  end
  has_changed = true
  return {1}
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
local answers = {}
while next_argument <= #ARGV do
  answers[#answers + 1] = operations[text()]()
end
save()
return answers
