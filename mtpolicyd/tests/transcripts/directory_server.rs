//! slapd with the entries of a case.

use std::{
    fs,
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
};

use policy_testing::{
    eventually,
    process::{Process, run},
};
use serde_json::Value;

/// Starts slapd with `{MAIL: [{ATTRIBUTE: [VALUE]}]}`.
pub(crate) fn start(port: u16, entries: &Value, directory: &Path) -> Process {
    let home = directory.display();
    fs::create_dir(directory.join("ldap")).unwrap();
    let config = directory.join("slapd.conf");
    fs::write(&config, format!("{CONFIG}directory {home}/ldap\n")).unwrap();
    let mut text = TOP.to_owned();
    for (mail, entries) in entries.as_object().unwrap() {
        for (number, attributes) in entries.as_array().unwrap().iter().enumerate() {
            text.push_str(&format!(
                "dn: cn={mail} {number},ou=users,dc=x\nobjectClass: inetOrgPerson\nobjectClass: mailUser\n\
                 cn: {mail} {number}\nsn: x\nmail: {mail}\n"
            ));
            for (name, values) in attributes.as_object().unwrap() {
                for value in values.as_array().unwrap() {
                    text.push_str(&format!("{name}: {}\n", value.as_str().unwrap()));
                }
            }
            text.push('\n');
        }
    }
    let data = directory.join("data.ldif");
    fs::write(&data, text).unwrap();
    let (config, data) = (config.to_str().unwrap(), data.to_str().unwrap());
    let added = run("slapadd", &["-f", config, "-l", data]);
    assert_eq!(added.code, Some(0), "{added:?}");
    let url = format!("ldap://127.0.0.1:{port}");
    let mut command = Command::new("slapd");
    command.args(["-d", "0", "-h", &url, "-f", config]);
    let process = Process::of(command.stdin(Stdio::null()));
    assert!(
        eventually(|| TcpStream::connect(("127.0.0.1", port)).is_ok()),
        "slapd"
    );
    process
}

const CONFIG: &str = "\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
attributetype ( 1.3.6.1.4.1.4203.666.1.901 NAME 'mailPolicy' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.4203.666.1.902 NAME 'mailThreshold' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
objectclass ( 1.3.6.1.4.1.4203.666.1.903 NAME 'mailUser' SUP top AUXILIARY MAY ( mailPolicy $ mailThreshold ) )
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix dc=x
rootdn cn=ro,dc=x
rootpw secret
";

const TOP: &str = "\
dn: dc=x
objectClass: dcObject
objectClass: organization
o: x
dc: x

dn: ou=users,dc=x
objectClass: organizationalUnit
ou: users

";
