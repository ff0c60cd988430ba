-- The beginning of the script that carries out operations: its arguments, and the time of its keys,
-- which never goes back.
--
-- ARGV[1]  the server's time in ms, for tests; else empty and TIME is asked, once
--
-- Each group of keys has a clock: "WALL AHEAD", the server's time when it was last looked at and
-- how far the time of the keys is ahead of it since that was set back. What follows sees now and
-- ahead (ms).
local kDay = 86400000
local kYears = 63072000000    -- two; the lifetime of what must outlive all else
local kMost = 9007199254740992  -- 2^53, the largest number that counts exactly

local ARGV, KEYS = ARGV, KEYS  -- looked up once
local call, tonumber = redis.call, tonumber
local floor, ceil, min, max = math.floor, math.ceil, math.min, math.max
local next_argument = 2

local function text()
  local value = ARGV[next_argument]
  next_argument = next_argument + 1
  return value
end

local function number()
  local value = ARGV[next_argument]
  next_argument = next_argument + 1
  return tonumber(value)
end

-- Never through tostring(), which rounds large numbers.
local function digits(n)
  return string.format('%.0f', n)
end

local wall = tonumber(ARGV[1])  -- the server's time
if not wall then
  local time = call('TIME')
  wall = time[1] * 1000 + floor(time[2] / 1000)
end

local now, ahead                             -- of the group at hand
local clock, written_wall, written_ahead     -- its key, and what stands there

-- A server that may not write (no memory, a replica) still answers reads.
local function write_clock()
  local answer = redis.pcall('SET', clock, digits(wall) .. ' ' .. digits(ahead), 'PX',
                             digits(kYears))
  if type(answer) == 'table' and answer.err then return false end
  written_wall, written_ahead = wall, ahead
  return true
end

-- resolution (ms): a clock that was looked at so recently is not written again; negative: who only
-- looks never writes it.
local function look_at_clock(key, resolution)
  if key ~= clock then
    clock = nil
    local known_wall, known_ahead = string.match(call('GET', key) or '', '^(%d+) (%d+)$')
    written_wall, written_ahead = tonumber(known_wall), tonumber(known_ahead) or 0
    clock = key
  end
  local step = wall - (written_wall or wall)
  ahead = written_ahead
  if step < 0 then ahead = ahead - step end
  if step > kDay then ahead = ahead - min(ahead, step) end
  now = wall + ahead
  if resolution >= 0 and (not written_wall or step < 0 or step >= resolution) then write_clock() end
end

-- Which entries a filter means: a part of the name, or the whole key (which the caller compares).
local function is_meant(filter, is_whole_key, name)
  return filter == '' or is_whole_key == '1' or string.find(name, filter, 1, true) ~= nil
end
