
-- Reservations: what is held, what is settled, what a demand charges.

local function hold_of(packed)
  local hold = unpack_packed(packed)
  if type(hold) == 'table' then return hold, hold[1] end
  return nil, hold
end

local function find_hold(id)
  local packed = call('HGET', limit.holds, id)
  if not packed then return nil, false end
  local hold, ends = hold_of(packed)
  return hold, not hold and ends > now
end

-- The series that the demand charges; nil when there would be too many.
local function charged()
  local all, n = {}, 0
  for c = 1, demand.checks do
    local kind, period, refill = demand.kind, demand.period[c], demand.refill[c]
    if refill then kind = kBucket end
    local i = find(kind, period)
    if not i then
      if limit.n >= kMostSeries then return nil end
      i = limit.n + 1
      limit.n = i
      limit.series[i] = refill and {kBucket, period, 0, 0, 0, now, refill} or
                        {kind, period, 0, 0, 0}
    end
    local is_new = true
    for known = 1, n do
      if all[known] == i then is_new = false end
    end
    if is_new then
      n = n + 1
      all[n] = i
    end
  end
  return all
end

local function make_changes()
  if limit.settle then return end

  function limit.let_go(hold)
    for _, i in ipairs(hold[3]) do
      local s = limit.series[i]
      if s and s[1] ~= kValues then
        s[3] = max(0, s[3] - hold[2])
      elseif s then
        local index, held = limit.read_value(hold[4], s[2])
        if held == 1 and not index then s[3] = max(0, s[3] - 1) end
        if held > 0 then limit.write_value(hold[4], s[2], index, held - 1) end
      end
    end
    limit.held = max(0, limit.held - 1)
    limit.has_changed = true
  end

  -- Reservations whose leases have ended, and settled ids that need not be known any more.
  function limit.sweep()
    limit.sweep_at = kMost
    local all = call('HGETALL', limit.holds)
    local held = 0
    for i = 1, #all, 2 do
      local hold, ends = hold_of(all[i + 1])
      if ends <= now then
        if hold then limit.let_go(hold) end
        call('HDEL', limit.holds, all[i])
      else
        if hold then held = held + 1 end
        limit.sweep_at = min(limit.sweep_at, hold and ends or now + kLease)
      end
    end
    limit.held = held
    limit.has_changed = true
  end

  -- Its id is spent; what it held is free.
  function limit.settle(id, hold)
    if hold then
      -- Goes on in a server without memory, and so does what follows then.
      call('HDEL', limit.holds, id)
      limit.let_go(hold)
    end
    call('HSET', limit.holds, id, pack(now + kSettled))
    limit.sweep_at = min(limit.sweep_at, now + kSettled)
    limit.has_changed = true
  end

  -- Sub-windows that do not count any more go; the first of them does not.
  function limit.refresh(s)
    local first = kFirstOffset
    while s[first] and expiry(s[5] + s[first], s[2]) <= now do first = first + 2 end
    local base = s[5] + (s[first] or 0)
    local kept, used = {}, 0
    for i = first, #s, 2 do
      kept[#kept + 1] = s[5] + s[i] - base
      kept[#kept + 1] = s[i + 1]
      used = min(kMost, used + s[i + 1])
    end
    for i = #s, kFirstOffset, -1 do s[i] = nil end
    s[4], s[5] = used, base
    for i = 1, #kept do s[#s + 1] = kept[i] end
    if s[1] == kValues then limit.drop_values(s, #kept > 0 and base or kMost) end
    limit.has_changed = true
  end

  function limit.add_units(s, n)
    if n <= 0 then return end
    local index = ceil(now * kSubWindows / s[2])
    local size = #s
    if size < kFirstOffset then s[5] = index end
    if size < kFirstOffset or s[5] + s[size - 1] < index then
      s[size + 1] = index - s[5]
      s[size + 2] = 0
      size = size + 2
    end
    s[size] = min(kMost, s[size] + n)
    s[4] = min(kMost, s[4] + n)
  end
end
