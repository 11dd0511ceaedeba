//! The directories and links on the way to a file, and the users who can change where the path leads.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};

use thiserror::Error;

/// All directories and links from the root to the directory of a file.
#[derive(Debug)]
pub(crate) struct Directories {
    steps: Vec<Step>,
    roots_part: RootsPart,
}

/// The directory as far as root alone decides where the path leads, and the names from there to the directory of the file, if
/// another user can change what these mean.
type RootsPart = (PathBuf, Option<PathBuf>);

#[derive(Debug)]
struct Step {
    path: PathBuf,
    owner: u32,
    mode: u32,
    is_link: bool,
}

/// A directory or link that an untrusted user can change.
#[derive(Debug, Eq, Error, PartialEq)]
pub(crate) enum Exposed {
    /// The directory, or the link, belongs to this user.
    #[error("{0} belongs to user {1}")]
    Owned(PathBuf, u32),
    /// Its group, or everybody, can write it.
    #[error("{0} can be written by others (mode {1:04o})")]
    Writable(PathBuf, u32),
}

impl Directories {
    /// The way to the file at this absolute path. The file itself need not exist.
    pub(crate) fn to(path: &Path) -> io::Result<Self> {
        let mut steps = Vec::new();
        let mut roots_part = None;
        let mut here = PathBuf::from("/");
        steps.push(Step::at(&here)?);
        let parent = path.parent().unwrap_or(&here);
        let mut names: VecDeque<OsString> = names_of(parent).collect();
        let mut links = 0;
        while let Some(name) = names.pop_front() {
            if name == ".." {
                here.pop();
                continue;
            }
            let next = here.join(&name);
            let step = Step::at(&next)?;
            if roots_part.is_none() && !Step::at(&here)?.keeps(Some(&step)) {
                let rest = std::iter::once(&name).chain(&names).collect();
                roots_part = Some((here.clone(), Some(rest)));
            }
            if step.is_link {
                links += 1;
                if links > MAX_LINKS {
                    return Err(rustix::io::Errno::LOOP.into());
                }
                let target = fs::read_link(&next)?;
                if target.is_absolute() {
                    here = PathBuf::from("/");
                }
                for name in names_of(&target).collect::<Vec<_>>().into_iter().rev() {
                    names.push_front(name);
                }
            } else {
                here = next;
            }
            steps.push(step);
        }
        if roots_part.is_none() && !Step::at(&here)?.keeps(None) {
            roots_part = Some((here.clone(), Some(PathBuf::new())));
        }
        Ok(Self {
            steps,
            roots_part: roots_part.unwrap_or((here, None)),
        })
    }

    /// The directory as far as root alone decides where the path leads, with the names from there on to the directory of the file
    /// where another user can change what these mean; `None`: nobody else can.
    pub(crate) fn into_roots_part(self) -> RootsPart {
        self.roots_part
    }

    /// The user who decides where the path leads, if it is not root: the first other owner on the way.
    ///
    /// # Errors
    ///
    /// A directory of root's that others can write: no single user decides.
    pub(crate) fn owner_but_root(&self) -> Result<Option<u32>, Exposed> {
        for step in &self.steps {
            if step.owner != 0 {
                return Ok(Some(step.owner));
            }
            let is_open = !step.is_link && step.mode & WRITABLE_BY_OTHERS != 0;
            if is_open && step.mode & STICKY == 0 {
                return Err(step.writable());
            }
        }
        Ok(None)
    }

    /// The first place that others than root and this user can change.
    ///
    /// In a directory with the sticky bit others cannot replace files of other owners, so it may be on the way. They can
    /// create the file itself first, so it must not be the last directory.
    pub(crate) fn exposed_to_others_than(&self, user: u32) -> Option<Exposed> {
        let last = self.steps.iter().rposition(|step| !step.is_link);
        let exposed = |(index, step): (usize, &Step)| {
            if ![0, user].contains(&step.owner) {
                return Some(Exposed::Owned(step.path.clone(), step.owner));
            }
            let is_passed = Some(index) != last && step.mode & STICKY != 0;
            (!step.is_link && step.mode & WRITABLE_BY_OTHERS != 0 && !is_passed)
                .then(|| step.writable())
        };
        self.steps.iter().enumerate().find_map(exposed)
    }
}

impl Step {
    fn at(path: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(path)?;
        if !found.is_dir() && !found.is_symlink() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self {
            path: path.to_owned(),
            owner: found.uid(),
            mode: found.mode(),
            is_link: found.is_symlink(),
        })
    }

    /// Whether root alone can put something else in the place of an entry of this directory. Others can make one that is not there,
    /// where they can write, and replace their own.
    fn keeps(&self, entry: Option<&Self>) -> bool {
        let is_closed = self.mode & WRITABLE_BY_OTHERS == 0;
        let is_sticky = self.mode & STICKY != 0;
        self.owner == 0 && (is_closed || (is_sticky && entry.is_some_and(|entry| entry.owner == 0)))
    }

    fn writable(&self) -> Exposed {
        Exposed::Writable(self.path.clone(), self.mode & 0o7777)
    }
}

fn names_of(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}

/// As many as the system follows.
const MAX_LINKS: usize = 40;
const STICKY: u32 = 0o1000;
const WRITABLE_BY_OTHERS: u32 = 0o022;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tempfile::TempDir;

    use super::*;
    use crate::process::owner::is_root;

    /// The user that runs the tests, to whom temporary directories belong.
    fn me() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn exposed(path: &Path) -> Option<Exposed> {
        Directories::to(path).unwrap().exposed_to_others_than(me())
    }

    fn directory(parent: &Path, name: &str, mode: u32) -> PathBuf {
        let path = parent.join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_directory_that_others_can_write_exposes_what_is_below_it() {
        let dir = TempDir::new().unwrap();
        for (name, mode, is_exposed) in [
            ("own", 0o700, false),
            ("readable", 0o755, false),
            ("group", 0o770, true),
            ("all", 0o777, true),
            ("sticky", 0o1777, true),
        ] {
            let path = directory(dir.path(), name, mode);
            let found = exposed(&path.join("x.sock"));
            assert_eq!(found.is_some(), is_exposed, "{name}: {found:?}");
            let below = directory(&path, "below", 0o700);
            let found = exposed(&below.join("x.sock"));
            // The sticky bit keeps other users from replacing a directory.
            assert_eq!(found.is_some(), is_exposed && name != "sticky", "{name}");
        }
    }

    #[test]
    fn a_link_leads_through_the_directories_of_its_target() {
        let dir = TempDir::new().unwrap();
        let open = directory(dir.path(), "open", 0o777);
        let safe = directory(&open, "safe", 0o700);
        let own = directory(dir.path(), "own", 0o700);
        symlink(&safe, own.join("absolute")).unwrap();
        symlink("../open/safe", own.join("relative")).unwrap();
        symlink(own.join("absolute"), own.join("twice")).unwrap();
        for name in ["absolute", "relative", "twice", "../open/safe"] {
            let found = exposed(&own.join(name).join("x.sock"));
            assert_eq!(
                found,
                Some(Exposed::Writable(open.clone(), 0o777)),
                "{name}"
            );
        }
        symlink("loop", own.join("loop")).unwrap();
        let error = Directories::to(&own.join("loop/x.sock")).unwrap_err();
        assert_eq!(
            error.raw_os_error(),
            Some(rustix::io::Errno::LOOP.raw_os_error())
        );
    }

    #[test]
    fn a_directory_of_roots_that_others_can_write_has_no_owner_to_act_as() {
        if !is_root() {
            return;
        }
        let dir = TempDir::new().unwrap();
        let owner = |path: &Path| {
            Directories::to(&path.join("x.sock"))
                .unwrap()
                .owner_but_root()
        };
        assert_eq!(owner(dir.path()), Ok(None));
        assert_eq!(owner(&directory(dir.path(), "sticky", 0o1777)), Ok(None));
        for (name, mode) in [("group", 0o770), ("all", 0o777)] {
            let path = directory(dir.path(), name, mode);
            let open = Err(Exposed::Writable(path.clone(), mode));
            assert_eq!(owner(&path), open);
            assert_eq!(owner(&directory(&path, "below", 0o700)), open);
        }
    }

    #[test]
    fn what_belongs_to_somebody_else_is_exposed_to_that_user() {
        if !is_root() {
            return;
        }
        let dir = TempDir::new().unwrap();
        let theirs = directory(dir.path(), "theirs", 0o700);
        std::os::unix::fs::chown(&theirs, Some(12345), Some(54321)).unwrap();
        let directories = Directories::to(&theirs.join("x.sock")).unwrap();
        let owned = Exposed::Owned(theirs, 12345);
        assert_eq!(directories.exposed_to_others_than(0), Some(owned));
        assert_eq!(directories.exposed_to_others_than(12345), None);
        assert_eq!(directories.owner_but_root(), Ok(Some(12345)));
        // A link in a directory with the sticky bit leads where its owner wants.
        let sticky = directory(dir.path(), "sticky", 0o1777);
        let link = sticky.join("link");
        symlink(directory(dir.path(), "own", 0o700), &link).unwrap();
        std::os::unix::fs::lchown(&link, Some(12345), None).unwrap();
        let owned = Exposed::Owned(link.clone(), 12345);
        assert_eq!(exposed(&link.join("x.sock")), Some(owned));
    }
}
