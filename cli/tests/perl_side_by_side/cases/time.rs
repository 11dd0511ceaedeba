//! The defects that cost time: 1, 2, 7 and 8.

use crate::case::{Aspect, Case, Step, asks, case, cases};
use crate::expect::{Expecting, expect};
use crate::texts::{FULL, ask, numbered, timed_out};
use crate::{Reply, Script};

pub const TABLES: super::Tables = &[budget, rests, fractions, endless, resolver];

/// Defect 1. Our deadline is 90 s by default; here a shorter one, so that the test need not wait.
fn budget() -> Vec<Case> {
    cases! {
        asks("2.1.a the default action comes when the time is over",
            "-s A={A}:1:1:2 -s B={B}:2:1:2 -s C={C}:3:1:2")
            .hanging("A B C").extra_args(&["--deadline", "3s"])
            .answer("dunno").by_check(&[Aspect::Log, Aspect::Received, Aspect::Connections])
            .differs("defect 1", expect().seconds(5.9, 15.0), expect().seconds(2.5, 5.0));
        asks("2.1.b each attempt leaves time for the services not yet asked",
            "-s A={A}:1:1:8 -s B={B}:2:1:8 -s C={C}:3:1:8 -s D={D}:4:1:8")
            .hanging("A B C").extra_args(&["--deadline", "24s"])
            .answer("D").log(["A", "B", "C"].map(timed_out)).received("D", [FULL]).limit(40)
            .differs("defect 1", expect().seconds(23.5, 35.0), expect().seconds(17.0, 22.0));
    }
}

/// Defect 2: a server that did not answer in time rests while another one answers.
fn rests() -> Vec<Case> {
    let once = expect().log([timed_out("A")]).asked("A", ask(1));
    let each_time = expect()
        .log(["A"; 3].map(timed_out))
        .received("A", numbered(3));
    cases! {
        case("2.2.a a silent server costs its time once", "-s A={A}:1:1:2 -s B={B}:2:1:9").hanging("A")
            .send(numbered(3).concat())
            .answers(["B"; 3]).received("B", numbered(3))
            .differs("defect 2", each_time.connections("A", 3).seconds(5.9, 15.0), once.seconds(1.9, 5.0));
        case("2.2.b it is tried all the same when nobody else answers", "-s A={A}:1:1:2 -s B={B}:2:1:9")
            .hanging("A").refusing("B").set("A", [Script::reply(Reply::Hang), Script::answer("A")])
            .send_in_turn(&numbered(2))
            .answers(["dunno", "A"]).received("A", numbered(2)).by_check(&[Aspect::Log]);
    }
}

/// Defect 7. Perl's alarm() takes whole seconds; what is none is no time-out at all.
fn fractions() -> Vec<Case> {
    let released = |name, time_out: &str| {
        asks(name, &format!("-s A={{A}}:1:1:{time_out} -s B={{B}}:2"))
            .stub("A", Script::answer("late").held())
            .step(Step::Arrived("A", 1))
            .sleep(2500)
            .step(Step::Release("A"))
            .received("A", [FULL])
    };
    cases! {
        released("2.7.a fractions of a second count", "0.5")
            .differs("defect 7",
                expect().answer("late").quiet().not_asked("B"),
                expect().answer("B").log([timed_out("A")]).asked("B", FULL));
        released("2.7.b a negative time-out: a warning", "-1")
            .answer("late").received("B", [""; 0]).log_differs("defect 7", [""; 0], ["warning: …-1…"]);
    }
}

fn endless() -> Vec<Case> {
    let endless = |name, time_out: &str| {
        let case = asks(name, &format!("-s A={{A}}:1:1:{time_out} -s B={{B}}:2"));
        let log = [format!("warning: …{time_out}…"), timed_out("A")];
        let perl = expect().stdout("").status("killed by the test").quiet();
        let ours = expect().answer("B").status("exit 0").log(log);
        let (perl, ours) = (perl.not_asked("B"), ours.asked("B", FULL));
        let case = case.hanging("A").limit(42).received("A", [FULL]);
        case.differs("defect 7", perl, ours)
    };
    cases! {
        endless("2.7.c a word for a time-out: a warning, and 30 seconds", "abc");
        endless("2.7.d a negative time-out is 30 seconds too", "-1");
    }
}

/// Defect 8. A resolver that does not answer (at 127.0.0.1, where the test holds port 53) takes Perl five seconds,
/// whatever the service's time-out is.
fn resolver() -> Vec<Case> {
    let silent = "nameserver 127.0.0.1\noptions timeout:5 attempts:1\n";
    cases! {
        asks("2.8.a the time-out covers the name's lookup", "-s A=policy.example:10031:1:1:1 -s B={B}:2:1:9")
            .file("/etc/resolv.conf", silent)
            .answer("B").log(["warning: Timeout for 'A' (policy.example:10031)"]).received("B", [FULL])
            .differs("defect 8", expect().seconds(4.9, 15.0), expect().seconds(0.9, 4.5));
    }
}
