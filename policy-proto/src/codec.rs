//! The protocol as codecs for `tokio_util::codec::Framed`.

use bytes::BytesMut;
use thiserror::Error;
use tokio_util::codec;

use crate::{DecodeError, MessageDecoder, Request, Response};

/// Why a framed connection failed: the peer's bytes, or the connection itself.
///
/// ```
/// use policy_proto::{CodecError, DecodeError, ServerCodec};
/// use tokio_util::codec::Decoder;
///
/// let error = ServerCodec::default().decode(&mut "EHLO there\n".into()).unwrap_err();
/// assert!(matches!(error, CodecError::Decode(DecodeError::NoEquals { offset: 0, .. })));
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The peer sent something else than the protocol.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// A policy server's side of a connection: [`Request`]s in, [`Response`]s out.
///
/// For `tokio_util::codec::Framed`.
///
/// ```
/// use bytes::BytesMut;
/// use policy_proto::{Response, ServerCodec};
/// use tokio_util::codec::{Decoder, Encoder};
///
/// let mut codec = ServerCodec::default();
/// let mut read = BytesMut::from("request=smtpd_access_policy\n\n");
/// assert!(codec.decode(&mut read)?.is_some());
///
/// let mut written = BytesMut::new();
/// codec.encode(Response::dunno(), &mut written)?;
/// assert_eq!(written, "action=DUNNO\n\n");
/// # Ok::<(), policy_proto::CodecError>(())
/// ```
#[derive(Debug, Default)]
pub struct ServerCodec {
    decoder: MessageDecoder,
}

/// A policy client's side of a connection: [`Request`]s out, [`Response`]s in.
///
/// A request is to be sent only after the response to the one before: Postfix does so, and servers
/// rely on it.
///
/// ```
/// use bytes::BytesMut;
/// use policy_proto::{ClientCodec, Request};
/// use tokio_util::codec::{Decoder, Encoder};
///
/// let mut codec = ClientCodec::default();
/// let mut written = BytesMut::new();
/// codec.encode(Request::from_attributes([("request", "smtpd_access_policy")])?, &mut written)?;
/// assert_eq!(written, "request=smtpd_access_policy\n\n");
///
/// let mut read = BytesMut::from("action=dunno\n\n");
/// assert_eq!(codec.decode(&mut read)?.unwrap().as_bytes(), b"dunno");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct ClientCodec {
    decoder: MessageDecoder,
}

/// A codec with the decoder's limits and leniency.
impl From<MessageDecoder> for ServerCodec {
    fn from(decoder: MessageDecoder) -> Self {
        Self { decoder }
    }
}

/// A codec with the decoder's limits.
impl From<MessageDecoder> for ClientCodec {
    fn from(decoder: MessageDecoder) -> Self {
        Self { decoder }
    }
}

impl codec::Decoder for ServerCodec {
    type Item = Request;
    type Error = CodecError;

    fn decode(&mut self, buf: &mut BytesMut) -> Result<Option<Request>, CodecError> {
        let request = self.decoder.request(buf)?;
        // Nobody asks a codec for them, and they must not pile up.
        self.decoder.take_skipped();
        Ok(request)
    }

    fn decode_eof(&mut self, buf: &mut BytesMut) -> Result<Option<Request>, CodecError> {
        match self.decode(buf)? {
            None => Ok(self.decoder.finish(buf).map(|()| None)?),
            some => Ok(some),
        }
    }
}

impl codec::Decoder for ClientCodec {
    type Item = Response;
    type Error = CodecError;

    fn decode(&mut self, buf: &mut BytesMut) -> Result<Option<Response>, CodecError> {
        Ok(self.decoder.response(buf)?)
    }

    fn decode_eof(&mut self, buf: &mut BytesMut) -> Result<Option<Response>, CodecError> {
        match self.decode(buf)? {
            None => Ok(self.decoder.finish(buf).map(|()| None)?),
            some => Ok(some),
        }
    }
}

impl codec::Encoder<Response> for ServerCodec {
    type Error = CodecError;

    fn encode(&mut self, response: Response, out: &mut BytesMut) -> Result<(), CodecError> {
        response.encode(out);
        Ok(())
    }
}

impl codec::Encoder<Request> for ClientCodec {
    type Error = CodecError;

    fn encode(&mut self, request: Request, out: &mut BytesMut) -> Result<(), CodecError> {
        out.extend_from_slice(request.as_bytes());
        Ok(())
    }
}
