//! Paths of the target and of this machine: pairs of directories that hold the same, and
//! how such pairs are found. Knows no file system: lists of names come in.

use std::collections::BTreeMap;

/// Two directories that hold the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// Here.
    pub local: String,
    /// There, as the process or its debug information names it. No path for what a
    /// compiler names by module (`example.com/cart`).
    pub remote: String,
    /// How it is known, for people.
    pub reason: &'static str,
}

/// All pairs; the longest that fits counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathMap {
    pairs: Vec<Pair>,
    /// Whether the process's files are this machine's.
    same_machine: bool,
}

impl PathMap {
    /// These; of equal directories the first counts.
    pub fn new(pairs: Vec<Pair>, same_machine: bool) -> Self {
        let pairs = pairs.into_iter().map(|mut pair| {
            for path in [&mut pair.local, &mut pair.remote] {
                while path.len() > 1 && path.ends_with('/') {
                    path.pop();
                }
            }
            pair
        });
        Self { pairs: pairs.collect(), same_machine }
    }

    /// The pairs, as they were given.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// Where a local file is there; `None` when nobody knows.
    pub fn to_remote(&self, local: &str) -> Option<String> {
        let found = longest(&self.pairs, local, |pair| (&pair.local, &pair.remote));
        found.or_else(|| self.same_machine.then(|| local.to_owned()))
    }

    /// Where a file of the target is here; `None` when it is nowhere.
    pub fn to_local(&self, remote: &str) -> Option<String> {
        let found = longest(&self.pairs, remote, |pair| (&pair.remote, &pair.local));
        found.or_else(|| (self.same_machine && remote.starts_with('/')).then(|| remote.to_owned()))
    }
}

fn longest<'a>(
    pairs: &'a [Pair],
    path: &str,
    sides: impl Fn(&'a Pair) -> (&'a String, &'a String),
) -> Option<String> {
    let mut best: Option<(usize, String)> = None;
    for pair in pairs {
        let (from, to) = sides(pair);
        let Some(rest) = below(path, from) else { continue };
        if best.as_ref().is_none_or(|(len, _)| from.len() > *len) {
            best = Some((from.len(), join(to, rest)));
        }
    }
    best.map(|(_, path)| path)
}

/// What is left of `path` below `directory`.
fn below<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    if directory == "/" {
        return path.strip_prefix('/');
    }
    match path.strip_prefix(directory)? {
        "" => Some(""),
        rest => rest.strip_prefix('/'),
    }
}

fn join(directory: &str, rest: &str) -> String {
    match (directory, rest) {
        (directory, "") => directory.to_owned(),
        ("/", rest) => format!("/{rest}"),
        (directory, rest) => format!("{directory}/{rest}"),
    }
}

/// Finds pairs by what both sides name alike: for each file of the program the local files
/// with the longest common tail vote for the directories before it. A pair needs two votes,
/// or one that is longer than a name, or a name that is there once.
pub fn infer<'a>(
    local: impl IntoIterator<Item = &'a str>,
    remote: impl IntoIterator<Item = &'a str>,
) -> Vec<Pair> {
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for path in local {
        by_name.entry(name(path)).or_default().push(path);
    }
    let mut votes: BTreeMap<(String, String), usize> = BTreeMap::new();
    for there in remote {
        let Some(candidates) = by_name.get(name(there)) else { continue };
        let common = |here: &str| common_tail(here, there);
        let Some(longest) = candidates.iter().map(|here| common(here)).max() else { continue };
        let mut best = candidates.iter().filter(|here| common(here) == longest);
        let (Some(here), None) = (best.next(), best.next()) else { continue }; // it could be any
        let (Some(here), Some(from)) = (head(here, longest), head(there, longest)) else {
            continue;
        };
        let weight = if longest > 1 || candidates.len() == 1 { 2 } else { 1 };
        *votes.entry((here, from)).or_default() += weight;
    }
    let mut found: Vec<_> = votes.into_iter().filter(|(_, votes)| *votes >= 2).collect();
    found.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let mut pairs: Vec<Pair> = Vec::new();
    for ((local, remote), _) in found {
        // One directory there is one directory here.
        if local != remote && pairs.iter().all(|pair| pair.remote != remote) {
            pairs.push(Pair { local, remote, reason: "the program names the same files" });
        }
    }
    pairs
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// How many components at the end are the same.
fn common_tail(one: &str, other: &str) -> usize {
    one.rsplit('/').zip(other.rsplit('/')).take_while(|(one, other)| one == other).count()
}

/// All but the last `count` components.
fn head(path: &str, count: usize) -> Option<String> {
    let mut rest = path;
    for _ in 0..count {
        rest = rest.rsplit_once('/')?.0;
    }
    Some(if rest.is_empty() { "/".to_owned() } else { rest.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(local: &str, remote: &str) -> Pair {
        Pair { local: local.to_owned(), remote: remote.to_owned(), reason: "" }
    }

    #[test]
    fn the_longest_directory_counts_and_only_whole_names_do() {
        let pairs = vec![pair("/w", "/app"), pair("/w/lib/", "/opt/lib"), pair("/go", "cart.io/m")];
        let map = PathMap::new(pairs, false);
        let check = |local: &str, remote: Option<&str>| {
            assert_eq!(map.to_remote(local).as_deref(), remote, "{local}");
            if let Some(remote) = remote {
                assert_eq!(map.to_local(remote).as_deref(), Some(local), "{remote}");
            }
        };
        check("/w/a.py", Some("/app/a.py"));
        check("/w/lib/b.py", Some("/opt/lib/b.py"));
        check("/w", Some("/app"));
        check("/go/main.go", Some("cart.io/m/main.go"));
        check("/world/a.py", None);
        assert_eq!(map.to_local("/apple/a.py"), None);
        assert_eq!(map.to_local("<string>"), None);
    }

    #[test]
    fn a_root_maps_everything_and_this_machine_maps_itself() {
        let map = PathMap::new(vec![pair("/mirror", "/")], false);
        assert_eq!(map.to_local("/a/b").as_deref(), Some("/mirror/a/b"));
        assert_eq!(map.to_remote("/mirror/a/b").as_deref(), Some("/a/b"));
        let map = PathMap::new(vec![pair("/w", "/there/app")], true);
        assert_eq!(map.to_local("/usr/lib/x.py").as_deref(), Some("/usr/lib/x.py"));
        assert_eq!(map.to_local("/there/app/x.py").as_deref(), Some("/w/x.py"));
        assert_eq!(map.to_local("<frozen>"), None);
    }

    #[test]
    fn pairs_are_found_from_names() {
        let local = ["/w/src/main.rs", "/w/src/net/mod.rs", "/w/src/db/mod.rs", "/w/README.md"];
        let remote = ["/build/src/main.rs", "/build/src/net/mod.rs", "/rust/core/src/net/mod.rs"];
        let found = infer(local, remote);
        assert_eq!((found[0].local.as_str(), found[0].remote.as_str()), ("/w", "/build"));
        let module = infer(["/w/cart/main.go"], ["example.com/shop/cart/main.go"]);
        assert_eq!(module[0].remote, "example.com/shop");
        assert!(infer(["/w/a.c", "/w/b/a.c"], ["/x/y/a.c"]).is_empty(), "either could be meant");
        assert!(infer(["/w/a.c"], ["/x/b.c"]).is_empty());
    }
}
