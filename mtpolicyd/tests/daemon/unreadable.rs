//! Files that a configuration names, and that are none: nobody waits for a pipe, and nobody reads a device to its end.

use std::{fs, path::Path, process::Command};

use super::world::{World, host};

/// Parameters that name a file, as parts of a configuration.
const PLACES: [(&str, &str); 9] = [
    (
        "RegexList",
        "<Plugin p>\nmodule=RegexList\nkey=sender\nfile=FILE\n</Plugin>\n",
    ),
    (
        "GeoIPLookup",
        "<Plugin p>\nmodule=GeoIPLookup\ndatabase=FILE\n</Plugin>\n",
    ),
    (
        "PostfixMap texthash",
        "<Plugin p>\nmodule=PostfixMap\ndb_file=\"texthash:FILE\"\nmatch_action=ok\n</Plugin>\n",
    ),
    (
        "PostfixMap hash",
        "<Plugin p>\nmodule=PostfixMap\ndb_file=\"hash:FILE\"\nmatch_action=ok\n</Plugin>\n",
    ),
    (
        "PostfixMap cdb",
        "<Plugin p>\nmodule=PostfixMap\ndb_file=\"cdb:FILE\"\nmatch_action=ok\n</Plugin>\n",
    ),
    (
        "Limit's file",
        "<Plugin p>\nmodule=Limit\nstore=memory\nlimits=1/1m\nlimits_file=FILE\n</Plugin>\n",
    ),
    (
        "Limit's countries",
        "<Plugin p>\nmodule=Limit\nstore=memory\nlimits=1/1m\nmetric=countries\ndatabase=FILE\n</Plugin>\n",
    ),
    (
        "Limit's authorities",
        "<Plugin p>\nmodule=Limit\nstore=memory\nlimits=1/1m\non_block_url=https://x/\non_block_cafile=FILE\n</Plugin>\n",
    ),
    (
        "an include",
        "<Plugin p>\nmodule=Action\naction=ok\n</Plugin>\n<<include FILE>>\n",
    ),
];

const CONNECTIONS: &str = "<Connection memory>\nmodule=Memory\n</Connection>\n";

/// The same kind of thing under each name that a table may have.
fn make(path: &Path, make: impl Fn(&Path)) {
    for end in ["", ".db", ".cdb"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        make(Path::new(&name));
    }
}

#[test]
fn a_file_that_is_none_is_refused_at_once_wherever_it_is_named() {
    let world = World::new(&host(""));
    let pipe = world.path("pipe");
    make(&pipe, |path| {
        let made = Command::new("mkfifo").arg(path).status().unwrap();
        assert!(made.success());
    });
    let device = world.path("device");
    make(&device, |path| {
        std::os::unix::fs::symlink("/dev/zero", path).unwrap();
    });
    let huge = world.path("huge");
    make(&huge, |path| {
        let file = fs::File::create(path).unwrap();
        file.set_len(600 << 20).unwrap();
    });
    for (place, plugin) in PLACES {
        for (file, reason) in [
            (&pipe, "no regular file"),
            (&device, "no regular file"),
            (&huge, "larger than "),
        ] {
            let plugin = plugin.replace("FILE", &file.display().to_string());
            world.configure(&(CONNECTIONS.to_owned() + &host(&plugin)));
            let ended = world.run(&["--check-config"]);
            assert_eq!(ended.code, Some(78), "{place}: {ended:?}");
            assert!(ended.err.contains(reason), "{place}: {ended:?}");
        }
    }
}

#[test]
fn the_authority_of_a_directory_is_a_file_as_well() {
    let world = World::new(&host(""));
    let plugin = "<Plugin p>\nmodule=LdapUserConfig\nldap=dir\nbasedn=x\nfilter=(uid=%s)\nconfig_fields=a\n</Plugin>\n";
    for file in ["/dev/zero", "/dev/stdin"] {
        let connection = format!("<Connection dir>\nmodule=Ldap\ncafile={file}\n</Connection>\n");
        world.configure(&(connection + &host(plugin)));
        let ended = world.run(&["--check-config"]);
        assert_eq!(ended.code, Some(78), "{ended:?}");
        assert!(ended.err.contains("no regular file"), "{ended:?}");
    }
}
