//! Scripts that Redis runs in one step, in its own language.

use std::sync::LazyLock;

use redis::Script;

/// A window's events; see the file.
pub(super) static COUNT: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("count.lua")));

/// KEYS: key. ARGV: expected, value, milliseconds or nothing.
pub(super) static COMPARE_AND_SET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
        if ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2])
        else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
        return 1",
    )
});

/// KEYS: key. ARGV: expected.
pub(super) static COMPARE_AND_DELETE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
        return redis.call('DEL', KEYS[1])",
    )
});

/// KEYS: key. ARGV: delta, milliseconds or nothing. The sum comes as text: a number would lose its last digits.
pub(super) static ADD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local old = redis.call('GET', KEYS[1])
        if not old then
            if ARGV[2] == '' then redis.call('SET', KEYS[1], ARGV[1])
            else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
            return ARGV[1]
        end
        if not old:match('^%d+$') then return 'no number' end
        local sum = redis.pcall('INCRBY', KEYS[1], ARGV[1])
        if type(sum) == 'table' and sum.err then
            return sum.err:match('overflow') and 'overflow' or 'no number'
        end
        return redis.call('GET', KEYS[1])",
    )
});

/// KEYS: lock, key. ARGV: owner, milliseconds. A lock that is taken is a status; a value is a value.
pub(super) static LOCK_AND_GET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return {0} end
        local value = redis.call('GET', KEYS[2])
        if value then return {1, value} end
        return {1}",
    )
});

/// KEYS: lock, key. ARGV: owner, value, milliseconds or nothing.
pub(super) static SET_AND_UNLOCK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
        if ARGV[3] == '' then redis.call('SET', KEYS[2], ARGV[2])
        else redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3]) end
        redis.call('DEL', KEYS[1])
        return 1",
    )
});
