-- The beginning of every script that carries out operations, behind time.lua; operations_end.lua is its
-- end. An operation takes its arguments in turn and gives one answer.
local operations = {}
local finish = function() end  -- once, behind the last

-- One key holds all of what `show` tells: without it nothing is known.
function operations.forget()
  local shown = operations.show()
  if #shown > 0 then redis.call('DEL', KEYS[2]) end
  return shown
end
