use std::sync::mpsc::{Sender, channel};

/// For a thread that is to be there before it is known that its work will be done: starting one may
/// fail, giving it its work does not. If the sender is dropped instead, it ends.
pub(crate) fn on_call<W>(work: impl FnOnce(W)) -> (Sender<W>, impl FnOnce()) {
    let (sender, receiver) = channel();
    let wait = move || {
        if let Ok(given) = receiver.recv() {
            work(given);
        }
    };
    (sender, wait)
}
