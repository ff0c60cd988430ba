-- One value seen before (kind s).
--
-- key      first time, last time and end (6 bytes each, ms)
function kinds.s()
  local kSeenFormat = '>I6I6I6'
  local value
  local operations = {}

  local function read()
    local packed = call('GET', value)
    if not packed then return nil end
    local first, last, ends = struct.unpack(kSeenFormat, packed)
    if now >= ends then return nil end
    return {first = first, last = last, ends = ends}
  end

  local function write(first, last, ends)
    call('SET', value, struct.pack(kSeenFormat, first, last, ends), 'PX',
         digits(max(1, ends - now)))
  end

  function operations.look()
    local found = read()
    if not found then return {} end
    return {found.first - ahead, found.last - ahead}
  end

  function operations.record()
    local keep = number()
    local found = read()
    write(found and found.first or now, now, now + keep)
    return {1}
  end

  local function seldom()
    function operations.show()
      local filter, is_whole_key = text(), text()
      local found = read()
      if not found or not is_meant(filter, is_whole_key, '') then return {} end
      return {'', 3, found.first - ahead, found.ends - ahead}
    end

    function operations.forget()
      return forget(operations, value)
    end

    function operations.import()
      local first, last, ends = number(), number(), number()
      local found = read()
      if ends <= now then return {0} end
      if found then
        first, last, ends = min(first, found.first), max(last, found.last), max(ends, found.ends)
      end
      write(first, last, ends)
      return {1}
    end
  end

  local function begin(at) value = KEYS[at] end
  return {begin = begin, operations = operations, seldom = seldom, finish = nothing}
end
