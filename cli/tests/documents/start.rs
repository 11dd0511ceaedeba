//! The pages for a machine that has only its packages: they are followed one after the other, as from one day to the next.

use policy_testing::process::{mtpolicyd, policyd_weight};

use crate::{
    block::Kind,
    follow::{Reader, blocks_of},
};

#[test]
fn who_begins_with_packages_can_follow_each_page_in_turn() {
    let mut reader = Reader::new();
    reader.machine.bring(mtpolicyd(), "mtpolicyd");
    reader.machine.bring(policyd_weight(), "policyd-weight");
    // As on a Debian without the Perl programs, whose files would stay in use.
    reader.machine.must(
        "rm -rf /usr/sbin/hapolicy /usr/bin/mtpolicyd /usr/sbin/policyd-weight /etc/mtpolicyd /etc/cron.d/mtpolicyd \
             /etc/default/policyd-weight /etc/init.d/mtpolicyd /etc/init.d/policyd-weight \
             /lib/systemd/system/mtpolicyd.service",
    );
    for page in PAGES {
        reader.follow(&blocks_of(page));
    }
    let left = "ls /etc/hapolicy /usr/sbin/hapolicy /lib/systemd/system/hapolicy.socket 2>/dev/null || true";
    assert_eq!(reader.machine.must(left), "", "a purge leaves nothing");
    reader.finish();
}

#[test]
fn each_page_for_who_begins_asks_before_it_has_postfix_ask() {
    for page in PAGES.iter().filter(|page| page.contains("/start-")) {
        let blocks = blocks_of(page);
        let place = |found: &dyn Fn(&str, &Kind) -> bool| {
            blocks.iter().position(|block| {
                let kind = block.kind.as_ref();
                kind.is_ok_and(|kind| found(&block.text, kind))
            })
        };
        let asked = place(&|text, _| text.contains("-u postfix -- policy-client query"));
        let configured = place(&|_, kind| matches!(kind, Kind::Main | Kind::MainOf(_)));
        assert!(asked.is_some() && asked < configured, "{page}");
    }
}

/// In the order in which they can be followed.
pub const PAGES: [&str; 8] = [
    "docs/start-hapolicy.md",
    "docs/start-mtpolicyd.md",
    "docs/start-policyd-weight.md",
    "docs/monitoring.md",
    "docs/troubleshooting.md",
    "docs/timeouts.md",
    "docs/migrate.md",
    "docs/packages.md",
];
