//! Scheduled work: that of nested chains too, and what comes of failures.

use super::world::World;

#[tokio::test]
async fn a_failure_is_counted_and_logged_wherever_the_plugin_stands() {
    let greylist =
        |name: &str| format!("<Plugin {name}>\nmodule=Greylist\nuse_autowl=1\n</Plugin>\n");
    let nested = format!(
        "<Plugin c>\nmodule=Condition\nkey=sender\nmatch=a@x\n{}</Plugin>\n",
        greylist("inner")
    );
    let connections = "<Connection db>\nmodule=Sql\ndsn=dbi:SQLite:dbname=/nonexistent/db\n</Connection>\n\
        <Connection memcached>\nmodule=Memory\n</Connection>\n";
    let world = World::new(connections, &(greylist("outer") + &nested));
    let chain = &world.config.hosts[0].chain;
    assert_eq!(chain.cron("hourly", &world.services).await, 2);
    let log = world.log();
    assert!(log.contains("plugin outer failed in cron: "), "{log}");
}
