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
