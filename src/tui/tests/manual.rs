//! The table of keys in `docs/screen.md` is written from the keys themselves.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::tui::keys::Keys;

const BEGIN: &str = "<!-- keys: written by `just bless` -->\n";
const END: &str = "<!-- end of keys -->\n";

fn table() -> String {
    let mut table = String::from("\n| name | keys | what it does |\n| --- | --- | --- |\n");
    for binding in Keys::default().bindings {
        let keys: Vec<_> = binding.keys.iter().map(|key| format!("`{}`", key.shown())).collect();
        let _ = writeln!(table, "| `{}` | {} | {} |", binding.name, keys.join(" "), binding.help);
    }
    table + "\n"
}

#[test]
fn screens_manual_lists_every_key() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/screen.md");
    let text = std::fs::read_to_string(&path).expect("docs/screen.md");
    let (before, rest) = text.split_once(BEGIN).expect("where the table begins");
    let (kept, after) = rest.split_once(END).expect("where it ends");
    if std::env::var_os("LABSIM_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", table())).expect("docs/screen.md");
        return;
    }
    assert!(kept == table(), "LABSIM_BLESS=1 writes the table of docs/screen.md anew");
}
