-- The dynamic lists, and what every instance has to hear of within a second.
--
-- KEYS[2]  hash: list, NUL, value -> "ADDED EXPIRES NETWORK" (ms; 0 and '-' for none)
-- KEYS[3]  sorted set of the entries that expire, by their end
-- KEYS[4]  list: the last changes, two elements each: list, NUL, value; what became of it or ''
-- KEYS[5]  hash: version (changes so far), epoch (resets and grants so far), pepper (its fingerprint)
--
-- These keys carry no lifetime: what an administrator put there for good must not be evicted.
local kChangesKept = 1000
local kSweptAtATime = 20
local entries, ends, changes, state = KEYS[2], KEYS[3], KEYS[4], KEYS[5]

local function tell(field, value)
  redis.call('HINCRBY', state, 'version', 1)
  redis.call('RPUSH', changes, field, value)
  redis.call('LTRIM', changes, -2 * kChangesKept, -1)
end

local function version()
  return tonumber(redis.call('HGET', state, 'version') or 0)
end

local function drop(field)
  redis.call('HDEL', entries, field)
  redis.call('ZREM', ends, field)
end

-- False: nothing but permanent entries.
local function make_room()
  local soonest = redis.call('ZRANGE', ends, 0, 0)[1]
  if not soonest then return false end
  drop(soonest)
  tell(soonest, '')
  return true
end

-- What happened since `known`: the version now, and the changes, unless there were too many.
function operations.news()
  local known, pepper = number(), text()
  local other = redis.call('HGET', state, 'pepper')
  if not other then redis.pcall('HSET', state, 'pepper', pepper) end
  local epoch = tonumber(redis.call('HGET', state, 'epoch') or 0)
  local current = version()
  local answer = {now, ahead, epoch, (not other or other == pepper) and 1 or 0, current, 1}
  local behind = current - known
  if behind == 0 then return answer end
  if behind < 0 or 2 * behind > redis.call('LLEN', changes) then
    answer[6] = 0
    return answer
  end
  for _, part in ipairs(redis.call('LRANGE', changes, -2 * behind, -1)) do
    answer[#answer + 1] = part
  end
  return answer
end

-- A part of all entries: the next cursor, then entries and what is known of them.
function operations.page()
  local part = redis.call('HSCAN', entries, text(), 'COUNT', text())
  local answer = {part[1]}
  for _, text_of in ipairs(part[2]) do answer[#answer + 1] = text_of end
  return answer
end

function operations.add()
  local field, network, keep, most = text(), text(), number(), number()
  for _, expired in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', digits(now), 'LIMIT', 0,
                                      kSweptAtATime)) do
    drop(expired)
  end
  if redis.call('HEXISTS', entries, field) == 0 and redis.call('HLEN', entries) >= most and
     not make_room() then
    return {0, now, ahead}
  end
  -- A negative time to keep: until it is removed.
  local value = digits(now) .. ' ' .. (keep < 0 and '0' or digits(now + keep)) .. ' ' .. network
  redis.call('HSET', entries, field, value)
  if keep < 0 then redis.call('ZREM', ends, field)
  else redis.call('ZADD', ends, digits(now + keep), field) end
  tell(field, value)
  return {1, now, ahead}
end

function operations.remove()
  local field = text()
  if redis.call('HEXISTS', entries, field) == 1 then
    drop(field)
    tell(field, '')
  end
  return {1, now, ahead}
end

-- What another store knew; what is there already stays.
function operations.import()
  local field, value, expires = text(), text(), number()
  if redis.call('HEXISTS', entries, field) == 1 or expires > 0 and expires <= now then return {0} end
  redis.call('HSET', entries, field, value)
  if expires > 0 then redis.call('ZADD', ends, digits(expires), field) end
  tell(field, value)
  return {1}
end

-- Counts were reset or raised: what was refused may pass.
function operations.epoch()
  return {redis.call('HINCRBY', state, 'epoch', 1)}
end
