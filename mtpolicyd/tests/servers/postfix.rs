//! A Postfix asks a chain of thirteen plugins, which ask Redis, MariaDB, slapd and DNS.

use std::{fs, net::SocketAddr};

use policy_testing::{
    NameServer, eventually,
    mail_system::{Processes, Session, Setup},
    own_address,
};

use super::{
    daemon::Daemon,
    support::{databases, directory, redis},
};

const ZONE: &str = "\
acme.example TXT \"v=spf1 ip4:192.0.2.0/28 -all\"
192.0.2.9@zen.example A 127.0.0.10
127.0.0.2@zen.example A 127.0.0.2
mail.acme.example.dlist.example A 127.0.1.2
test.dlist.example A 127.0.1.2
";

const CHAIN: &str = r#"
<Plugin person>
  module = LdapUserConfig
  basedn = "dc=example"
  filter = "(uid=%s)"
  filter_field = helo_name
  config_fields = sn
</Plugin>
<Plugin settings>
  module = SqlUserConfig
  field = sender
  sql_query = "SELECT '{\"quota\":\"3\"}' FROM DUAL WHERE ? = 'carol@acme.example'"
</Plugin>
<Plugin known>
  module = SqlList
  field = sender
  sql_query = "SELECT 1 FROM DUAL WHERE ? LIKE '%@acme.example'"
  score = -1
</Plugin>
<Plugin zen>
  module = RBL
  domain = zen.example
  mode = passive
</Plugin>
<Plugin pbl>
  module = RBLAction
  result_from = zen
  re_match = "\.1[01]$"
  mode = passive
  score = 3.25
</Plugin>
<Plugin dbl>
  module = DBL
  domain = dlist.example
  reverse_client_name_mode = passive
</Plugin>
<Plugin spf>
  module = SPF
  pass_score = -2
</Plugin>
<Plugin alice>
  module = Condition
  key = s:sn
  match = alice
  score = 1
</Plugin>
<Plugin quota>
  module = Quota
  field = sender
  metric = count
  threshold = 1000
  uc_threshold = quota
  time_pattern = t
  action = "reject 5.7.1 quota of the month"
</Plugin>
<Plugin greylist>
  module = Greylist
  autowl_threshold = 1
  <Ticket>
    module = Redis
    min_retry_wait = 1
  </Ticket>
  <AWL>
    module = Sql
  </AWL>
</Plugin>
<Plugin accounting>
  module = Accounting
  fields = sender
  time_pattern = t
</Plugin>
<Plugin high>
  module = ScoreAction
  threshold = 15
  action = "reject score %SCORE%"
</Plugin>
<Plugin header>
  module = AddScoreHeader
  spam_score = 5
</Plugin>
"#;

#[test]
fn mail_is_greylisted_counted_limited_and_marked() {
    let (redis, slapd) = (redis::one(), directory::slapd(""));
    let (_mariadb, dsn) = databases::mariadb();
    let address = SocketAddr::from((own_address(), 53));
    let _dns = NameServer::start_at(address, ZONE);
    let files = tempfile::tempdir().unwrap();
    let resolv_conf = files.path().join("resolv.conf");
    fs::write(&resolv_conf, format!("nameserver {}\n", address.ip())).unwrap();
    let globals = format!(
        "log_level = 1\n<Connection redis>\nmodule = Redis\nserver = {}\n</Connection>\n\
         <Connection db>\nmodule = Sql\ndsn = {dsn}\n</Connection>\n\
         <Connection ldap>\nmodule = Ldap\nhost = 127.0.0.1\nport = {}\nstarttls = 0\nbinddn = \"cn=admin,dc=example\"\n\
         password = {}\n</Connection>\n<SessionCache>\nmodule = Redis\n</SessionCache>\n",
        redis.address(),
        slapd.port(),
        directory::PASSWORD,
    );
    let daemon = Daemon::start_with_resolv_conf(&resolv_conf, &globals, CHAIN);
    let mut setup = Setup::new();
    let server = setup.add_smtpd(
        Processes::OnePerSession,
        &format!("inet:{}", daemon.endpoint()),
    );
    setup.ask_at_recipients_only();
    setup.allow_xclient();
    setup.add_mailbox();
    let postfix = setup.start();
    let send = || {
        let (client, sender) = ("192.0.2.9", "carol@acme.example");
        let mut session = Session::begin(server, client, "mail.acme.example", "alice", sender);
        let reply = session.recipient("dave");
        if reply.starts_with("250 ") {
            session.send();
        }
        reply
    };
    let said = || format!("{}\n{}", daemon.process.err.text(), postfix.log());
    let first = send();
    let is_deferred = first.starts_with("450 4.7.1") && first.contains("greylisting is active");
    assert!(is_deferred, "{first}\n{}", said());
    // A later try passes, and from then on each of the same sender.
    assert!(eventually(|| send().starts_with("250 ")), "{}", said());
    for _ in 0..2 {
        let reply = send();
        assert!(reply.starts_with("250 "), "{reply}\n{}", said());
    }
    let fourth = send();
    assert!(
        fourth.ends_with("quota of the month"),
        "{fourth}\n{}",
        said()
    );
    let mark = "X-MtScore: NO score=3.75 [known=-1, pbl=3.25, dbl-reverse_client_name=2.5, spf=-2, alice=1]\n";
    for mail in postfix.delivered(3) {
        assert!(mail.contains(mark), "{mail}");
    }
    assert_eq!(daemon.count("error: "), 0, "{}", said());
}
