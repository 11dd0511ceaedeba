//! Warnings of a drop-in.

use std::os::unix::net::UnixStream;

use policy_testing::{
    process::{Client, request},
    stub::{Script, Stub},
};

use crate::drop_in;

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

#[test]
fn a_service_whose_actions_are_none_is_left_out_by_a_drop_in_rather_than_trusted() {
    let stub = Stub::tcp(Script::answer("REJECT"));
    let service = format!("a={}", stub.address());
    for (actions, said, action) in [
        ("b=ok", "--actions b=ok: no service 'b'", "REJECT"),
        (
            "a=re ject",
            "invalid service 'a': actions 're ject': neither an action, nor a code, nor the \
             name of a restriction at byte 0\n\
             [LOG error]: no valid service: every request gets the default action",
            "dunno",
        ),
        (
            "a=dunno",
            "Invalid answer from 'a', which --actions does not allow -> 'REJECT'",
            "dunno",
        ),
    ] {
        let (near, far) = UnixStream::pair().unwrap();
        let _process = drop_in(&["-L", "-s", &service, "--actions", actions], far);
        let mut client = Client::of(near);
        client.send(&request(&[]));
        let all = String::from_utf8(client.reply().unwrap()).unwrap();
        assert_eq!(all, format!("[LOG warning]: {said}\naction={action}\n\n"));
    }
}
