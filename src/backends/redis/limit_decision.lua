-- Whether a demand fits a limit, and how long until it does; behind limit_reservation.lua.

-- Ends of what counts: pairs of a time and how much ends then.
local function use_ends(s)
  local ends = {}
  for i = kFirstOffset, #s, 2 do ends[#ends + 1] = {expiry(s[5] + s[i], s[2]), s[i + 1]} end
  return ends
end

local function each_hold_of(i, take)
  local all = redis.call('HGETALL', holds)
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
    leases[hold[4]] = math.max(leases[hold[4]] or 0, hold[1])
  end)
  for value, lease in pairs(leases) do
    local index = read_value(value, s[2])
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

-- The debt shrinks, reserved tokens go when their leases end; `most` is what both may be together.
local function until_debt_fits(whole, part, check, most, leases)
  table.sort(leases, by_time)
  local held = 0
  for _, lease in ipairs(leases) do held = held + lease[2] end
  for ended = 0, #leases do
    local from = ended == 0 and 0 or leases[ended][1] - now
    local allowed = most - held
    local too_much = (whole - allowed) * check.period + part
    if allowed >= 0 and (too_much <= 0 or check.refill > 0) then
      local refilled = too_much <= 0 and 0 or math.ceil(too_much / check.refill)
      local at = math.max(from, refilled)
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

local function wait_for(check, i, s, with_holds)
  local most = check.most
  if check.kind == kBucket then
    local leases = {}
    if s and with_holds then add_lease_ends(leases, i) end
    return until_debt_fits(check.whole, check.part, check, most, leases) or check.period
  end
  local ends = s and use_ends(s) or {}
  if s and with_holds and check.kind == kValues then add_value_ends(ends, i, s) end
  if s and with_holds and check.kind == kUnits then add_lease_ends(ends, i) end
  local total = s and s[4] + (with_holds and s[3] or 0) or 0
  return until_at_most(total, most, ends) or check.period
end

-- Whether a check refuses; notes what it counts on the way.
local function refuses(check, demand, s)
  local extra = limit.extra > 0 and now < limit.extra_until and limit.extra or 0
  check.most = check.count + extra - (check.kind == kValues and 1 or demand.n)
  check.whole, check.part, check.used = 0, 0, 0
  local reserved = s and s[3] or 0
  if check.kind == kBucket then
    if s then check.whole, check.part = debt(s, check.refill) end
    check.used = check.whole + (check.part > 0 and 1 or 0)
    local most = check.most - reserved
    return check.whole > most or check.whole == most and check.part > 0
  end
  if not s then return check.most < 0 end
  check.used = s[4]
  if check.kind == kValues then
    local index, held = read_value(demand.value, s[2])
    if index or held > 0 then return false end
  end
  return s[4] + reserved > check.most
end

-- {granted, exceeded, wait, used, by committed use}
local function decide(demand)
  local granted, exceeded, wait, used, committed_wait = 1, 0, 0, 0, 0
  for number_of, check in ipairs(demand.checks) do
    local i, s = find(check.kind, check.period)
    local refused = refuses(check, demand, s)
    if number_of == 1 or refused and granted == 1 then used = check.used end
    if refused then
      if granted == 1 then exceeded = number_of - 1 end
      granted = 0
      wait = math.max(wait, wait_for(check, i, s, true))
      committed_wait = math.max(committed_wait, wait_for(check, i, s, false))
    end
  end
  return {granted, exceeded, wait, used, granted == 0 and committed_wait == wait and 1 or 0}
end
