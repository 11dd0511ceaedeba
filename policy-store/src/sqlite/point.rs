//! Up to where the rows of a table are known to who reads them again and again.
//!
//! A new row has the number above the highest one, and a number comes again once its row is deleted. So no number says by itself
//! what was read, but a row does that is as it was then: while it is there, what is written has a higher number.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use bytes::Bytes;
use rusqlite::{Connection, Row};

/// Up to where the entries of a store are known. The default is before all of them.
#[derive(Clone, Debug, Default)]
pub struct SqlitePoint {
    /// Rows that were there, by their numbers: the next reading begins at the highest one that is as it was.
    marks: Vec<Mark>,
}

/// A row: its number, and a digest of all that is in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Mark {
    id: i64,
    digest: u64,
}

/// How many rows are noted of those that were read, and how many of those that were noted before. They are spread over all that was
/// read: the last ones may be of clients that come each second, and are written each time.
const MARKS: usize = 16;

/// The live entries whose keys begin so and that were written after a point, at most so many, and the point of now.
pub(super) fn entries_after(
    connection: &Connection,
    now: u64,
    prefix: &[u8],
    point: &SqlitePoint,
    most: usize,
) -> rusqlite::Result<(Vec<(Bytes, Bytes)>, SqlitePoint)> {
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let mut marks = point.marks.clone();
    let query = "SELECT id, key, value, expires FROM policy_store WHERE id >= ?1 ORDER BY id";
    let mut statement = connection.prepare_cached(query)?;
    // One statement looks at the mark and reads what is above it, so that nothing changes between the two.
    loop {
        let mark = marks.last().copied();
        let mut rows = statement.query([mark.map_or(i64::MIN, |mark| mark.id)])?;
        if mark.is_some() && rows.next()?.map(Mark::of).transpose()? != mark {
            marks.pop();
            continue;
        }
        let (mut entries, mut read) = (vec![], vec![]);
        while entries.len() < most
            && let Some(row) = rows.next()?
        {
            read.push(Mark::of(row)?);
            let key = row.get_ref(1)?.as_bytes()?;
            let expires: Option<i64> = row.get(3)?;
            if key.starts_with(prefix) && expires.is_none_or(|expires| expires > now) {
                let value = row.get_ref(2)?.as_bytes()?;
                entries.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
            }
        }
        marks.drain(..marks.len().saturating_sub(MARKS));
        let step = read.len().div_ceil(MARKS).max(1);
        let end = marks.len();
        marks.extend(read.iter().rev().step_by(step));
        marks[end..].reverse();
        return Ok((entries, SqlitePoint { marks }));
    }
}

impl Mark {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let mut digest = DefaultHasher::new();
        row.get_ref(1)?.as_bytes()?.hash(&mut digest);
        row.get_ref(2)?.as_bytes()?.hash(&mut digest);
        row.get::<_, Option<i64>>(3)?.hash(&mut digest);
        Ok(Self {
            id: row.get(0)?,
            digest: digest.finish(),
        })
    }
}
