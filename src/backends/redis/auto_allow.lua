-- What auto_allow counts for one key: the greylist entries that came back, and until when it passes
-- (kind a).
--
-- key      a sorted set: 8 bytes of each entry's hash with the end of its pass, 'until' with the
--          end of the key's own pass
-- margin   ms that it stays longer than it counts
function kinds.a()
  local kMostEntriesThatCount = 1000
  local allowed, margin
  local operations = {}

  local function allowed_until()
    return tonumber(call('ZSCORE', allowed, 'until') or 0)
  end

  local function keep_as_long_as_needed()
    local last = call('ZREVRANGE', allowed, 0, 0, 'WITHSCORES')
    if last[2] then
      call('PEXPIRE', allowed, digits(max(1, tonumber(last[2]) - now + margin)))
    end
  end

  function operations.look()
    return {now < allowed_until() and 1 or 0}
  end

  function operations.count()
    local entry, remember, after, keeps = text(), number(), number(), number()
    call('ZREMRANGEBYSCORE', allowed, '-inf', digits(now))
    call('ZADD', allowed, digits(now + remember), entry)
    local came_back = call('ZCOUNT', allowed, '(' .. digits(now), '+inf')
    if allowed_until() > now then came_back = came_back - 1 end
    if came_back >= after then call('ZADD', allowed, digits(now + keeps), 'until') end
    if came_back > kMostEntriesThatCount then
      local first = call('ZRANGE', allowed, 0, 1)
      call('ZREM', allowed, first[1] == 'until' and first[2] or first[1])
    end
    keep_as_long_as_needed()
    return {1}
  end

  local function seldom()
    function operations.show()
      local filter, is_whole_key = text(), text()
      local ends = allowed_until()
      if now >= ends or not is_meant(filter, is_whole_key, '') then return {} end
      return {'', 2, 0, ends - ahead}
    end

    function operations.forget()
      return forget(operations, allowed)
    end

    -- until, then pairs of an entry and the end of its pass.
    function operations.import()
      local ends, entries = number(), number()
      if ends > now and ends > allowed_until() then call('ZADD', allowed, digits(ends), 'until') end
      for _ = 1, entries do
        local entry, passes_until = text(), number()
        if passes_until > now then call('ZADD', allowed, digits(passes_until), entry) end
      end
      keep_as_long_as_needed()
      return {1}
    end
  end

  local function begin(at) allowed, margin = KEYS[at], number() end
  return {begin = begin, operations = operations, seldom = seldom, finish = nothing}
end
