//! slapd, with certificates of an authority of its own.

use std::fs;

use super::{Server, free_port, run, text};

pub const PASSWORD: &str = "geheim-7";

/// A directory. In its files are `ca.pem`, which has signed the server's certificate, and `other.pem`, which has not.
pub fn slapd(more: &str) -> Server {
    slapd_with(more, "")
}

/// A directory with more entries, in LDIF.
pub fn slapd_with(more: &str, more_entries: &str) -> Server {
    let port = free_port();
    let directory = tempfile::tempdir().unwrap();
    let home = text(directory.path());
    certificates(&home);
    fs::create_dir(directory.path().join("db")).unwrap();
    let config = format!(
        "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
         include /etc/ldap/schema/inetorgperson.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n\
         pidfile {home}/pid\nTLSCertificateFile {home}/server.pem\nTLSCertificateKeyFile {home}/server.key\n{more}\n\
         database mdb\nsuffix dc=example\nrootdn cn=admin,dc=example\nrootpw {PASSWORD}\ndirectory {home}/db\n\
         access to * by dn.base=cn=admin,dc=example write by anonymous auth\n"
    );
    let file = format!("{home}/slapd.conf");
    fs::write(&file, config).unwrap();
    let mut entries =
        "dn: dc=example\nobjectClass: dcObject\nobjectClass: organization\no: x\ndc: example\n\n"
            .to_owned();
    for name in ["alice", "bob", "o(d)d*", "Zoë"] {
        entries.push_str(&format!(
            "dn: cn={name},dc=example\nobjectClass: inetOrgPerson\ncn: {name}\nsn: {name}\nuid: {name}\n\
             description: first of {name}\ndescription: second of {name}\n\n"
        ));
    }
    entries.push_str(more_entries);
    let data = format!("{home}/data.ldif");
    fs::write(&data, entries).unwrap();
    run("slapadd", &["-f", &file, "-l", &data]);
    let url = format!("ldap://127.0.0.1:{port}");
    Server::start_in(
        directory,
        &format!("127.0.0.1:{port}"),
        &["slapd", "-d", "0", "-h", &url, "-f", &file],
    )
}

fn certificates(home: &str) {
    let new = |name: &str, words: &[&str]| {
        let (key, out) = (format!("{home}/{name}.key"), format!("{home}/{name}.pem"));
        let subject = format!("/CN={name}");
        let curve = [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ];
        let all = [
            &["req"],
            &curve[..],
            &["-keyout", &key, "-out", &out, "-subj", &subject],
            words,
        ];
        run("openssl", &all.concat());
    };
    new("ca", &["-x509", "-days", "2"]);
    new("other", &["-x509", "-days", "2"]);
    // A request, in the place of which its certificate is put.
    new("server", &[]);
    let names = format!("{home}/names");
    fs::write(&names, "subjectAltName=IP:127.0.0.1\n").unwrap();
    let (request, out) = (format!("{home}/server.csr"), format!("{home}/server.pem"));
    fs::rename(&out, &request).unwrap();
    let (ca, key) = (format!("{home}/ca.pem"), format!("{home}/ca.key"));
    let sign = [
        "-CA",
        &ca,
        "-CAkey",
        &key,
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        &names,
    ];
    run(
        "openssl",
        &[&["x509", "-req", "-in", &request, "-out", &out], &sign[..]].concat(),
    );
}
