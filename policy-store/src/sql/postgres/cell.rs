//! Values in PostgreSQL's two forms: what is sent is text, but for bytes; what comes is binary.

use std::error::Error;

use bytes::{BufMut as _, BytesMut};
use tokio_postgres::types::{Format, FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};

use crate::Value;

/// A value of a placeholder. The server reads it as whatever type it wants there.
#[derive(Debug)]
pub(super) struct Param<'a>(pub(super) &'a Value);

impl ToSql for Param<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let Some(text) = self.0.text() else {
            return Ok(IsNull::Yes);
        };
        out.put_slice(&text);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, of: &Type) -> Format {
        if *of == Type::BYTEA {
            Format::Binary
        } else {
            Format::Text
        }
    }

    to_sql_checked!();
}

/// A value of a column.
#[derive(Debug)]
pub(super) struct Cell(pub(super) Value);

/// Whether a column of this type is read; others are asked for as text.
pub(super) fn is_readable(of: &Type) -> bool {
    const TYPES: [Type; 14] = [
        Type::BOOL,
        Type::INT2,
        Type::INT4,
        Type::INT8,
        Type::FLOAT4,
        Type::FLOAT8,
        Type::TEXT,
        Type::VARCHAR,
        Type::BPCHAR,
        Type::NAME,
        Type::UNKNOWN,
        Type::BYTEA,
        Type::JSON,
        Type::XML,
    ];
    TYPES.contains(of) || matches!(of.kind(), Kind::Enum(_))
}

impl<'a> FromSql<'a> for Cell {
    fn from_sql(of: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(match *of {
            Type::BOOL => Value::Int(bool::from_sql(of, raw)?.into()),
            Type::INT2 => Value::Int(i16::from_sql(of, raw)?.into()),
            Type::INT4 => Value::Int(i32::from_sql(of, raw)?.into()),
            Type::INT8 => Value::Int(i64::from_sql(of, raw)?),
            // By its digits: 0.1 stays 0.1.
            Type::FLOAT4 => Value::Float(f32::from_sql(of, raw)?.to_string().parse()?),
            Type::FLOAT8 => Value::Float(f64::from_sql(of, raw)?),
            // The others are their bytes.
            _ => Value::Bytes(raw.to_vec()),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Value::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
