//! `Greylist` on a file that two hosts share.

use super::hosts::greylist_together;

#[tokio::test]
async fn two_hosts_have_their_tickets_and_the_auto_whitelist_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db.sqlite");
    let connections = format!(
        "<Connection db>\nmodule=Sql\ndsn=dbi:SQLite:dbname={}\n</Connection>\n",
        path.display()
    );
    let parameters = "<Ticket>\nmodule=Sql\n</Ticket>\n<AWL>\nmodule=Sql\n</AWL>";
    greylist_together(&connections, parameters).await;
}
