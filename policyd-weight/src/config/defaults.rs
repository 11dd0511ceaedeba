//! The sets of defaults: those of the Perl program's releases, and a modern one.

use std::{fmt, str::FromStr};

use crate::perl::{Problem, Variables, define};

/// A set of defaults.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DefaultSet {
    /// Those of upstream's 0.1.15 beta-2.
    Beta2,
    /// Those of upstream's 0.1.15 beta-3: without the lists that had ended by then.
    Beta3,
    /// Those of Debian's package 0.1.15.2-12.1.
    Debian,
    /// Lists that are alive, with their codes.
    Modern,
}

impl DefaultSet {
    /// The options with their defaults.
    ///
    /// # Errors
    ///
    /// None: the texts are part of the program, and a test reads them.
    pub fn options(self, compat: bool) -> Result<Variables, Problem> {
        let mut text = self.template();
        if !compat {
            text.push_str(&uncommented(MORE));
        }
        define(&text)
    }

    /// The file with all options and their defaults. The Perl program reads it as well, but the modern set, whose lists
    /// have codes.
    #[must_use]
    pub fn text(self) -> String {
        self.template() + MORE
    }

    fn template(self) -> String {
        let lockpath = if self == Self::Beta2 {
            "/tmp/.policyd-weight/"
        } else {
            "/var/run/policyd-weight/"
        };
        let cached = if self == Self::Beta2 {
            "'550 temporarily blocked because of previous errors'"
        } else {
            "$REJECTMSG . \" [cached]\""
        };
        let ignores = if matches!(self, Self::Debian | Self::Modern) {
            "$IGNORE_RFC1918_A = 0;    # 1: private addresses of the sender's domain do not count\n"
        } else {
            ""
        };
        let (dnsbl, rhsbl) = self.lists();
        OPTIONS
            .replace("{set}", &self.to_string())
            .replace("{dnsbl_score}", dnsbl)
            .replace("{rhsbl_score}", rhsbl)
            .replace("{LOCKPATH}", lockpath)
            .replace("{CACHEREJECTMSG}", cached)
            .replace("{IGNORE_RFC1918_A}", ignores)
    }

    fn lists(self) -> (&'static str, &'static str) {
        match self {
            Self::Beta2 => (BETA2_DNSBL, BETA2_RHSBL),
            Self::Beta3 | Self::Debian => (DEBIAN_DNSBL, "    'multi.surbl.org', 4, 0, 'SURBL',\n"),
            Self::Modern => (MODERN_DNSBL, MODERN_RHSBL),
        }
    }
}

impl fmt::Display for DefaultSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Beta2 => "beta2",
            Self::Beta3 => "beta3",
            Self::Debian => "debian",
            Self::Modern => "modern",
        })
    }
}

impl FromStr for DefaultSet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "beta2" => Self::Beta2,
            "beta3" => Self::Beta3,
            "debian" => Self::Debian,
            "modern" => Self::Modern,
            _ => {
                return Err(format!(
                    "'{text}' is no set of defaults: beta2, beta3, debian and modern are"
                ));
            }
        })
    }
}

/// The statements that stand in comments.
fn uncommented(text: &str) -> String {
    let statements = text
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| !line.starts_with(' '));
    statements.collect::<Vec<_>>().join("\n")
}

const OPTIONS: &str = include_str!("../../defaults/options.conf");
const MORE: &str = include_str!("../../defaults/more.conf");

const DEBIAN_DNSBL: &str = "    'pbl.spamhaus.org',     3.25, 0,    'DYN_PBL_SPAMHAUS',
    'sbl-xbl.spamhaus.org', 4.35, -1.5, 'SBL_XBL_SPAMHAUS',
    'bl.spamcop.net',       3.75, -1.5, 'SPAMCOP',
    'ix.dnsbl.manitu.net',  4.35, 0,    'IX_MANITU',
";

const BETA2_DNSBL: &str = "    'pbl.spamhaus.org',     3.25, 0,    'DYN_PBL_SPAMHAUS',
    'sbl-xbl.spamhaus.org', 4.35, -1.5, 'SBL_XBL_SPAMHAUS',
    'bl.spamcop.net',       3.75, -1.5, 'SPAMCOP',
    'dnsbl.njabl.org',      4.25, -1.5, 'BL_NJABL',
    'ix.dnsbl.manitu.net',  4.35, 0,    'IX_MANITU',
";

const BETA2_RHSBL: &str = "    'multi.surbl.org',             4,   0, 'SURBL',
    'rhsbl.ahbl.org',              4,   0, 'AHBL',
    'dsn.rfc-ignorant.org',        3.5, 0, 'DSN_RFCI',
    'postmaster.rfc-ignorant.org', 0.1, 0, 'PM_RFCI',
    'abuse.rfc-ignorant.org',      0.1, 0, 'ABUSE_RFCI',
";

const MODERN_DNSBL: &str =
    "    'zen.spamhaus.org=127.0.0.2-9',       4.35, -1.5, 'SBL_XBL_SPAMHAUS',
    'zen.spamhaus.org=127.0.0.10-11',     3.25, 0,    'DYN_PBL_SPAMHAUS',
    'bl.spamcop.net',                     3.75, -1.5, 'SPAMCOP',
    'psbl.surriel.com',                   3,    0,    'PSBL',
    'bl.mailspike.net=127.0.0.10-12',     3.5,  0,    'MAILSPIKE',
    'list.dnswl.org=127.0.*.1',           -1,   0,    'DNSWL_LOW',
    'list.dnswl.org=127.0.*.2',           -2,   0,    'DNSWL_MED',
    'list.dnswl.org=127.0.*.3',           -3,   0,    'DNSWL_HI',
";

const MODERN_RHSBL: &str = "    'dbl.spamhaus.org=127.0.1.2-127.0.1.99', 4, 0, 'DBL_SPAMHAUS',
    'multi.surbl.org=&8,&16,&64,&128',       4, 0, 'SURBL',
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perl::evaluate;

    const ALL: [DefaultSet; 4] = [
        DefaultSet::Beta2,
        DefaultSet::Beta3,
        DefaultSet::Debian,
        DefaultSet::Modern,
    ];

    #[test]
    fn each_set_is_a_file_that_loads_and_changes_nothing() {
        for set in ALL {
            assert_eq!(set.to_string().parse(), Ok(set));
            for compat in [true, false] {
                let options = set.options(compat).unwrap();
                let evaluated = evaluate(set.text().as_bytes(), &options).unwrap();
                assert_eq!(evaluated.options.changed_from(&options).len(), 0, "{set}");
                assert_eq!(evaluated.warnings, []);
            }
        }
    }

    #[test]
    fn the_perl_program_has_77_options_and_ours_nine_more() {
        for (set, compat, count) in [
            (DefaultSet::Debian, true, 77),
            (DefaultSet::Debian, false, 86),
            (DefaultSet::Beta2, true, 76),
            (DefaultSet::Beta3, true, 76),
        ] {
            let options = set.options(compat).unwrap();
            assert_eq!(options.scalars.len() + options.arrays.len(), count, "{set}");
        }
    }
}
