local made = {}
local kind, first_key, resolution, last_argument

local function carry_out()
  look_at_clock(KEYS[first_key], resolution)
  kind.begin(first_key + 1)
  local operations, answers, n = kind.operations, {}, 0
  while next_argument <= last_argument do
    local name = text()
    if not operations[name] then kind.seldom(name) end
    n = n + 1
    answers[n] = operations[name]()
  end
  kind.finish()
  return answers
end

-- What the reader of errors knows by its first word; all else is ERR. Redis 6.2 says where, first.
local function as_error(problem)
  local words = type(problem) == 'table' and problem.err or problem
  words = string.gsub(tostring(words), '^@user_script:%s*%d+:%s*%-?', '')
  if not string.match(words, '^%u+ ') then words = 'ERR ' .. words end
  return {err = words}
end

local subjects, n = {}, 0
local next_key = 1
while next_argument <= #ARGV do
  local letter = text()
  resolution = number()
  last_argument = number()
  last_argument = last_argument + next_argument - 1
  kind = made[letter] or kinds[letter]()
  made[letter] = kind
  first_key = next_key
  local is_done, answers = pcall(carry_out)
  n = n + 1
  subjects[n] = is_done and answers or as_error(answers)
  next_argument = last_argument + 1
  next_key = next_key + keys_of[letter]
end
return subjects
