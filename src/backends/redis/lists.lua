-- The dynamic lists, and what every instance has to hear of within a second (kind d).
--
-- entries  hash: list, NUL, value -> "ADDED EXPIRES NETWORK" (ms; 0 and '-' for none)
-- ends     sorted set of the entries that expire, by their end
-- changes  list: the last changes, two elements each: list, NUL, value; what became of it or ''
-- state    hash: version (changes so far), epoch (resets and grants so far), pepper (its
--          fingerprint)
--
-- These keys carry no lifetime: what an administrator put there for good must not be evicted.
function kinds.d()
  local kChangesKept = 1000
  local kSweptAtATime = 20
  local entries, ends, changes, state
  local operations = {}

  local function version()
    return tonumber(call('HGET', state, 'version') or 0)
  end

  -- What happened since `known`: the version now, and the changes, unless there were too many.
  function operations.news()
    local known, pepper = number(), text()
    local other = call('HGET', state, 'pepper')
    if not other then redis.pcall('HSET', state, 'pepper', pepper) end
    local epoch = tonumber(call('HGET', state, 'epoch') or 0)
    local current = version()
    local answer = {now, ahead, epoch, (not other or other == pepper) and 1 or 0, current, 1}
    local behind = current - known
    if behind == 0 then return answer end
    if behind < 0 or 2 * behind > call('LLEN', changes) then
      answer[6] = 0
      return answer
    end
    for _, part in ipairs(call('LRANGE', changes, -2 * behind, -1)) do
      answer[#answer + 1] = part
    end
    return answer
  end

  local function seldom()
    local function tell(field, value)
      call('HINCRBY', state, 'version', 1)
      call('RPUSH', changes, field, value)
      call('LTRIM', changes, -2 * kChangesKept, -1)
    end

    local function drop(field)
      call('HDEL', entries, field)
      call('ZREM', ends, field)
    end

    -- False: nothing but permanent entries.
    local function make_room()
      local soonest = call('ZRANGE', ends, 0, 0)[1]
      if not soonest then return false end
      drop(soonest)
      tell(soonest, '')
      return true
    end

    -- A part of all entries: the next cursor, then entries and what is known of them.
    function operations.page()
      local part = call('HSCAN', entries, text(), 'COUNT', text())
      local answer = {part[1]}
      for _, text_of in ipairs(part[2]) do answer[#answer + 1] = text_of end
      return answer
    end

    function operations.add()
      local field, network, keep, most = text(), text(), number(), number()
      for _, expired in ipairs(call('ZRANGEBYSCORE', ends, '-inf', digits(now), 'LIMIT', 0,
                                          kSweptAtATime)) do
        drop(expired)
      end
      if call('HEXISTS', entries, field) == 0 and call('HLEN', entries) >= most and
         not make_room() then
        return {0, now, ahead}
      end
      -- A negative time to keep: until it is removed.
      local value = digits(now) .. ' ' .. (keep < 0 and '0' or digits(now + keep)) .. ' ' .. network
      call('HSET', entries, field, value)
      if keep < 0 then call('ZREM', ends, field)
      else call('ZADD', ends, digits(now + keep), field) end
      tell(field, value)
      return {1, now, ahead}
    end

    function operations.remove()
      local field = text()
      if call('HEXISTS', entries, field) == 1 then
        drop(field)
        tell(field, '')
      end
      return {1, now, ahead}
    end

    -- What another store knew; what is there already stays.
    function operations.import()
      local field, value, expires = text(), text(), number()
      if call('HEXISTS', entries, field) == 1 or expires > 0 and expires <= now then return {0} end
      call('HSET', entries, field, value)
      if expires > 0 then call('ZADD', ends, digits(expires), field) end
      tell(field, value)
      return {1}
    end

    -- Counts were reset or raised: what was refused may pass.
    function operations.epoch()
      return {call('HINCRBY', state, 'epoch', 1)}
    end
  end

  local function begin(at)
    entries, ends, changes, state = KEYS[at], KEYS[at + 1], KEYS[at + 2], KEYS[at + 3]
  end
  return {begin = begin, operations = operations, seldom = seldom, finish = nothing}
end
