-- A part of one server's keys, for the administrator's questions.
--
-- KEYS[1]  only says which server is meant
-- cursor ('' asks who this is), pattern, about how many
local cursor, pattern, count = text(), text(), text()
if cursor == '' then
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or '?'
end
return redis.call('SCAN', cursor, 'MATCH', pattern, 'COUNT', count)
