//! The catalogue as a document: `docs/faults.md`.

use std::fmt::Write as _;

use super::{About, Fault};

/// What stands above the faults.
const HEAD: &str = include_str!("guide.md");

/// The document. Everything but its head comes from the faults themselves.
#[must_use]
pub fn markdown() -> String {
    let mut out = HEAD.trim_end().to_owned();
    out.push('\n');
    for (title, on_link) in [("Faults of answers", false), ("Faults of the network", true)] {
        let chosen: Vec<Fault> = Fault::all().into_iter().filter(|fault| fault.acts().on_link() == on_link).collect();
        let _ = write!(out, "\n## {title}\n\n| fault | |\n| --- | --- |\n");
        for about in chosen.iter().map(Fault::about) {
            let _ = writeln!(out, "| [`{0}`](#{0}) | {1} |", about.name, about.line());
        }
        for fault in &chosen {
            section(&mut out, fault);
        }
    }
    out
}

fn section(out: &mut String, fault: &Fault) {
    let about = fault.about();
    let _ = write!(out, "\n### {}\n\n{}\n", about.name, inline_links(&about.text));
    if about.parameters.is_empty() {
        return;
    }
    let _ = write!(out, "\n| parameter | | default | |\n| --- | --- | --- | --- |\n");
    for parameter in &about.parameters {
        let default = match parameter.default_text() {
            text if text.is_empty() => String::new(),
            text => format!("`{text}`"),
        };
        let _ = writeln!(out, "| `{}` | {} | {default} | {} |", parameter.name, parameter.kind, parameter.about);
    }
}

/// The text with its numbered links written out, since several texts stand in one document.
fn inline_links(text: &str) -> String {
    let mut body: Vec<&str> = Vec::new();
    let mut links = Vec::new();
    for line in text.lines() {
        match line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
            Some((number, link)) => links.push((number, link)),
            None => body.push(line),
        }
    }
    let mut out = body.join("\n").trim_end().to_owned();
    for (number, link) in links {
        out = out.replace(&format!("][{number}]"), &format!("]({link})"));
    }
    out
}

impl About {
    /// The text in paragraphs, without links: for a terminal.
    #[must_use]
    pub fn plain(&self) -> String {
        let without = inline_links(&self.text);
        let mut out = String::new();
        let mut rest = without.as_str();
        while let Some((before, link)) = rest.split_once("](") {
            match before.rsplit_once('[') {
                Some((text, name)) => {
                    out.push_str(text);
                    out.push_str(name);
                }
                None => out.push_str(before),
            }
            rest = link.split_once(')').map_or("", |(_, after)| after);
        }
        out.push_str(rest);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_says_what_the_faults_say() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md");
        if std::env::var_os("LABSIM_BLESS").is_some() {
            std::fs::write(&path, markdown()).expect("docs/faults.md can be written");
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == markdown(), "docs/faults.md is not up to date: LABSIM_BLESS=1 writes it");
    }

    #[test]
    fn a_terminal_gets_no_links() {
        for fault in Fault::all() {
            let plain = fault.about().plain();
            assert!(!plain.contains("http") && !plain.contains("]["), "{plain}");
        }
    }
}
