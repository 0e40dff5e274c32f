/**
 * What each script begins with. A log is a stream whose entries are named `<position>-0`, and a hash that says which log it
 * is: its epoch, its newest position, the server's replication ID, and the holes between its positions.
 *
 * Own IDs are in two sorted sets. One finds an event by its ID and set of topics (`<ID>\n<topics>`, scored by position), the
 * other those of an ID in their order (`<ID>\n<position>`, of 16 digits).
 *
 * A server that comes back, or another that takes its place, has another replication ID, and may have lost what was
 * acknowledged last. So the positions go on from the clock's microseconds then, and the hole is noted: no position is given
 * out twice, and whoever has seen one inside the hole knows that it was lost.
 */
const BEGIN = `
local events, meta = KEYS[1], KEYS[2]
local function text(n) return string.format('%.0f', n) end
local function placeOf(id, position) return string.format('%s\\n%016.0f', id, position) end
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local info = redis.call('INFO', 'replication')
local at = string.find(info, 'master_replid:', 1, true)
local replid = at and string.sub(info, at + 14, at + 53) or ''
local known = redis.call('HMGET', meta, 'epoch', 'newest', 'replid', 'bytes', 'time', 'holes')
local epoch, newest, holes = known[1], tonumber(known[2] or '0'), known[6] or ''
if not epoch then
  epoch = ARGV[1]
  redis.call('DEL', events, KEYS[3], KEYS[4], KEYS[5])
end
if known[3] ~= replid then
  local to = math.max(newest + 1, tonumber(clock[1]) * 1000000 + tonumber(clock[2]))
  local all = {}
  for hole in string.gmatch(holes, '[^,]+') do all[#all + 1] = hole end
  all[#all + 1] = text(newest) .. '-' .. text(to)
  newest = to
  holes = table.concat(all, ',', math.max(1, #all - 31))
  redis.call('HSET', meta, 'epoch', epoch, 'newest', text(to), 'replid', replid, 'holes', holes)
end
`;

/** What the hash says, the oldest entry, and the clock. ARGV: an epoch, should there be none. */
export const STATE: string = BEGIN + `
local oldest = redis.call('XRANGE', events, '-', '+', 'COUNT', 1)[1]
return {epoch, text(newest), oldest and oldest[1] or '', holes, redis.call('HGET', meta, 'lost') or '0', text(now)}
`;

/**
 * Stores events. KEYS[6] belongs to the writer: a batch that comes again is answered as the first time, one that comes
 * late is left out. ARGV: an epoch, the batch's number, maxEvents, maxAge, maxBytes ('' for none), where the last hole ends
 * that the writer knows of, and for each event its own ID and set of topics or '', its topics, its body. Who does not know all holes is told
 * them with the answer: the events' positions are beyond them already.
 */
export const APPEND: string = BEGIN + `
local ids, marks, places, writer = KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local batch = tonumber(ARGV[2])
local maxEvents, maxAge, maxBytes = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local news = string.match(holes, '%d+$') == ARGV[6] and '' or holes
local done, doneFirst, doneOthers = string.match(redis.call('GET', writer) or '', '^(%d+) (%d+) (.*)$')
if done and tonumber(done) >= batch then
  if tonumber(done) > batch then return redis.error_reply('LATE batch') end
  return {epoch, doneFirst, doneOthers, news}
end
local first, others = text(newest + 1), {}
local bytes = tonumber(known[4] or '0')
now = math.max(now, tonumber(known[5] or '0')) -- a clock set back must not unsort them
local stamp = text(now)
local function retained(position) -- the body, if it is
  local kept = redis.call('XRANGE', events, text(position) .. '-0', text(position) .. '-0')[1]
  if not kept then return nil end
  local time, body = string.match(kept[2][2], '^(%d+)\\n[^\\n]*\\n[^\\n]*\\n(.*)$')
  return (not maxAge or tonumber(time) >= now - maxAge) and body
end
for i = 7, #ARGV, 3 do
  local own, n = ARGV[i], (i - 7) / 3
  local at = own ~= '' and redis.call('ZSCORE', ids, own)
  local body = at and retained(tonumber(at))
  if body then
    others[#others + 1] = body == ARGV[i + 2] and n or -1 - n
  else
    newest = newest + 1
    local position = text(newest)
    local id = string.match(own, '^[^\\n]*')
    local lines = stamp .. '\\n' .. id .. '\\n' .. ARGV[i + 1] .. '\\n' .. ARGV[i + 2]
    redis.call('XADD', events, position .. '-0', 'e', lines)
    if own ~= '' then
      if at then redis.call('ZREM', places, placeOf(id, tonumber(at))) end
      redis.call('ZADD', ids, position, own)
      redis.call('ZADD', places, 0, placeOf(id, newest))
    end
    bytes = bytes + #ARGV[i + 1] + #ARGV[i + 2] + #own + 64
  end
end
if maxEvents then redis.call('XTRIM', events, 'MAXLEN', maxEvents) end
if maxAge or maxBytes then
  -- A mark for each hundredth of a limit, and whole hundredths are removed
  local last = redis.call('LINDEX', marks, -1)
  local markTime, markBytes = string.match(last or '0 0 0', '^%d+ (%d+) (%d+)$')
  if (maxBytes and bytes - tonumber(markBytes) >= maxBytes / 100) or (maxAge and now - tonumber(markTime) >= maxAge / 100) then
    redis.call('RPUSH', marks, text(newest) .. ' ' .. stamp .. ' ' .. text(bytes))
  end
  local gone, cut = tonumber(redis.call('HGET', meta, 'gone') or '0'), nil
  while true do
    local mark = redis.call('LINDEX', marks, 0)
    if not mark then break end
    local position, time, upto = string.match(mark, '^(%d+) (%d+) (%d+)$')
    if not ((maxBytes and bytes - gone > maxBytes) or (maxAge and tonumber(time) < now - maxAge)) then break end
    cut, gone = position, tonumber(upto)
    redis.call('LPOP', marks)
  end
  if cut then
    redis.call('XTRIM', events, 'MINID', text(tonumber(cut) + 1) .. '-0')
    redis.call('HSET', meta, 'gone', text(gone))
  end
end
if redis.call('ZCARD', ids) > 0 then
  -- The own IDs of what is removed, some at a time: those that are left find nothing
  local oldest = redis.call('XRANGE', events, '-', '+', 'COUNT', 1)[1]
  local before = '(' .. (oldest and string.match(oldest[1], '^%d+') or text(newest + 1))
  local gone = redis.call('ZRANGEBYSCORE', ids, '-inf', before, 'WITHSCORES', 'LIMIT', 0, 64 + #ARGV)
  for i = 1, #gone, 2 do
    redis.call('ZREM', ids, gone[i])
    redis.call('ZREM', places, placeOf(string.match(gone[i], '^[^\\n]*'), tonumber(gone[i + 1])))
  end
end
redis.call('HSET', meta, 'newest', text(newest), 'bytes', text(bytes), 'time', stamp)
others = table.concat(others, ' ')
redis.call('SET', writer, ARGV[2] .. ' ' .. first .. ' ' .. others, 'EX', 3600)
return {epoch, first, others, news}
`;

/** Entries of an own ID, at most 64, from the first retained one on. ARGV: an epoch, the ID, a position that they come after. */
export const FIND: string = BEGIN + `
local oldest = redis.call('XRANGE', events, '-', '+', 'COUNT', 1)[1]
if not oldest then return {} end
local from = math.max(tonumber(ARGV[3]) + 1, tonumber(string.match(oldest[1], '^%d+')))
local found = {}
for _, place in ipairs(redis.call('ZRANGEBYLEX', KEYS[5], '[' .. placeOf(ARGV[2], from), '[' .. ARGV[2] .. '\\n:', 'LIMIT', 0, 64)) do
  local id = text(tonumber(string.sub(place, -16))) .. '-0'
  found[#found + 1] = redis.call('XRANGE', events, id, id)[1]
end
return found
`;

/** Says to every reader that a hole took events with it, once for each hole. ARGV: an epoch, the hole's end. Returns the position of what says so, 0 if it was said. */
export const LOST: string = BEGIN + `
if redis.call('HSETNX', meta, 'lost:' .. ARGV[2], '1') == 0 then return '0' end
newest = newest + 1
redis.call('XADD', events, text(newest) .. '-0', 'lost', text(now) .. '\\n\\n[]\\n')
redis.call('HSET', meta, 'newest', text(newest), 'lost', text(newest))
return text(newest)
`;

/** Shares what a node says with the others. KEYS: a hash. ARGV: the node, what it says ('' to leave), for how many ms. */
export const ANNOUNCE = `
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + tonumber(ARGV[3])) .. ' ' .. ARGV[2])
end
local said = redis.call('HGETALL', KEYS[1])
local alive = {}
for i = 1, #said, 2 do
  local till, what = string.match(said[i + 1], '^(%d+) (.*)$')
  if tonumber(till) < now then
    redis.call('HDEL', KEYS[1], said[i])
  else
    alive[#alive + 1] = said[i]
    alive[#alive + 1] = what
  end
end
return alive
`;
