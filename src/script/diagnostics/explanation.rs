//! The explanations of error codes, for `dtask explain` and `docs/errors.md`.
//!
//! Each code has a page `explanations/CODE.md`: a title, a text, and fenced blocks. The words after the fence give the
//! kind of the block. The last of them, `broken` or `mended`, names the script that it belongs to; without it, the
//! block belongs to both.
//!
//! | fence | block |
//! |---|---|
//! | `toml` | the script |
//! | `text NAME` | a file beside the script |
//! | `console` | commands; the options of a `dtask check` in it are those that the script is checked with |

use super::codes::Code;
use std::fmt::Write;

/// The length of a line on a terminal, in characters.
const WIDTH: usize = 80;

/// The explanation of an error's or warning's code (`dtask explain E21`), parsed from the code's page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Explanation {
    /// The code that is explained.
    pub code: Code,
    /// The title of the code's page, one line.
    pub title: &'static str,
    /// The text of the page under the title, in lines.
    pub text: &'static str,
    /// The blocks of the page: the example scripts, with the files and commands that belong to them.
    pub blocks: Vec<FencedBlock>,
}

/// A fenced block of a code's page: a script, a file or commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FencedBlock {
    /// The kind of the block.
    pub kind: BlockKind,
    /// The script that the block belongs to, with the mistake or without; `None` for both.
    pub side: Option<Side>,
    /// The content of the block, in whole lines.
    pub content: &'static str,
}

/// The kind of a fenced block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockKind {
    /// An example script.
    Script,
    /// A file of this name, which lies beside the example script.
    File(&'static str),
    /// Shell commands, each after a `$`.
    Commands,
}

/// The two scripts of an explanation: with the mistake or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The example script with the mistake.
    Broken,
    /// The script without the mistake.
    Mended,
}

impl Explanation {
    /// Parses the page of a code: its title, its text and its example scripts.
    pub(crate) fn of(code: Code) -> Self {
        let page = code.page();
        let (title, rest) = page.split_once('\n').unwrap_or((page, ""));
        let mut parts = rest.split("\n```");
        let text = parts.next().unwrap_or_default().trim();
        let mut blocks = Vec::new();
        // Split at its fences, a page has the blocks by turns with the texts between them, which are empty lines.
        while let (Some(block), Some(_)) = (parts.next(), parts.next()) {
            blocks.extend(FencedBlock::read(block));
        }
        Self { code, title: title.trim_start_matches('#').trim(), text, blocks }
    }

    /// The blocks that belong to the script of this side, with the blocks that belong to both scripts.
    #[cfg(test)]
    pub(crate) fn blocks_of(&self, side: Side) -> impl Iterator<Item = &FencedBlock> {
        self.blocks.iter().filter(move |block| block.side.is_none_or(|its| its == side))
    }

    /// Formats the page for a terminal.
    pub(crate) fn text(&self) -> String {
        let mut page = format!("{}: {}\n\n{}", self.code, self.title, wrapped(self.text));
        for block in &self.blocks {
            let _ = write!(page, "\n\n{}\n", block.label());
            for line in block.content.lines() {
                let _ = write!(page, "\n    {line}");
            }
        }
        page
    }

    /// Formats the page as a section of `docs/errors.md`.
    #[cfg(test)]
    pub(crate) fn markdown(&self) -> String {
        let mut page = format!("## {}: {}\n\n{}\n", self.code, self.title, self.text);
        for block in &self.blocks {
            let _ = write!(page, "\n{}\n\n```{}\n{}\n```\n", block.label(), block.language(), block.content);
        }
        page
    }
}

impl FencedBlock {
    fn read(block: &'static str) -> Option<Self> {
        let (info, content) = block.split_once('\n')?;
        let words: Vec<&str> = info.split_whitespace().collect();
        let kind = match words.first() {
            Some(&"toml") => BlockKind::Script,
            Some(&"text") => BlockKind::File(words.get(1)?),
            Some(&"console") => BlockKind::Commands,
            _ => return None,
        };
        let side = match words.last() {
            Some(&"broken") => Some(Side::Broken),
            Some(&"mended") => Some(Side::Mended),
            _ => None,
        };
        Some(Self { kind, side, content })
    }

    fn label(&self) -> String {
        match (self.kind, self.side) {
            (BlockKind::Script, Some(Side::Mended)) => "Mended:".to_owned(),
            (BlockKind::Script, _) => "A script that has it:".to_owned(),
            (BlockKind::File(name), Some(Side::Mended)) => format!("The file `{name}`, mended:"),
            (BlockKind::File(name), _) => format!("The file `{name}`:"),
            (BlockKind::Commands, Some(Side::Mended)) => "The command, mended:".to_owned(),
            (BlockKind::Commands, _) => "The command:".to_owned(),
        }
    }

    #[cfg(test)]
    fn language(&self) -> &'static str {
        match self.kind {
            BlockKind::Script => "toml",
            BlockKind::File(_) => "text",
            BlockKind::Commands => "console",
        }
    }
}

/// Lists all codes with their titles, one on each line.
pub(crate) fn contents() -> String {
    let line = |code: &Code| format!("{code}  {}", Explanation::of(*code).title);
    let mut lines: Vec<String> = Code::ALL.iter().map(line).collect();
    lines.push("\nOne of them with an example: dtask explain E21".to_owned());
    lines.join("\n")
}

/// Wraps a text at [`WIDTH`] characters, at spaces.
fn wrapped(text: &str) -> String {
    let (mut page, mut length) = (String::with_capacity(text.len()), 0);
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if length > 0 && length + 1 + width > WIDTH {
            page.push('\n');
            length = 0;
        } else if length > 0 {
            page.push(' ');
            length += 1;
        }
        page.push_str(word);
        length += width;
    }
    page
}
