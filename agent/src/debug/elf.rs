//! What an executable tells of itself without being run: how it is linked, whether it has
//! debug information, who compiled it, where its functions are. Pure: bytes come from
//! whoever has them, and nothing in them is believed.

use protocol::limits::EXECUTABLE_PART_MAX;

/// A file that can be read anywhere.
pub trait Bytes {
    /// Exactly these bytes; `None` when they are not there.
    fn read(&self, at: u64, len: usize) -> Option<Vec<u8>>;
}

impl Bytes for [u8] {
    fn read(&self, at: u64, len: usize) -> Option<Vec<u8>> {
        let at = usize::try_from(at).ok()?;
        self.get(at..at.checked_add(len)?).map(<[u8]>::to_vec)
    }
}

impl Bytes for std::fs::File {
    fn read(&self, at: u64, len: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; len];
        std::os::unix::fs::FileExt::read_exact_at(self, &mut bytes, at).ok()?;
        Some(bytes)
    }
}

/// A 64-bit little-endian ELF file; others are not looked into.
pub struct Elf<'a, B: Bytes + ?Sized> {
    bytes: &'a B,
    sections: Vec<Section>,
    /// Address and offset of what is loaded.
    loads: Vec<(u64, u64)>,
    is_dynamic: bool,
    is_relocatable: bool,
}

struct Section {
    name: String,
    kind: u32,
    offset: u64,
    size: u64,
    link: u32,
}

const LOAD: u32 = 1;
const INTERPRETER: u32 = 3;
const SYMBOLS: [u32; 2] = [11, 2]; // the dynamic ones are fewer
const HEADERS_MAX: u16 = 4096;
const SYMBOL_LEN: usize = 24;
/// Without content in the file.
const NOBITS: u32 = 8;

impl<'a, B: Bytes + ?Sized> Elf<'a, B> {
    /// Reads the headers.
    pub fn parse(bytes: &'a B) -> Option<Self> {
        let head = bytes.read(0, 64)?;
        if !head.starts_with(b"\x7fELF\x02\x01") {
            return None;
        }
        let (programs_at, sections_at) = (u64_at(&head, 32)?, u64_at(&head, 40)?);
        let (program_len, programs) = (u16_at(&head, 54)?, u16_at(&head, 56)?.min(HEADERS_MAX));
        let (section_len, sections) = (u16_at(&head, 58)?, u16_at(&head, 60)?.min(HEADERS_MAX));
        let names = u16_at(&head, 62)?;
        let mut elf = Self {
            bytes,
            sections: Vec::new(),
            loads: Vec::new(),
            is_dynamic: false,
            is_relocatable: u16_at(&head, 16)? == 3,
        };
        for number in 0..u64::from(programs) {
            let at = programs_at.checked_add(number * u64::from(program_len))?;
            let header = bytes.read(at, 56)?;
            match u32_at(&header, 0)? {
                LOAD => elf.loads.push((u64_at(&header, 16)?, u64_at(&header, 8)?)),
                INTERPRETER => elf.is_dynamic = true,
                _ => {}
            }
        }
        elf.read_sections(sections_at, section_len, sections, names);
        Some(elf)
    }

    /// A file without them is whole, too.
    fn read_sections(&mut self, at: u64, len: u16, count: u16, names: u16) -> Option<()> {
        let mut sections = Vec::new();
        for number in 0..u64::from(count) {
            let header = self.bytes.read(at.checked_add(number * u64::from(len))?, 64)?;
            let section = Section {
                name: String::new(),
                kind: u32_at(&header, 4)?,
                offset: u64_at(&header, 24)?,
                size: u64_at(&header, 32)?,
                link: u32_at(&header, 40)?,
            };
            sections.push((u32_at(&header, 0)?, section));
        }
        let table = sections.get(usize::from(names))?;
        let table = self.content(&table.1)?;
        self.sections = sections
            .into_iter()
            .map(|(name, section)| Section { name: text_at(&table, name), ..section })
            .collect();
        Some(())
    }

    /// Whether it needs no interpreter.
    pub fn is_static(&self) -> bool {
        !self.is_dynamic
    }

    /// Whether it is loaded anywhere, and its addresses are relative.
    pub fn is_relocatable(&self) -> bool {
        self.is_relocatable
    }

    /// The lowest address that is loaded, and its offset in the file.
    pub fn first_load(&self) -> Option<(u64, u64)> {
        self.loads.iter().copied().min()
    }

    /// Whether it has a section of this name, with something in it.
    pub fn has(&self, name: &str) -> bool {
        self.sections.iter().any(|section| section.name == name && section.size > 0)
    }

    /// A section's bytes, unless it is huge.
    pub fn section(&self, name: &str) -> Option<Vec<u8>> {
        self.content(self.sections.iter().find(|section| section.name == name)?)
    }

    fn content(&self, section: &Section) -> Option<Vec<u8>> {
        if section.kind == NOBITS {
            return None;
        }
        let len = usize::try_from(section.size).ok().filter(|len| *len <= EXECUTABLE_PART_MAX)?;
        self.bytes.read(section.offset, len)
    }

    /// Addresses of functions by their names, in their order; `None` when one is missing.
    pub fn symbols(&self, wanted: &[&str]) -> Option<Vec<u64>> {
        SYMBOLS.iter().find_map(|kind| {
            let table = self.sections.iter().find(|section| section.kind == *kind)?;
            let names = self.content(self.sections.get(usize::try_from(table.link).ok()?)?)?;
            let mut found = vec![0; wanted.len()];
            for symbol in self.content(table)?.chunks_exact(SYMBOL_LEN) {
                let (name, value) = (u32_at(symbol, 0)?, u64_at(symbol, 8)?);
                let name = bytes_at(&names, name);
                let at = wanted.iter().position(|wanted| wanted.as_bytes() == name);
                if let Some(at) = at.filter(|_| value != 0) {
                    found[at] = value;
                }
            }
            found.iter().all(|value| *value != 0).then_some(found)
        })
    }
}

/// What Go writes into each program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GoBuild {
    /// As `1.22.1`.
    pub version: String,
    /// The main module.
    pub module: Option<String>,
    /// Whether source paths were taken out.
    pub trimmed: bool,
}

impl GoBuild {
    /// Reads the section `.go.buildinfo` of a program by Go 1.18 or later.
    pub fn parse(section: &[u8]) -> Option<Self> {
        const INLINE: u8 = 2;
        if !section.starts_with(b"\xff Go buildinf:") {
            return None;
        }
        if section.get(15)? & INLINE == 0 {
            return Some(Self::default()); // older ones point into the program
        }
        let rest = section.get(32..)?;
        let (version, rest) = counted(rest)?;
        let (info, _) = counted(rest).unwrap_or_default();
        let info = String::from_utf8_lossy(info);
        let module = info.lines().find_map(|line| line.strip_prefix("mod\t"));
        let module = module.and_then(|rest| rest.split('\t').next());
        let version = String::from_utf8_lossy(version);
        Some(Self {
            version: version.strip_prefix("go").unwrap_or(&version).to_owned(),
            module: module.filter(|name| *name != "command-line-arguments").map(str::to_owned),
            trimmed: info.lines().any(|line| line == "build\t-trimpath=true"),
        })
    }
}

/// Bytes behind their number.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut len, mut shift, mut at) = (0u64, 0u32, 0);
    loop {
        let byte = *bytes.get(at)?;
        at += 1;
        len |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            break;
        }
        shift += 7;
        if shift > 28 {
            return None;
        }
    }
    let rest = bytes.get(at..)?;
    rest.split_at_checked(usize::try_from(len).ok()?)
}

/// Texts that end in one of `endings`, of a table of texts that end with NUL.
pub fn names_in(table: &[u8], endings: &[&str], max: usize) -> Vec<String> {
    let texts = table.split(|byte| *byte == 0).filter(|text| text.len() < 1024);
    texts
        .filter_map(|text| std::str::from_utf8(text).ok())
        .filter(|text| endings.iter().any(|ending| text.ends_with(ending)))
        .take(max)
        .map(str::to_owned)
        .collect()
}

fn bytes_at(table: &[u8], at: u32) -> &[u8] {
    let rest = usize::try_from(at).ok().and_then(|at| table.get(at..)).unwrap_or_default();
    rest.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn text_at(table: &[u8], at: u32) -> String {
    String::from_utf8_lossy(bytes_at(table, at)).into_owned()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_tells_what_it_is() {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let elf = Elf::parse(&file).unwrap();
        assert!(!elf.is_static());
        assert!(elf.has(".text") && elf.has(".debug_line") && !elf.has(".nonsense"));
        let comment = String::from_utf8_lossy(&elf.section(".comment").unwrap()).into_owned();
        assert!(comment.contains("rustc"), "{comment}");
        assert!(elf.symbols(&["main"]).is_some());
        assert!(elf.symbols(&["main", "no_such_function"]).is_none());
    }

    #[test]
    fn a_file_that_is_cut_or_changed_anywhere_is_no_trouble() {
        let whole = std::fs::read("/bin/true").unwrap();
        let look = |bytes: &[u8]| {
            if let Some(elf) = Elf::parse(bytes) {
                let _ = (elf.section(".comment"), elf.symbols(&["main"]), elf.first_load());
            }
        };
        for cut in (0..whole.len()).step_by(97) {
            look(&whole[..cut]);
        }
        for at in 0..4096.min(whole.len()) {
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = whole.clone();
                changed[at] = value;
                look(&changed);
            }
        }
    }

    #[test]
    fn what_go_writes_is_read() {
        let info =
            b"0123456789abcdefpath\tx\nmod\texample.com/cart\t(devel)\t\nbuild\t-trimpath=true\n";
        let mut section = b"\xff Go buildinf:\x08\x02".to_vec();
        section.resize(32, 0);
        section.push(6);
        section.extend_from_slice(b"go1.22");
        section.push(u8::try_from(info.len()).unwrap());
        section.extend_from_slice(info);
        let build = GoBuild::parse(&section).unwrap();
        assert_eq!((build.version.as_str(), build.trimmed), ("1.22", true));
        assert_eq!(build.module.as_deref(), Some("example.com/cart"));
        for cut in 0..section.len() {
            let _ = GoBuild::parse(&section[..cut]);
        }
    }
}
