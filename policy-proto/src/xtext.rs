//! xtext, the encoding of `ccert_subject` and `ccert_issuer`: `+` and two hexadecimal digits stand
//! for one byte (RFC 3461, section 4; Postfix's `xtext.c`).
//!
//! ```
//! use policy_proto::xtext;
//!
//! assert_eq!(xtext::decode(b"Alice+20Doe").as_deref(), Ok(&b"Alice Doe"[..]));
//! assert_eq!(xtext::encode("Zo\u{eb} +1".as_bytes()), b"Zo+C3+AB+20+2B1");
//! assert_eq!(xtext::decode(b"50+ off").unwrap_err().offset, 2);
//! ```

use crate::InvalidXtext;

/// The bytes that an xtext value stands for.
///
/// # Errors
///
/// A `+` that two hexadecimal digits do not follow; both cases of letters are taken, as Postfix does.
///
/// ```
/// use policy_proto::xtext;
///
/// assert_eq!(xtext::decode(b"caf+c3+A9").as_deref(), Ok("caf\u{e9}".as_bytes()));
/// assert_eq!(xtext::decode(b"a+4").unwrap_err().offset, 1);
/// ```
pub fn decode(text: &[u8]) -> Result<Vec<u8>, InvalidXtext> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'+' {
            out.push(byte);
            continue;
        }
        let offset = text.len() - tail.len() - 1;
        let Some((&[high, low], tail)) = tail.split_first_chunk() else {
            return Err(InvalidXtext { offset });
        };
        let (Some(high), Some(low)) = (digit(high), digit(low)) else {
            return Err(InvalidXtext { offset });
        };
        out.push(high << 4 | low);
        rest = tail;
    }
    Ok(out)
}

/// A value as xtext: everything but the printable ASCII characters is encoded, and so are `+` and `=`.
///
/// ```
/// assert_eq!(policy_proto::xtext::encode(b"a=b c"), b"a+3Db+20c");
/// ```
#[must_use]
pub fn encode(bytes: &[u8]) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_graphic() && !matches!(byte, b'+' | b'=') {
            out.push(byte);
        } else {
            out.extend([
                b'+',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]);
        }
    }
    out
}

fn digit(byte: u8) -> Option<u8> {
    // A hexadecimal digit is below 16, so the cast loses nothing.
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}
