-- One value seen before.
--
-- KEYS[2]  first time, last time and end (6 bytes each, ms)
local kFormat = '>I6I6I6'
local value = KEYS[2]

local function read()
  local packed = redis.call('GET', value)
  if not packed then return nil end
  local first, last, ends = struct.unpack(kFormat, packed)
  if now >= ends then return nil end
  return {first = first, last = last, ends = ends}
end

local function write(first, last, ends)
  redis.call('SET', value, struct.pack(kFormat, first, last, ends), 'PX',
             digits(math.max(1, ends - now)))
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

function operations.show()
  local filter, is_whole_key = text(), text()
  local found = read()
  if not found or not is_meant(filter, is_whole_key, '') then return {} end
  return {'', 3, found.first - ahead, found.ends - ahead}
end

function operations.import()
  local first, last, ends = number(), number(), number()
  local found = read()
  if ends <= now then return {0} end
  if found then
    first, last, ends = math.min(first, found.first), math.max(last, found.last),
                        math.max(ends, found.ends)
  end
  write(first, last, ends)
  return {1}
end
