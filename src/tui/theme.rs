//! Colours and signs, as data. A state differs from another in its sign as well as in its colour.

use ratatui::style::{Color, Modifier, Style};

use super::health::State;
use super::row::Class;

/// What a piece of the screen is, for a theme to dress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Text,
    Faint,
    Strong,
    Border,
    Title,
    Accent,
    Good,
    Bad,
    Limited,
    Healthy,
    Degraded,
    Returning,
    Evicted,
    Bar,
    Trough,
    Wire,
    Selected,
    Marked,
    Active,
    Note,
}

const ROLES: usize = 20;

/// How the screen looks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Theme {
    pub(super) name: &'static str,
    styles: [Style; ROLES],
    pub(super) signs: &'static Signs,
}

/// Signs for states and marks.
#[derive(Debug, PartialEq)]
pub(super) struct Signs {
    pub(super) healthy: &'static str,
    pub(super) degraded: &'static str,
    pub(super) returning: &'static str,
    pub(super) evicted: &'static str,
    pub(super) pass: &'static str,
    pub(super) fail: &'static str,
    pub(super) unknown: &'static str,
    pub(super) undecided: &'static str,
    pub(super) current: &'static str,
    pub(super) dot: &'static str,
    pub(super) play: &'static str,
    pub(super) pause: &'static str,
    pub(super) full: &'static str,
    pub(super) empty: &'static str,
    /// Eighths of a cell from the bottom, none to all.
    pub(super) levels: [&'static str; 9],
}

const UNICODE: Signs = Signs {
    healthy: "●",
    degraded: "◐",
    returning: "↻",
    evicted: "✗",
    pass: "✓",
    fail: "✗",
    unknown: "?",
    undecided: "·",
    current: "▶",
    dot: "●",
    play: "▶",
    pause: "‖",
    full: "█",
    empty: "░",
    levels: [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
};

/// Names of all themes, in the order in which a key goes through them.
pub(super) const THEMES: [&str; 4] = ["dark", "light", "contrast", "mono"];

impl Theme {
    /// The theme of a name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let styles = match name {
            "dark" => coloured(&DARK),
            "light" => coloured(&LIGHT),
            "contrast" => contrast(),
            "mono" => mono(),
            _ => return None,
        };
        let name = THEMES.into_iter().find(|known| *known == name)?;
        Some(Self { name, styles, signs: &UNICODE })
    }

    /// The theme after this one.
    pub(super) fn next(&self) -> Self {
        let here = THEMES.iter().position(|name| *name == self.name).unwrap_or(0);
        Self::named(THEMES[(here + 1) % THEMES.len()]).unwrap_or_else(|| self.clone())
    }

    /// How a role looks.
    pub(super) fn style(&self, role: Role) -> Style {
        self.styles[role as usize]
    }

    /// Sign and role of a provider's state.
    pub(super) fn state(&self, state: State) -> (&'static str, Role) {
        match state {
            State::Healthy => (self.signs.healthy, Role::Healthy),
            State::Degraded => (self.signs.degraded, Role::Degraded),
            State::Returning => (self.signs.returning, Role::Returning),
            State::Evicted => (self.signs.evicted, Role::Evicted),
        }
    }
}

impl Default for Theme {
    fn default() -> Self {
        Self { name: "dark", styles: coloured(&DARK), signs: &UNICODE }
    }
}

impl Class {
    /// The role that its colour has.
    pub(super) fn role(self) -> Role {
        match self {
            Self::Open => Role::Accent,
            Self::Good => Role::Good,
            Self::Limited => Role::Limited,
            Self::ClientError | Self::ServerError | Self::Broken => Role::Bad,
        }
    }
}

/// The colours of a theme: numbers of the 256-colour palette, which differ for every kind of colour blindness.
struct Palette {
    text: Color,
    faint: u8,
    border: u8,
    accent: u8,
    good: u8,
    bad: u8,
    limited: u8,
    degraded: u8,
    returning: u8,
    trough: u8,
    selected: u8,
    active: (u8, u8),
}

/// Light letters on a dark ground. The hues are those of Okabe and Ito.
const DARK: Palette = Palette {
    text: Color::Reset,
    faint: 245,
    border: 240,
    accent: 117,
    good: 42,
    bad: 209,
    limited: 214,
    degraded: 221,
    returning: 75,
    trough: 238,
    selected: 237,
    active: (16, 117),
};

/// Dark letters on a light ground.
const LIGHT: Palette = Palette {
    text: Color::Reset,
    faint: 242,
    border: 248,
    accent: 25,
    good: 29,
    bad: 160,
    limited: 130,
    degraded: 136,
    returning: 26,
    trough: 252,
    selected: 254,
    active: (231, 25),
};

fn coloured(palette: &Palette) -> [Style; ROLES] {
    let plain = Style::new().fg(palette.text);
    let hue = |number: u8| Style::new().fg(Color::Indexed(number));
    let (active_text, active_ground) = palette.active;
    table(|role| match role {
        Role::Text => plain,
        Role::Faint => hue(palette.faint),
        Role::Strong | Role::Title => plain.add_modifier(Modifier::BOLD),
        Role::Border | Role::Wire => hue(palette.border),
        Role::Accent | Role::Bar => hue(palette.accent),
        Role::Good | Role::Healthy => hue(palette.good),
        Role::Bad => hue(palette.bad),
        Role::Limited => hue(palette.limited),
        Role::Evicted => hue(palette.bad).add_modifier(Modifier::BOLD),
        Role::Degraded => hue(palette.degraded),
        Role::Returning => hue(palette.returning),
        Role::Trough => hue(palette.trough),
        Role::Selected => Style::new().bg(Color::Indexed(palette.selected)),
        Role::Marked => hue(palette.accent).add_modifier(Modifier::BOLD),
        Role::Active => Style::new().fg(Color::Indexed(active_text)).bg(Color::Indexed(active_ground)),
        Role::Note => hue(palette.accent).add_modifier(Modifier::BOLD),
    })
}

fn contrast() -> [Style; ROLES] {
    let white = Style::new().fg(Color::White).bg(Color::Black).add_modifier(Modifier::BOLD);
    let hue = |color: Color| Style::new().fg(color).bg(Color::Black).add_modifier(Modifier::BOLD);
    table(|role| match role {
        Role::Text | Role::Faint | Role::Strong | Role::Title | Role::Border | Role::Wire | Role::Trough => white,
        Role::Accent | Role::Bar | Role::Returning | Role::Marked => hue(Color::LightCyan),
        Role::Good | Role::Healthy => hue(Color::LightGreen),
        Role::Bad | Role::Evicted => hue(Color::LightRed),
        Role::Limited | Role::Degraded | Role::Note => hue(Color::LightYellow),
        Role::Selected | Role::Active => Style::new().fg(Color::Black).bg(Color::White).add_modifier(Modifier::BOLD),
    })
}

fn mono() -> [Style; ROLES] {
    let plain = Style::new();
    table(|role| match role {
        Role::Faint | Role::Border | Role::Wire | Role::Trough => plain.add_modifier(Modifier::DIM),
        Role::Strong | Role::Title | Role::Bad | Role::Limited | Role::Evicted | Role::Note | Role::Marked => {
            plain.add_modifier(Modifier::BOLD)
        }
        Role::Selected | Role::Active => plain.add_modifier(Modifier::REVERSED),
        Role::Text | Role::Accent | Role::Good | Role::Healthy | Role::Degraded | Role::Returning | Role::Bar => plain,
    })
}

fn table(style: impl Fn(Role) -> Style) -> [Style; ROLES] {
    use Role::{
        Accent, Active, Bad, Bar, Border, Degraded, Evicted, Faint, Good, Healthy, Limited, Marked, Note, Returning,
        Selected, Strong, Text, Title, Trough, Wire,
    };
    [
        Text, Faint, Strong, Border, Title, Accent, Good, Bad, Limited, Healthy, Degraded, Returning, Evicted, Bar,
        Trough, Wire, Selected, Marked, Active, Note,
    ]
    .map(style)
}
