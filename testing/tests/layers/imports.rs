//! The files of a crate, with those that each of them imports.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The names of a module, from the top of its crate.
pub(crate) type Module = Vec<String>;

/// The sources of a crate.
pub(crate) struct Sources {
    files: BTreeMap<Module, File>,
}

struct File {
    /// Without comments and tests.
    code: String,
    uses: Vec<Use>,
    /// It names its folder's modules: `mod.rs`, `lib.rs`, `main.rs`.
    is_face: bool,
}

struct Use {
    path: Module,
    /// It hands a name on, which others then import from here.
    is_public: bool,
}

impl Sources {
    pub(crate) fn read(source: &Path) -> Self {
        let mut files = BTreeMap::new();
        collect(source, &mut Vec::new(), &mut files);
        Self { files }
    }

    /// What each file imports of files beside it. A file and the folder of its own parts are one.
    pub(crate) fn imports(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut imports = BTreeMap::new();
        for (module, file) in &self.files {
            let paths = file.uses.iter().filter(|used| !used.is_public);
            let paths = paths.map(|used| used.path.clone());
            let targets = paths
                .chain(expressions(&file.code))
                .filter_map(|path| self.file_of(module, &path))
                .filter(|target| {
                    let is_part = target.starts_with(module) || module.starts_with(target);
                    !file.is_face && !self.files[target].is_face && !is_part
                });
            let targets = targets.map(|target| target.join("/")).collect();
            imports.insert(module.join("/"), targets);
        }
        imports
    }

    /// The types, each with the modules at the top that define one of this name.
    pub(crate) fn types(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut types: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (module, file) in &self.files {
            for line in file.code.lines() {
                let item = without_visibility(line);
                let name = ["struct ", "enum ", "trait "]
                    .iter()
                    .find_map(|kind| item.strip_prefix(kind));
                if let Some(name) = name {
                    let defining = types.entry(first_name(name)).or_default();
                    defining.extend(module.first().cloned());
                }
            }
        }
        types
    }

    /// The types that have methods for others, each with the module at the top where these are written.
    pub(crate) fn methods(&self) -> Vec<(String, String)> {
        let mut methods = Vec::new();
        for (module, file) in &self.files {
            for block in file.code.split("\nimpl").skip(1) {
                let block = block.split("\n}").next().unwrap_or_default();
                let (head, body) = block.split_once('{').unwrap_or_default();
                let head = match head.strip_prefix('<') {
                    Some(generic) => generic.split_once("> ").unwrap_or_default().1,
                    None => head.trim_start(),
                };
                let is_public = body.lines().any(|line| line.starts_with("    pub"));
                if let Some(top) = module
                    .first()
                    .filter(|_| is_public && !head.contains(" for "))
                {
                    methods.push((first_name(head), top.clone()));
                }
            }
        }
        methods
    }

    /// The file that a path leads to, seen from a module.
    fn file_of(&self, from: &Module, path: &[String]) -> Option<Module> {
        let mut path = path.iter().peekable();
        let mut module = match path.peek()?.as_str() {
            "crate" => Module::new(),
            "self" | "super" => from.clone(),
            name => {
                let mut child = from.clone();
                child.push(name.to_owned());
                self.files.contains_key(&child).then(|| from.clone())?
            }
        };
        while path
            .next_if(|name| ["crate", "self"].contains(&name.as_str()))
            .is_some()
        {}
        while path.next_if(|name| *name == "super").is_some() {
            module.pop()?;
        }
        for name in path {
            let mut child = module.clone();
            child.push(name.clone());
            if self.files.contains_key(&child) {
                module = child;
            } else if let Some(there) = self.handed_on(&module, name) {
                module = there;
            } else {
                break;
            }
        }
        self.files.contains_key(&module).then_some(module)
    }

    /// The module whose name a face hands on.
    fn handed_on(&self, face: &Module, name: &str) -> Option<Module> {
        let uses = &self.files.get(face)?.uses;
        let used = uses
            .iter()
            .find(|used| used.path.last().is_some_and(|last| last == name))?;
        let (_, path) = used.path.split_last()?;
        let mut module = face.clone();
        module.extend(path.iter().filter(|name| *name != "self").cloned());
        self.files.contains_key(&module).then_some(module)
    }
}

fn collect(folder: &Path, module: &mut Module, files: &mut BTreeMap<Module, File>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let is_rust = path.extension().is_some_and(|end| end == "rs");
        let is_top_of_program = module.is_empty() && name == "bin";
        if name == "tests" || is_top_of_program || !(is_rust || path.is_dir()) {
            continue;
        }
        let is_face = ["mod", "lib", "main"].contains(&name.as_str());
        if is_face {
            insert(&path, module, true, files);
            continue;
        }
        module.push(name);
        if path.is_dir() {
            collect(&path, module, files);
        } else {
            insert(&path, module, false, files);
        }
        module.pop();
    }
}

fn insert(path: &Path, module: &Module, is_face: bool, files: &mut BTreeMap<Module, File>) {
    let text = fs::read_to_string(path).unwrap();
    // Tests may use what stands above.
    let code = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let code: Vec<&str> = code.lines().filter(is_code).collect();
    let (code, uses) = without_uses(&code.join("\n"));
    let file = files.entry(module.clone()).or_insert(File {
        code: String::new(),
        uses: Vec::new(),
        is_face,
    });
    file.code += &code;
    file.uses.extend(uses);
}

/// The code without `use`, and what is used.
fn without_uses(code: &str) -> (String, Vec<Use>) {
    let (mut rest, mut uses) = (String::new(), Vec::new());
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let item = without_visibility(line.trim_start());
        let Some(begin) = item.strip_prefix("use ") else {
            rest += "\n";
            rest += line;
            continue;
        };
        let mut tree = begin.to_owned();
        while !tree.contains(';') {
            tree += lines.next().expect("a semicolon");
        }
        let is_public = line.trim_start().starts_with("pub");
        let tree: String = tree.chars().take_while(|c| *c != ';').collect();
        uses.extend(paths(&tree).into_iter().map(|path| Use { path, is_public }));
    }
    (rest, uses)
}

/// The paths of a tree of `use`.
pub(crate) fn paths(tree: &str) -> Vec<Module> {
    let tree = tree.trim();
    let Some((begin, list)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        let names = path.split("::").map(|name| name.trim().to_owned());
        return vec![names.filter(|name| !name.is_empty()).collect()];
    };
    let list = list.rsplit_once('}').map_or(list, |(list, _)| list);
    let (mut depth, mut items) = (0_usize, vec![String::new()]);
    for character in list.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(item) = items.last_mut() {
            item.push(character);
        }
    }
    let items = items.iter().filter(|item| !item.trim().is_empty());
    items
        .flat_map(|item| paths(&format!("{begin}{item}")))
        .collect()
}

/// The paths from `crate` and `super` in expressions and types.
fn expressions(code: &str) -> impl Iterator<Item = Module> {
    ["crate::", "super::"].into_iter().flat_map(move |begin| {
        code.match_indices(begin).map(|(at, _)| {
            let path = &code[at..];
            let end = path.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
            let path = path[..end.unwrap_or(path.len())].trim_end_matches(':');
            path.split("::").map(str::to_owned).collect()
        })
    })
}

fn without_visibility(line: &str) -> &str {
    let Some(rest) = line.strip_prefix("pub") else {
        return line;
    };
    let rest = rest
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'))
        .map_or(rest, |(_, rest)| rest);
    rest.trim_start()
}

fn first_name(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}
