-- Checks an event against the windows of a key, and counts it, in one step. The rules are those of the crate's module
-- `window`; amounts are in a hash, `LENGTH:SLOT` to their sum, and distinct values in a sorted set by when they were
-- last seen.
--
-- KEYS[1]  the key
-- ARGV[1]  the time in milliseconds; nothing is the server's own
-- ARGV[2]  amount, distinct, show, preview-amount, or preview-distinct
-- ARGV[3]  the amount, or the value's fingerprint; of a preview several, amounts with commas between them
-- ARGV[4]  1 if what is not allowed counts
-- ARGV[5]  how many distinct values are remembered
-- ARGV[6]  how long all this is kept, in milliseconds
-- ARGV[7]  length and limit of each window, in turn
--
-- Gives 1 if allowed or 0, and what each window holds.
local SLOTS = 60

local key, kind, event = KEYS[1], ARGV[2], ARGV[3]
local counts_all = ARGV[4] == '1'
local now = tonumber(ARGV[1])
if not now then
    local time = redis.call('TIME')
    now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local lengths, limits, longest = {}, {}, 0
for i = 7, #ARGV, 2 do
    local length = tonumber(ARGV[i])
    lengths[#lengths + 1] = length
    limits[#limits + 1] = tonumber(ARGV[i + 1])
    longest = math.max(longest, length)
end

local function text(number)
    return string.format('%.0f', number)
end

local function slot_of(length)
    return math.max(1, math.ceil(length / SLOTS))
end

-- What each window holds of amounts, and the fields that no window needs.
local function amounts()
    local used, index, dead = {}, {}, {}
    for i, length in ipairs(lengths) do
        used[i] = 0
        index[text(length)] = i
    end
    local all = redis.call('HGETALL', key)
    for at = 1, #all, 2 do
        local length, number = all[at]:match('^(%d+):(%d+)$')
        local i = length and index[length]
        local is_live = false
        if i then
            local slot = slot_of(lengths[i])
            local begin = tonumber(number) * slot
            is_live = begin + slot + lengths[i] > now and begin <= now + lengths[i]
        end
        if is_live then
            used[i] = used[i] + tonumber(all[at + 1])
        else
            dead[#dead + 1] = all[at]
        end
    end
    return used, dead
end

-- What each window holds of distinct values.
local function values()
    local used = {}
    for i, length in ipairs(lengths) do
        used[i] = redis.call('ZCOUNT', key, '(' .. text(now - length), text(now + length))
    end
    return used
end

local function is_allowed(used, more)
    for i, limit in ipairs(limits) do
        if used[i] + more[i] > limit then
            return false
        end
    end
    return true
end

local function answer(allowed, used)
    local all = { allowed and 1 or 0 }
    for i = 1, #used do
        all[#all + 1] = used[i]
    end
    return all
end

local function same(number)
    local all = {}
    for i = 1, #lengths do
        all[i] = number
    end
    return all
end

local type_of = redis.call('TYPE', key).ok

if kind == 'show' then
    local used = same(0)
    if type_of == 'hash' then
        used = amounts()
    elseif type_of == 'zset' then
        used = values()
    end
    return answer(is_allowed(used, same(1)), used)
end

-- How much a distinct value adds to each window: nothing where it is counted already.
local function added(seen)
    local more = {}
    for i, length in ipairs(lengths) do
        local is_live = seen and seen + length > now and seen <= now + length
        more[i] = is_live and 0 or 1
    end
    return more
end

-- What the last of several events would give. Nothing is written.
if kind == 'preview-amount' or kind == 'preview-distinct' then
    local is_amount = kind == 'preview-amount'
    local used = same(0)
    if is_amount and type_of == 'hash' then
        used = amounts()
    elseif not is_amount and type_of == 'zset' then
        used = values()
    end
    local allowed, counted = true, {}
    for part in event:gmatch(is_amount and '[^,]+' or ('.'):rep(8)) do
        local more
        if is_amount then
            more = same(tonumber(part))
        else
            local seen = type_of == 'zset' and redis.call('ZSCORE', key, part)
            more = added(counted[part] and now or tonumber(seen or nil))
        end
        allowed = is_allowed(used, more)
        if allowed or counts_all then
            counted[part] = true
            for i = 1, #used do
                used[i] = used[i] + more[i]
            end
        end
    end
    return answer(allowed, used)
end

if kind == 'amount' then
    if type_of ~= 'hash' and type_of ~= 'none' then
        redis.call('DEL', key)
    end
    local used, dead = amounts()
    for at = 1, #dead, 1000 do
        redis.call('HDEL', key, unpack(dead, at, math.min(at + 999, #dead)))
    end
    local amount = tonumber(event)
    local allowed = is_allowed(used, same(amount))
    if amount > 0 and (allowed or counts_all) then
        for i, length in ipairs(lengths) do
            local field = text(length) .. ':' .. text(math.floor(now / slot_of(length)))
            redis.call('HINCRBY', key, field, event)
            used[i] = used[i] + amount
        end
        redis.call('PEXPIRE', key, ARGV[6])
    end
    return answer(allowed, used)
end

if type_of ~= 'zset' and type_of ~= 'none' then
    redis.call('DEL', key)
end
redis.call('ZREMRANGEBYSCORE', key, '-inf', text(now - longest))
redis.call('ZREMRANGEBYSCORE', key, '(' .. text(now + longest), '+inf')
local used = values()
local seen = tonumber(redis.call('ZSCORE', key, event) or nil)
local more = added(seen)
local allowed = is_allowed(used, more)
if allowed or counts_all then
    if seen or redis.call('ZCARD', key) < tonumber(ARGV[5]) then
        redis.call('ZADD', key, text(now), event)
        redis.call('PEXPIRE', key, ARGV[6])
    end
    for i = 1, #used do
        used[i] = used[i] + more[i]
    end
end
return answer(allowed, used)
