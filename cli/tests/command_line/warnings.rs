//! Warnings of a drop-in.

use std::os::unix::net::UnixStream;

use crate::{
    drop_in,
    process::{Client, request},
    support::stub::{Script, Stub},
};

#[test]
fn an_invalid_service_is_left_out_by_a_drop_in_and_the_rest_works() {
    let stub = Stub::tcp(Script::answer("REJECT"));
    let service = format!("good={}", stub.address());
    let (near, far) = UnixStream::pair().unwrap();
    let _process = drop_in(&["-L", "-s", "bad", "-s", &service], far);
    let mut client = Client::of(near);
    client.send(&request(&[]));
    let said = String::from_utf8(client.reply().unwrap()).unwrap();
    assert_eq!(
        said,
        "[LOG warning]: ignoring invalid service 'bad'\n\
         [LOG warning]: invalid service 'bad': the name is missing: NAME=ADDRESS\n\
         action=REJECT\n\n"
    );
}
