-- The beginning of every script: the time of its keys, which never goes back.
--
-- KEYS[1]  the clock of the keys' group: "WALL AHEAD", the server's time when it was last looked at
--          and how far the time of the keys is ahead of it since that was set back
-- ARGV[1]  the server's time in ms, for tests; else empty and TIME is asked, once
-- ARGV[2]  ms: a clock that was looked at so recently is not written again; negative: a call that only
--          looks never writes it
--
-- What follows sees now (ms) and ahead (ms), and takes its own arguments in turn.
local kDay = 86400000
local kYears = 63072000000    -- two; the lifetime of what must outlive all else
local kMost = 9007199254740992  -- 2^53, the largest number that counts exactly

local next_argument = 3

local function text()
  local value = ARGV[next_argument]
  next_argument = next_argument + 1
  return value
end

local function number()
  return tonumber(text())
end

-- Never through tostring(), which rounds large numbers.
local function digits(n)
  return string.format('%.0f', n)
end

local function server_time()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A server that may not write (no memory, a replica) still answers reads.
local function write_clock(wall, ahead)
  local answer = redis.pcall('SET', KEYS[1], digits(wall) .. ' ' .. digits(ahead), 'PX',
                             digits(kYears))
  return type(answer) ~= 'table' or not answer.err
end

local function steady_time()
  local wall = server_time()
  local known_wall, ahead = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%d+)$')
  known_wall, ahead = tonumber(known_wall), tonumber(ahead) or 0
  local step = wall - (known_wall or wall)
  if step < 0 then ahead = ahead - step end
  if step > kDay then ahead = ahead - math.min(ahead, step) end
  local resolution = tonumber(ARGV[2])
  if resolution >= 0 and (not known_wall or step < 0 or step >= resolution) then
    write_clock(wall, ahead)
  end
  return wall + ahead, ahead, wall
end

local now, ahead, wall = steady_time()

-- Which entries a filter means: a part of the name, or the whole key (which the caller compares).
local function is_meant(filter, is_whole_key, name)
  return filter == '' or is_whole_key == '1' or string.find(name, filter, 1, true) ~= nil
end
