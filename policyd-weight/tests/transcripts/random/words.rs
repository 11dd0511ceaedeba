//! What random options, zones and requests are made of.

pub const ADDRESS_LISTS: [&str; 3] = ["bl.list", "dyn.list", "wl.list"];
pub const DOMAIN_LISTS: [&str; 2] = ["ra.list", "rb.list"];
pub const SCORES: [&str; 18] = [
    "client_ip_eq_helo_score",
    "helo_score",
    "helo_from_mx_eq_ip_score",
    "helo_numeric_score",
    "from_match_regex_verified_helo",
    "from_match_regex_unverified_helo",
    "from_match_regex_failed_helo",
    "helo_seems_dialup",
    "failed_helo_seems_dialup",
    "helo_ip_in_client_subnet",
    "helo_ip_in_cl16_subnet",
    "client_seems_dialup_score",
    "from_multiparted",
    "from_anon",
    "bogus_mx_score",
    "random_sender_score",
    "rhsbl_penalty_score",
    "enforce_dyndns_score",
];
pub const OPTIONS: [(&str, &[&str]); 11] = [
    ("REJECTLEVEL", &["-3", "0", "1", "4.5", "30"]),
    (
        "REJECTMSG",
        &["'554 no'", "'REJECT'", "'rc: slow, later'", "'450 later'"],
    ),
    (
        "DEFER_STRING",
        &["''", "'IN_BL.LIST='", "'CL_IP_NE_HELO= BOGUS_MX='"],
    ),
    ("DEFER_LEVEL", &["0", "2.5", "90"]),
    ("MAXDNSERR", &["1", "2", "9"]),
    ("MAXDNSBLHITS", &["0", "1", "9"]),
    ("MAXDNSBLSCORE", &["2.5", "90"]),
    ("LOG_BAD_RBL_ONLY", &["0"]),
    ("IGNORE_RFC1918_A", &["1"]),
    ("ADD_X_HEADER", &["0"]),
    ("DEBUG", &["1"]),
];
pub const V4: [&str; 9] = [
    "100.64.2.10",
    "100.64.2.11",
    "100.64.20.10",
    "100.65.2.10",
    "110.0.0.1",
    "10.1.1.1",
    "127.0.0.1",
    "172.16.1.1",
    "192.168.5.5",
];
pub const V6: [&str; 4] = [
    "2001:db8:a::1",
    "2001:db8:a::2",
    "2001:db8:a:1::1",
    "2001:db8:b::1",
];
pub const LABELS: [&str; 11] = [
    "mail",
    "mx1",
    "x",
    "a-b",
    "static",
    "nstat",
    "dsl-5-78",
    "p5077",
    "revhome",
    "client",
    "h-203-0-113-60",
];
pub const DOMAINS: [&str; 10] = [
    "acme.test",
    "shop.test",
    "b.acme.test",
    "acme.co.uk",
    "acme.com.br",
    "acme.net",
    "dip.dialin.test",
    "acme.museum",
    "acme.x",
    "localhost",
];
pub const HELO_NAMES: [&str; 8] = [
    "",
    "0",
    "localhost",
    "[100.64.2.10",
    "1.2.3",
    "|1.2|",
    "[100.064.2.10]",
    "a b.test",
];
pub const LOCAL_PARTS: [&str; 11] = [
    "carol",
    "nobody",
    "anonymous",
    "xkcdqwrt",
    "aeio",
    "carol+ext",
    "carol-ext-x",
    "+carol",
    "-",
    "",
    "a=b",
];
pub const SENDERS: [&str; 6] = ["", "0", "@", "carol", "x@100.64.2.10", "x@[100.64.2.10]"];
pub const RECIPIENTS: [&str; 5] = [
    "dave@rcpt.test",
    "Dave@rcpt.test",
    "",
    "0",
    "Postmaster@rcpt.test",
];
