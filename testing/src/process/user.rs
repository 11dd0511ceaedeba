//! Other users of the machine, which root may become.

use std::thread;

/// Does this as another user, which root may: on a thread of its own, since the system keeps users by thread.
pub fn as_user<T: Send>(user: u32, work: impl FnOnce() -> T + Send) -> T {
    let user = rustix::thread::Uid::from_raw(user);
    let work = move || {
        let become_user = rustix::thread::set_thread_groups(&[])
            .and_then(|()| rustix::thread::set_thread_res_uid(user, user, user));
        become_user.expect("this runs as root");
        work()
    };
    thread::scope(|scope| scope.spawn(work).join().expect("no panic"))
}

/// Whether this runs as root; says so where it does not.
pub fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        println!("SKIPPED: needs root");
    }
    is_root
}
