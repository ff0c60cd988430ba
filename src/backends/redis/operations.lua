-- One call carries the operations of many subjects, one behind the other. Of each subject
--
-- KEYS     the clock of its group, then what its kind takes
-- ARGV     kind (a letter), resolution of the clock, how many arguments follow; those of its kind,
--          then its operations, each of which takes its own in turn
--
-- and the answer has one element for it: the answers of its operations, or the error that ended
-- them. An error ends its own subject only; what that had written before stays.
--
-- A kind is a function that makes it when a call needs it first: begin(), told where the keys
-- behind the clock begin; operations by their names; seldom(name), which adds one that is not there
-- yet; finish(), behind the last. Functions are made anew in each call, so what few calls need is
-- not made before they do.
local kinds = {}
local keys_of = {l = 4, g = 2, a = 2, s = 2, d = 5}

local function nothing() end

-- One key holds all of what `show` tells: without it nothing is known.
local function forget(operations, key)
  local shown = operations.show()
  if #shown > 0 then call('DEL', key) end
  return shown
end
