
-- Whether a demand fits a limit, and how long until it does.

local function make_waits()
  -- Ends of what counts: pairs of a time and how much ends then.
  local function use_ends(s)
    local ends = {}
    for i = kFirstOffset, #s, 2 do ends[#ends + 1] = {expiry(s[5] + s[i], s[2]), s[i + 1]} end
    return ends
  end

  local function each_hold_of(i, take)
    local all = call('HGETALL', limit.holds)
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
      leases[hold[4]] = max(leases[hold[4]] or 0, hold[1])
    end)
    for value, lease in pairs(leases) do
      local index = limit.read_value(value, s[2])
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

  -- The debt shrinks, reserved tokens go when their leases end; `most` is what both may be.
  local function until_debt_fits(whole, part, c, most, leases)
    local period, refill = demand.period[c], demand.refill[c]
    table.sort(leases, by_time)
    local held = 0
    for _, lease in ipairs(leases) do held = held + lease[2] end
    for ended = 0, #leases do
      local from = ended == 0 and 0 or leases[ended][1] - now
      local allowed = most - held
      local too_much = (whole - allowed) * period + part
      if allowed >= 0 and (too_much <= 0 or refill > 0) then
        local refilled = too_much <= 0 and 0 or ceil(too_much / refill)
        local at = max(from, refilled)
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

  function limit.wait_for(c, most, i, s, whole, part, with_holds)
    if demand.refill[c] then
      local leases = {}
      if s and with_holds then add_lease_ends(leases, i) end
      return until_debt_fits(whole, part, c, most, leases) or demand.period[c]
    end
    local ends = s and use_ends(s) or {}
    if s and with_holds and demand.kind == kValues then add_value_ends(ends, i, s) end
    if s and with_holds and demand.kind == kUnits then add_lease_ends(ends, i) end
    local total = s and s[4] + (with_holds and s[3] or 0) or 0
    return until_at_most(total, most, ends) or demand.period[c]
  end
end

local function make_decisions()
  if limit.decide then return end

  -- Whether a check refuses, what it counts, and what is missing in its bucket.
  local function refuses(c, most, s)
    local reserved = s and s[3] or 0
    if demand.refill[c] then
      local whole, part = 0, 0
      if s then whole, part = limit.debt(s, demand.refill[c]) end
      most = most - reserved
      return whole > most or whole == most and part > 0, whole + (part > 0 and 1 or 0), whole, part
    end
    if not s then return most < 0, 0 end
    if demand.kind == kValues then
      local index, held = limit.read_value(demand.value, s[2])
      if index or held > 0 then return false, s[4] end
    end
    return s[4] + reserved > most, s[4]
  end

  -- {granted, exceeded, wait, used, by committed use}
  function limit.decide()
    local granted, exceeded, wait, used, committed_wait = 1, 0, 0, 0, 0
    local more = limit.extra > 0 and now < limit.extra_until and limit.extra or 0
    for c = 1, demand.checks do
      local kind = demand.refill[c] and kBucket or demand.kind
      local i, s = find(kind, demand.period[c])
      local most = demand.count[c] + more - (kind == kValues and 1 or demand.n)
      local refused, counted, whole, part = refuses(c, most, s)
      if c == 1 or refused and granted == 1 then used = counted end
      if refused then
        if granted == 1 then exceeded = c - 1 end
        granted = 0
        if not limit.wait_for then make_waits() end
        wait = max(wait, limit.wait_for(c, most, i, s, whole, part, true))
        committed_wait = max(committed_wait, limit.wait_for(c, most, i, s, whole, part, false))
      end
    end
    return {granted, exceeded, wait, used, granted == 0 and committed_wait == wait and 1 or 0}
  end

  function limit.hold_units(id, answer)
    local mine = limit.held < kMostHolds and charged()
    if not mine then return {2} end
    for m = 1, #mine do
      local s = limit.series[mine[m]]
      if s[1] ~= kValues then
        s[3] = s[3] + demand.n
      else
        local index, held = limit.read_value(demand.value, s[2])
        if held == 0 and not index then s[3] = s[3] + 1 end
        limit.write_value(demand.value, s[2], index, held + 1)
      end
    end
    local ends = now + kLease
    call('HSET', limit.holds, id, pack({ends, demand.n, mine, demand.value, answer[1], answer[2],
                                        answer[3], answer[4], answer[5]}))
    limit.held = limit.held + 1
    if ends < limit.sweep_at then limit.sweep_at = ends end
    limit.name = demand.name
    limit.has_changed = true
    return answer
  end
end
