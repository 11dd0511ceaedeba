//! The request of `--probe`, read from its file.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use bytes::BytesMut;
use policy_proto::{DecodeError, Limits, MessageDecoder, Request};
use thiserror::Error;

/// Why a file of `--probe` holds no request.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InvalidProbe {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Something in it is no attribute, or it is too large.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// There is nothing in it.
    #[error("no request in it")]
    Empty,
    /// Something follows the blank line.
    #[error("more than one request in it")]
    Several,
    /// Its type is another one.
    #[error("it has no line request=smtpd_access_policy")]
    Type,
}

/// Reads the one request in a file. The blank line at its end may be missing, as it is easily
/// forgotten by hand.
pub(crate) fn read_probe(path: &Path) -> Result<Request, InvalidProbe> {
    let mut bytes = Vec::new();
    // A pipe would be waited for.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("no regular file").into());
    }
    // One byte more than allowed is enough to say so.
    let most = Limits::default().message as u64 + 1;
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Result<Request, InvalidProbe> {
    let mut buf = BytesMut::from(bytes);
    buf.extend_from_slice(b"\n\n");
    let request = MessageDecoder::new().request(&mut buf)?;
    let request = request.ok_or(InvalidProbe::Empty)?;
    if buf.iter().any(|byte| !matches!(byte, b'\r' | b'\n')) {
        return Err(InvalidProbe::Several);
    }
    if request.is_access_policy() {
        Ok(request)
    } else {
        Err(InvalidProbe::Type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_one_request_with_or_without_its_blank_line() {
        let wire = b"request=smtpd_access_policy\nsender=probe@example.com\n\n";
        for text in [
            "request=smtpd_access_policy\nsender=probe@example.com\n\n",
            "request=smtpd_access_policy\nsender=probe@example.com\n",
            "request=smtpd_access_policy\nsender=probe@example.com",
            "request=smtpd_access_policy\r\nsender=probe@example.com\r\n\r\n",
            "\n\nrequest=smtpd_access_policy\nsender=probe@example.com\n\n\n\n",
        ] {
            let request = parse(text.as_bytes()).unwrap();
            assert_eq!(request.as_bytes(), wire, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_request_is_named() {
        let long = format!("request=smtpd_access_policy\n{}", "a=b\n".repeat(40_000));
        for (text, said) in [
            ("", "no request in it"),
            ("\n\n\n", "no request in it"),
            ("sender=a\n", "it has no line request=smtpd_access_policy"),
            (
                "request=junk\n\n",
                "it has no line request=smtpd_access_policy",
            ),
            (
                "request=smtpd_access_policy\n\nrequest=smtpd_access_policy\n\n",
                "more than one request in it",
            ),
            ("request=smtpd_access_policy\nsender\n\n", "="),
            (&long, "131072"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error() {
        assert!(matches!(
            read_probe(Path::new("/nonexistent")),
            Err(InvalidProbe::Io(_))
        ));
        assert!(matches!(
            read_probe(Path::new("/")),
            Err(InvalidProbe::Io(_))
        ));
        let endless = read_probe(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(endless.to_string(), "no regular file");
    }
}
