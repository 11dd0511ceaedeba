//! A request of another protocol is told from one of Postfix's by its first line.

use policy_proto::Request;

/// Whether a request begins as none of Postfix's does, with a name that is no word: a byte order mark, or an HTTP
/// request whose lines all have an equals sign. What comes after it may look like a policy request.
pub(crate) fn is_foreign(request: &Request) -> bool {
    // As Postfix begins.
    if request.as_bytes().starts_with(b"request=") {
        return false;
    }
    let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
    let mut name = request.as_bytes().iter().take_while(|byte| **byte != b'=');
    !name.all(is_of_word)
}

/// The first bytes of TLS: a handshake of its version 3.
pub(crate) const TLS_HANDSHAKE: &[u8] = &[0x16, 3];
