
-- What is asked less often; what the administrator and another store say of a limit.

local function make_others()
  make_decisions()
  make_changes()

  function operations.peek()
    read_demand()
    return limit.decide()
  end

  function operations.release()
    local id = text()
    local hold, is_settled = find_hold(id)
    if not is_settled then limit.settle(id, hold) end
    return {1}
  end

  function operations.renew()
    local id = text()
    local hold = find_hold(id)
    if not hold then return {0} end
    hold[1] = now + kLease
    call('HSET', limit.holds, id, pack(hold))
    limit.has_changed = true  -- lifetimes are set again
    return {1}
  end

  -- name, what is granted, then for each series that counts something: kind, period, used,
  -- reserved, end
  local function entries()
    local has_extra = limit.extra > 0 and now < limit.extra_until
    local answer = {limit.name, has_extra and limit.extra or 0}
    for i = 1, limit.n do
      local s = limit.series[i]
      local used = s[4]
      if s[1] == kBucket then
        local whole, part = limit.debt(s, s[7])
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
    for i = 1, limit.n do
      local s = limit.series[i]
      if s[1] == kBucket then s[4], s[5] = 0, 0
      else
        for part = #s, kFirstOffset, -1 do s[part] = nil end
        s[4] = 0
        if s[1] == kValues then limit.drop_values(s, kMost) end
      end
    end
    limit.extra = 0
    limit.has_changed = true
    return answer
  end

  function operations.grant()
    local filter, is_whole_key, more, keep = text(), text(), number(), number()
    if not is_meant(filter, is_whole_key, limit.name) then return {} end
    local answer = entries()
    if #answer > 0 then
      limit.extra, limit.extra_until = more, now + keep
      limit.has_changed = true
    end
    return answer
  end

  -- What another store knew, unless something was counted here already: name, extra, its end, then
  -- each series: kind, period and base, pairs of a sub-window and n (pairs of a value and its
  -- sub-window behind them); of a bucket whole, part, at, refill.
  function operations.import()
    local name, more, more_until = text(), number(), number()
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
          s[4] = min(kMost, s[4] + n)
        end
      end
      s.values = {}
      for at = 1, number() do s.values[at] = {text(), number()} end
      taken[#taken + 1] = s
    end
    if limit.n > 0 then return {0} end
    limit.name, limit.extra, limit.extra_until = name, more, more_until
    make_values()
    make_buckets()
    for i, s in ipairs(taken) do
      for _, value in ipairs(s.values) do limit.write_value(value[1], s[2], value[2], 0) end
      s.values = nil
      limit.series[i], limit.n = s, i
      if s[1] ~= kBucket and s[kFirstOffset] and expiry(s[5] + s[kFirstOffset], s[2]) <= now then
        limit.refresh(s)
      end
    end
    limit.has_changed = true
    return {1}
  end
end

local function seldom(name)
  if make[name] then make[name]() else make_others() end
end

return {begin = begin, operations = operations, seldom = seldom, finish = finish}
end
