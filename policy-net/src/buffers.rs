//! Buffers that nobody holds while nothing is to be read: each thread keeps some for whoever reads
//! next. So a connection costs no buffer while it is idle, and a request no allocation.

use std::cell::RefCell;

use bytes::BytesMut;

thread_local! {
    static FREE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with room for [`READ`] bytes at least.
pub(crate) fn lend() -> BytesMut {
    FREE.with_borrow_mut(Vec::pop)
        .unwrap_or_else(|| BytesMut::with_capacity(READ))
}

/// Keeps a buffer for others, without what is in it. One that somebody else still sees a part of, or
/// that has grown large, is left to them.
pub(crate) fn take_back(mut buf: BytesMut) {
    buf.clear();
    if !buf.try_reclaim(READ) || buf.capacity() > LARGE {
        return;
    }
    // A thread that ends keeps nothing.
    _ = FREE.try_with(|free| {
        let mut free = free.borrow_mut();
        if free.len() < MOST {
            free.push(buf);
        }
    });
}

/// Room for a typical request with long addresses.
pub(crate) const READ: usize = 4096;
/// What is larger was made for a rare request.
const LARGE: usize = 4 * READ;
/// As many as the requests that a thread may have under way without allocating: a megabyte.
const MOST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_back_is_lent_again() {
        let mut buf = lend();
        buf.extend_from_slice(b"request=smtpd_access_policy\n\n");
        let place = buf.as_ptr();
        let request = buf.split().freeze();
        drop(request);
        take_back(buf);
        let buf = lend();
        assert!(buf.is_empty() && buf.capacity() >= READ);
        assert_eq!(buf.as_ptr(), place);
    }

    #[test]
    fn what_somebody_else_sees_is_not_lent() {
        let mut buf = lend();
        buf.extend_from_slice(b"request=smtpd_access_policy\n\n");
        let request = buf.split().freeze();
        take_back(buf);
        let mut other = lend();
        other.extend_from_slice(&[b'x'; 1000]);
        assert_eq!(request, "request=smtpd_access_policy\n\n");
    }

    #[test]
    fn large_buffers_and_more_than_enough_of_them_are_not_kept() {
        take_back(BytesMut::with_capacity(LARGE + 1));
        assert_eq!(FREE.with_borrow(Vec::len), 0);
        for _ in 0..MOST + 10 {
            take_back(BytesMut::with_capacity(READ));
        }
        assert_eq!(FREE.with_borrow(Vec::len), MOST);
    }
}
