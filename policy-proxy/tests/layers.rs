//! The folders of each crate show how it is built: what a module imports stands below it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The modules at the top of each crate, with those that they import.
type Imports = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_module_imports_one_that_imports_it() {
    for source in sources() {
        let mut imports = imports(&source);
        // A module that imports none of those that are left can be taken off the top of the pile.
        while let Some(lowest) = lowest(&imports) {
            imports.remove(&lowest);
        }
        assert!(imports.is_empty(), "{}: {imports:?}", source.display());
    }
}

#[test]
fn a_reader_sees_all_of_a_crate_at_once() {
    for source in sources() {
        let entries = fs::read_dir(&source).unwrap();
        let files = entries.filter(|entry| entry.as_ref().unwrap().path().is_file());
        let count = files.count();
        assert!(count <= 16, "{}: {count}", source.display());
    }
}

#[test]
fn an_import_is_found_in_every_form() {
    let text = "use crate::a::B;\nuse crate::{\n    b::{C, D},\n    e,\n};\n// crate::no\nlet x = crate::f::g();\n";
    let found: Vec<String> = names(text).into_iter().collect();
    assert_eq!(found, ["a", "b", "e", "f"]);
}

/// The sources of all crates.
fn sources() -> Vec<PathBuf> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let crates = fs::read_dir(crates).unwrap();
    let sources = crates.map(|entry| entry.unwrap().path().join("src"));
    let sources: Vec<_> = sources.filter(|source| source.is_dir()).collect();
    assert!(sources.len() >= 16, "{sources:?}");
    sources
}

/// A module that imports none of the others.
fn lowest(imports: &Imports) -> Option<String> {
    let is_known = |name: &String| imports.contains_key(name);
    let mut modules = imports.iter();
    let lowest = modules.find(|(_, imported)| !imported.iter().any(is_known));
    lowest.map(|(name, _)| name.clone())
}

fn imports(source: &Path) -> Imports {
    let mut imports = Imports::new();
    for entry in fs::read_dir(source).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        // They name all modules.
        if module == "lib" || module == "main" {
            continue;
        }
        let mut imported = BTreeSet::new();
        collect(&path, &mut imported);
        imported.remove(&module);
        imports.insert(module, imported);
    }
    imports
}

fn collect(path: &Path, imported: &mut BTreeSet<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            collect(&entry.unwrap().path(), imported);
        }
    } else if path.extension().is_some_and(|end| end == "rs") {
        let text = fs::read_to_string(path).unwrap();
        // Tests may use what stands above.
        let code = text.split("#[cfg(test)]\nmod tests {").next();
        let is_test = path.file_stem().is_some_and(|name| name == "tests");
        if let Some(code) = code.filter(|_| !is_test) {
            imported.extend(names(code));
        }
    }
}

/// The modules that a text names after `crate::`.
fn names(text: &str) -> BTreeSet<String> {
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let code: Vec<&str> = text.lines().filter(is_code).collect();
    let code = code.join("\n");
    let mut names = BTreeSet::new();
    for part in code.split("crate::").skip(1) {
        match part.strip_prefix('{') {
            Some(list) => names.extend(list_of(list)),
            None => names.extend(name_of(part)),
        }
    }
    names
}

/// The first names in a list in braces, each with what stands in braces of its own.
fn list_of(list: &str) -> Vec<String> {
    let mut depth = 0_usize;
    let mut items = vec![String::new()];
    for character in list.chars() {
        match character {
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            '{' => depth += 1,
            ',' if depth == 0 => items.push(String::new()),
            _ => {}
        }
        if let Some(item) = items.last_mut().filter(|_| character != ',') {
            item.push(character);
        }
    }
    items.iter().filter_map(|item| name_of(item)).collect()
}

fn name_of(text: &str) -> Option<String> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    let name = text.get(..end.unwrap_or(text.len()))?;
    (!name.is_empty()).then(|| name.to_owned())
}
