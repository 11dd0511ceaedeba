//! Names that the check of values knows.

/// Lists that answer those only who have registered.
pub(super) const REGISTERED: [(&str, &str); 4] = [
    (
        "b.barracudacentral.org",
        "https://www.barracudacentral.org/rbl",
    ),
    ("bl.score.senderscore.com", "https://knowledge.validity.com"),
    ("dnsbl.invaluement.com", "https://www.invaluement.com"),
    ("truncate.gbudb.net", "https://www.gbudb.com"),
];

/// The results of SPF (RFC 7208, 2.6).
pub(super) const SPF_RESULTS: [&str; 7] = [
    "none",
    "neutral",
    "pass",
    "fail",
    "softfail",
    "temperror",
    "permerror",
];

/// What the texts of scores are made of, beside the names of lists.
pub(super) const ITEMS: [&str; 30] = [
    "CL_IP_EQ_FROM_MX",
    "CL_IP_EQ_HELO_MX",
    "CL_IP_EQ_FROM_IP",
    "CL_IP_EQ_HELO_IP",
    "BAD_MX",
    "BOGUS_MX",
    "HELO_IP_IN_CL_SUBNET",
    "HELO_IP_IN_CL16_SUBNET",
    "CL_IP_NE_HELO",
    "NO_MX_A_RECS_FOUND",
    "HELO_NUMERIC",
    "FROM/MX_MATCHES_HELO(DOMAIN)",
    "FROM/MX_MATCHES_NOT_HELO(DOMAIN)",
    "CL_HOSTNAME_MATCHES_FROM(DOMAIN)",
    "FROM/MX_MATCHES_UNVR_HELO(DOMAIN)_OR_CL_NAME(DOMAIN)",
    "FROM/MX_MATCHES_NOT_UNVR_HELO(DOMAIN)_NOR_CL_NAME(DOMAIN)",
    "MAIL_SEEMS_FORGED",
    "FROM_NOT_FAILED_HELO(DOMAIN)",
    "CL_SEEMS_DIALUP",
    "REV_IP_EQ_HELO",
    "REV_IP_EQ_HELO_DOMAIN",
    "NO_DNS_RECORDS",
    "RESOLVED_IP_IS_NOT_HELO",
    "HELO_SEEMS_DIALUP",
    "NOK_HELO_SEEMS_DIALUP",
    "FROM_NBDY_ANON",
    "CLIENT_NOT_MX/A_FROM_DOMAIN",
    "CLIENT/24_NOT_MX/A_FROM_DOMAIN",
    "FROM_MULTIPARTED",
    "RANDOM_SENDER",
];
