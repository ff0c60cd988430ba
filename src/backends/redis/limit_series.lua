-- The limits of one key (kind l): what was used in sub-windows, buckets and as distinct values, and
-- what sessions hold of it. The arithmetic is that of backends/sub_window.h; numbers above 2^53
-- stay there. This file and limit_reservation, limit_decision, limit and limit_administrator are
-- one function.
--
-- main     all but the following, packed: version, name, extra, its end, holds, next sweep, series
-- holds    hash: reservation -> what it holds; or, once it is settled, until when that is known
-- values   hash: 8 bytes of a value's hash and a period -> "SUB-WINDOW,HOLDS" ('' if not used)
-- margin   ms that a limit stays longer than it counts, so that a flood evicts itself
--
-- One series for each kind and period:
--   units, values  {kind, period, reserved, used, base, offset, n, offset, n, ...}: sub-windows
--                  with something in them, oldest first, numbered from base
--   bucket         {kind, period, reserved, whole, part, at, refill}: whole + part/period tokens
--                  are missing at that time
function kinds.l()
local kVersion = 1
local kUnits = 1
local kValues = 2
local kBucket = 3
local kSubWindows = 60
local kFirstOffset = 6
local kLease = 60000
local kSettled = 120000
local kGrace = 5000             -- a settled id stays so much longer than it counts
local kLongest = 3155760000000  -- 100 years
local kMostSeries = 64
local kMostHolds = 100000
local kMostValues = 100000
local kHeader = 6               -- elements before the series

local pack, unpack_packed = cmsgpack.pack, cmsgpack.unpack
local operations = {}

-- The limit of the subject at hand, and what is done with it. The functions that stand here are
-- made by those called make_..., when they are needed: a call pays for each one that it makes.
local limit = {
  main = '', holds = '', values = '', margin = 0,
  name = '', extra = 0, extra_until = 0, held = 0, sweep_at = 0,  -- held: how many reservations
  series = false, n = 0,
  has_changed = false, has_values = false,
  debt = false, add_tokens = false,
  read_value = false, write_value = false, drop_values = false, add_value = false,
  let_go = false, settle = false, refresh = false, sweep = false, add_units = false,
  decide = false, hold_units = false, wait_for = false
}

-- What the operation at hand asks for: n units, or a value, and so many checks that it has to pass.
-- Their counts, periods and refills stand side by side; a check with a refill is a bucket, the
-- others are of that kind.
local demand = {
  name = '', n = 0, value = '', checks = 0, kind = 0, count = {}, period = {}, refill = {}
}

-- When a sub-window does not count any more.
local function expiry(index, period)
  return ceil((index + kSubWindows) * period / kSubWindows)
end

-- Buckets.

local function make_buckets()
  if limit.debt then return end

  -- floor(a * b / m) and the rest of it, for a < m <= kLongest.
  local function multiply_divide(a, b, m)
    if a * b < kMost then
      local quotient = floor(a * b / m)
      return quotient, a * b - quotient * m
    end
    local quotient, rest = 0, 0
    for place = 5, 0, -1 do
      local digit = floor(b / 1024 ^ place) % 1024
      local part = rest * 1024 + a * digit
      local times = floor(part / m)
      quotient, rest = quotient * 1024 + times, part - times * m
    end
    return quotient, rest
  end

  -- What is missing in a bucket now, when it is refilled at that rate.
  function limit.debt(s, refill)
    local whole, part = s[4], s[5]
    local elapsed, period = now - s[6], s[2]
    if whole == 0 and part == 0 or elapsed <= 0 then return whole, part end
    local periods = floor(elapsed / period)
    local more, more_part = multiply_divide(elapsed - periods * period, refill, period)
    whole, part = whole - periods * refill - more, part - more_part
    if part < 0 then whole, part = whole - 1, part + period end
    if whole < 0 then return 0, 0 end
    return whole, part
  end

  function limit.add_tokens(s, n, refill)
    local whole, part = limit.debt(s, refill)
    s[4], s[5], s[6], s[7] = min(kMost, whole + n), part, now, refill
  end
end

-- Distinct values.

local function make_values()
  if limit.read_value then return end

  local function field_of(value, period)
    return value .. digits(period)
  end

  function limit.read_value(value, period)
    local known = call('HGET', limit.values, field_of(value, period))
    if not known then return nil, 0 end
    local index, held = string.match(known, '^(%-?%d*),(%d+)$')
    return tonumber(index), tonumber(held) or 0
  end

  function limit.write_value(value, period, index, held)
    limit.has_values = true
    if not index and held <= 0 then
      call('HDEL', limit.values, field_of(value, period))
    else
      call('HSET', limit.values, field_of(value, period),
           (index and digits(index) or '') .. ',' .. digits(held))
    end
  end

  -- Values used before that sub-window are not used any more.
  function limit.drop_values(s, first_live)
    local all = call('HGETALL', limit.values)
    local period = digits(s[2])
    for i = 1, #all, 2 do
      if string.sub(all[i], 9) == period then
        local value = string.sub(all[i], 1, 8)
        local index, held = limit.read_value(value, s[2])
        if index and index < first_live then
          if held > 0 then s[3] = s[3] + 1 end
          limit.write_value(value, s[2], nil, held)
        end
      end
    end
  end

  function limit.add_value(s, value)
    local index, held = limit.read_value(value, s[2])
    local present = ceil(now * kSubWindows / s[2])
    if index == present then return end
    if index then
      for i = kFirstOffset, #s, 2 do
        if s[5] + s[i] == index then s[i + 1], s[4] = s[i + 1] - 1, s[4] - 1 end
      end
    elseif held > 0 then
      s[3] = max(0, s[3] - 1)
    elseif call('HLEN', limit.values) >= kMostValues then
      limit.add_units(s, 1)  -- counts each time it comes
      return
    end
    limit.add_units(s, 1)
    limit.write_value(value, s[2], present, held)
  end
end

-- Series.

local function find(kind, period)
  for i = 1, limit.n do
    local s = limit.series[i]
    if s[1] == kind and s[2] == period then return i, s end
  end
end

-- Until when it counts; 0: it counts nothing.
local function end_of_use(s)
  if s[1] ~= kBucket then
    if s[4] <= 0 then return 0 end
    return expiry(s[5] + s[#s - 1], s[2])
  end
  if s[4] <= 0 and s[5] <= 0 then return 0 end
  if s[7] <= 0 then return s[6] + kLongest end
  return s[6] + min(kLongest, ceil((s[4] * s[2] + s[5]) / s[7]) + 1)
end
