-- One greylist entry: a first contact that waits, or a pass (kind g).
--
-- key      state (1 byte: 0 waits, 1 passed), first contact and end (6 bytes each, ms), name
-- margin   ms that a pass stays longer than it counts, so that a flood evicts itself
--
-- The end of a first contact is the last moment to come back, that of a pass the first moment
-- without it.
function kinds.g()
  local kUnknown = 0
  local kWaiting = 1
  local kReady = 2
  local kPassed = 3
  local kCannotRemember = 4
  local kGreylistFormat = '>BI6I6'
  local kNameAt = 14
  local entry, margin
  local operations = {}

  local function read()
    local packed = call('GET', entry)
    if not packed then return nil end
    local state, first, ends = struct.unpack(kGreylistFormat, packed)
    local found = {passed = state == 1, first = first, ends = ends}
    found.name = string.sub(packed, kNameAt)
    found.is_live = found.passed and now < ends or not found.passed and now <= ends
    return found
  end

  local function write(passed, first, ends, name, stays)
    call('SET', entry, struct.pack(kGreylistFormat, passed and 1 or 0, first, ends) .. name, 'PX',
         digits(max(1, stays)))
  end

  function operations.look()
    local delay, retry_within = number(), number()
    local found = read()
    if found and found.is_live and found.passed then return {kPassed, 0} end
    local age = found and now - found.first
    if not found or not found.is_live or age > retry_within then
      -- A first contact that cannot be remembered would be deferred for ever.
      return {write_clock() and kUnknown or kCannotRemember, delay}
    end
    if age < delay then return {kWaiting, delay - age} end
    return {kReady, 0}
  end

  function operations.record()
    local name, retry_within = text(), number()
    local found = read()
    if found and found.is_live and found.passed then return {1} end
    local goes_on = found and found.is_live and now - found.first <= retry_within
    local first = goes_on and found.first or now
    write(false, first, first + retry_within, name, first + retry_within - now + 1)
    return {1}
  end

  function operations.promote()
    local name, remember = text(), number()
    local found = read()
    local first = found and found.is_live and found.first or now
    local stays = found and found.is_live and found.passed and found.ends or 0
    local ends = max(stays, now + remember)
    write(true, first, ends, name, ends - now + margin)
    return {1}
  end

  local function seldom()
    function operations.show()
      local filter, is_whole_key = text(), text()
      local found = read()
      if not found or not found.is_live or not is_meant(filter, is_whole_key, found.name) then
        return {}
      end
      return {found.name, found.passed and 1 or 0, found.first - ahead, found.ends - ahead}
    end

    function operations.forget()
      return forget(operations, entry)
    end

    -- What another store knew. The longer pass stays; a first contact stays as it is.
    function operations.import()
      local passed, first, ends, name = number() == 1, number(), number(), text()
      local found = read()
      local better = found and found.is_live and
                     (not passed or found.passed and found.ends >= ends)
      if better or ends <= now then return {0} end
      write(passed, first, ends, name, ends - now + (passed and margin or 1))
      return {1}
    end
  end

  local function begin(at) entry, margin = KEYS[at], number() end
  return {begin = begin, operations = operations, seldom = seldom, finish = nothing}
end
