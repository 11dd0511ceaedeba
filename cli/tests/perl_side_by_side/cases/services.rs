//! Clauses 2 and 3: the services as they are written, and the default action.

use crate::Script;
use crate::case::{Case, asks, case, cases, forwards, rows};
use crate::expect::Expecting;
use crate::texts::{
    Attempt, ERROR_AT_START, FULL, attributes, failed, first, invalid_service, lines, opening,
    refused, taken, timed_out,
};

pub const TABLES: super::Tables = &[
    fields, time_outs, names, hosts, same_names, invalid, mixed, defaults,
];

/// One service A with this text after its address, seen in the line of `-l`.
fn fields() -> Vec<Case> {
    let seen = |name, fields: &str, seen: Attempt| {
        forwards(name, &format!("-l -s A={{A}}{fields}")).log([seen.line()])
    };
    let a = first("A");
    rows! { seen;
        "3.2.a name=addr:port:", ":", a;
        "3.2.b with a prio", ":7", a.prio(7);
        "3.2.c with a weight", ":7:3", a.prio(7).weight(3);
        "3.2.d with a time-out", ":7:3:5", a.prio(7).weight(3);
        "3.2.e empty fields: 10 and 1", ":::", a;
        "3.2.f an empty prio", "::4:5", a.weight(4);
        "3.2.g an empty weight", ":4::5", a.prio(4);
        "3.2.h weight 0 is 1", ":4:0:5", a.prio(4);
    }
}

/// A server that hangs is given up after the default of thirty seconds.
fn time_outs() -> Vec<Case> {
    let thirty_seconds = |name, fields: &str| {
        let case = asks(name, &format!("-l -s A={{A}}{fields}"));
        let case = case
            .hanging("A")
            .limit(45)
            .answer("dunno")
            .received("A", [FULL]);
        case.log([timed_out("A"), failed("A").line()])
            .seconds(29.0, 38.0)
    };
    cases! {
        thirty_seconds("3.2.i no time-out is 30 seconds", ":");
        thirty_seconds("3.2.j an empty time-out is 30 seconds", ":10:1:");
        thirty_seconds("3.2.k time-out 0 is 30 seconds", ":10:1:0");
        asks("3.2.l a time-out of its own", "-s A={A}:::1").hanging("A")
            .answer("dunno").log([timed_out("A")]).seconds(0.9, 7.0);
    }
}

fn names() -> Vec<Case> {
    let named = |name, service: &str| {
        let line = first("A").line().replace("[A]", &format!("[{service}]"));
        let case = asks(name, "-l -s").arg(format!("{service}={{A}}:"));
        case.answer("A").log([line])
    };
    cases! {
        named("3.2.m a name with blanks", "my first service");
        named("3.2.n a name with colons and quotes", "a:b'c\"d:");
        named("3.2.o a name in UTF-8", "grün-Ω");
        asks("3.2.ag two names in Latin 1 are two services", "-s").refusing("A").arg(b"\xe4={B}:2")
            .args("-s").arg(b"\xf6={A}:1")
            .answer("B").received("B", [FULL])
            .line_differs("bytes that are not UTF-8 in the log",
                "warning: Could not open socket to '{f6}' ({A})",
                r"warning: Could not open socket to '\xf6' ({A})");
    }
}

fn hosts() -> Vec<Case> {
    let at = |name, address: &str| {
        let line = first("A").line().replace("({A})", &format!("({address})"));
        forwards(name, &format!("-l -s A={address}:")).log([line])
    };
    cases! {
        at("3.2.p localhost", "localhost:{A.port}");
        at("3.2.q a host's name", "policy.example:{A.port}")
            .file("/etc/hosts", "127.0.0.1 localhost policy.example\n");
        at("3.2.r an address in the short form", "127.1:{A.port}");
        at("3.2.s a port's name", "127.0.0.1:hapolicy-test").stub("A", Script::answer("A"))
            .file("/etc/services", "hapolicy-test {A.port}/tcp\n");
    }
}

fn same_names() -> Vec<Case> {
    let later_wins = |name, args: &str| {
        let line = first("A").prio(3).weight(2).line();
        let case = asks(name, args).answer("A");
        let case = case.received("A", [FULL]).received("B", [""; 0]);
        let ours = ["warning: …A…".to_owned(), line.clone()];
        case.log_differs("defect 20", [line], ours)
    };
    rows! { later_wins;
        "3.2.t the later of two with one name wins", "-l -s A={B}:1:7 -s A={A}:3:2";
        "3.2.af and takes over what it does not say itself", "-l -s A={B}:3:2:5 -s A={A}:";
    }
}

fn invalid() -> Vec<Case> {
    let invalid = |name, service: &str| {
        let case = case(name, "-s").arg(service);
        let case = case.args("-s A={A}:").send(FULL).answer("A");
        case.log([invalid_service(service)]).received("A", [FULL])
    };
    rows! { invalid;
        "3.2.u invalid: a word", "A";
        "3.2.v invalid: nothing", "";
        "3.2.w invalid: nothing after the =", "A=";
        "3.2.x invalid: no name", "=127.0.0.1:10031:";
        "3.2.y invalid: no port", "B=127.0.0.1";
        "3.2.z invalid: no host", "B=:10031:";
        "3.2.aa invalid: an empty port", "B=127.0.0.1::";
        "3.2.ab invalid: what follows -s", "-l";
    }
}

fn mixed() -> Vec<Case> {
    let nonsense = invalid_service("nonsense");
    cases! {
        asks("3.2.ac invalid ones amid good ones", "-s x -s A={A}:1 -s y -s B={B}:2 -s z").refusing("A")
            .answer("B").log(lines([["x", "y", "z"].map(invalid_service).into(), vec![refused("A")]]));
        asks("3.2.ad no valid service: the default action", "-s nonsense").send(FULL)
            .answers(["dunno"; 2]).log_differs("defect 4", [&*nonsense], [&*nonsense, ERROR_AT_START]);
    }
}

fn defaults() -> Vec<Case> {
    let base = |name, args: &str| asks(name, args).refusing("A").args("-s A={A}:");
    let verbatim = |name, action: &[u8]| {
        let expected = [b"action=", action, b"\n\n"].concat();
        let case = base(name, "").args("-d").arg(action);
        case.stdout(expected).log([refused("A")])
    };
    let mut cases = rows! { verbatim;
        "3.3.b -d verbatim: text", b"DEFER_IF_PERMIT 4.3.0 policy service down";
        "3.3.c -d verbatim: blanks at both ends", b"  X  Y ";
        "3.3.d -d verbatim: signs", b"REJECT 100% \"'$`\\;<>=&|";
        "3.3.e -d verbatim: UTF-8", "REJECT déjà vu".as_bytes();
        "3.3.f -d verbatim: 8-bit bytes", b"REJECT \xe9\xff\x80";
        "3.3.g -d verbatim: 0", b"0";
        "3.3.h -d verbatim: lower case", b"reject";
    };
    let action = "DEFER_IF_PERMIT policy service down";
    let attempt = vec![
        opening("A"),
        refused("A"),
        failed("A").line(),
        taken(action),
    ];
    cases.extend(cases! {
        base("3.3.a dunno, in lower case", "").answer("dunno").log([refused("A")]);
        base("3.3.i for each request anew, and in the log", "-v").args("-d").arg(action)
            .answer(action).log(lines([attributes(FULL), attempt]));
    });
    cases
}
