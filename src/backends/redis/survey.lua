-- A part of one server's keys, for the administrator's questions. A script of its own.
--
-- KEYS[1]  only says which server is meant
-- cursor ('' asks who this is), pattern, about how many
local cursor, pattern, count = ARGV[1], ARGV[2], ARGV[3]
if cursor == '' then
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or '?'
end
return redis.call('SCAN', cursor, 'MATCH', pattern, 'COUNT', count)
