//! Writes SVG whose horizontal positions are percentages of the width and whose vertical ones are
//! pixels, so that a picture is as wide as the page while text and marks keep their size.

use std::fmt::{Display, Write as _};

use super::super::xml::escaped;

/// A picture of some height in pixels.
pub(super) struct Svg {
    body: String,
}

/// Where text stands relative to its position.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A percentage with two digits behind the point: enough for any screen, and the same everywhere.
pub(super) struct Percent(pub(super) f64);

impl Display for Percent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{:.2}", self.0);
        write!(f, "{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl Svg {
    pub(super) fn new() -> Self {
        Self { body: String::new() }
    }

    /// A rectangle; `title` is what a pointer that rests on it is told.
    pub(super) fn rect(&mut self, class: &str, x: f64, width: f64, y: f64, height: f64, title: &str) {
        let (x, width) = (Percent(x), Percent(width));
        let _ = write!(self.body, "<rect class=\"{class}\" x=\"{x}\" width=\"{width}\" y=\"{y}\" height=\"{height}\"");
        self.close("rect", title);
    }

    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let _ = writeln!(
            self.body,
            "<line class=\"{class}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>",
            Percent(from.0),
            from.1,
            Percent(to.0),
            to.1
        );
    }

    pub(super) fn text(&mut self, class: &str, x: f64, y: f64, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let x = Percent(x);
        let text = escaped(text);
        let _ =
            writeln!(self.body, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>");
    }

    /// A small shape around a position, drawn in pixels.
    pub(super) fn shape(&mut self, class: &str, x: f64, y: f64, path: &str, title: &str) {
        let _ = write!(
            self.body,
            "<svg x=\"{}\" y=\"{y}\" overflow=\"visible\"><path class=\"{class}\" d=\"{path}\"",
            Percent(x)
        );
        self.close("path", title);
        self.body.push_str("</svg>\n");
    }

    /// What `draw` draws leads to the element `id`.
    pub(super) fn link(&mut self, id: &str, draw: impl FnOnce(&mut Self)) {
        let _ = writeln!(self.body, "<a href=\"#{id}\">");
        draw(self);
        self.body.push_str("</a>\n");
    }

    fn close(&mut self, element: &str, title: &str) {
        if title.is_empty() {
            self.body.push_str("/>\n");
        } else {
            let _ = writeln!(self.body, "><title>{}</title></{element}>", escaped(title));
        }
    }

    /// The whole picture. `label` says to those who cannot see it what it shows.
    pub(super) fn finish(self, class: &str, height: f64, label: &str) -> String {
        format!(
            "<svg class=\"{class}\" width=\"100%\" height=\"{height}\" role=\"img\" aria-label=\"{}\">\n{}</svg>\n",
            escaped(label),
            self.body
        )
    }
}

/// How an answer is told from others, by shape as well as by colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Success,
    RateLimited,
    ClientError,
    ServerError,
    Broken,
}

impl Class {
    pub(super) const ALL: [Self; 5] =
        [Self::Success, Self::RateLimited, Self::ClientError, Self::ServerError, Self::Broken];

    /// Of a status; one that is cut short or missing is broken.
    pub(super) fn of(status: Option<u16>, complete: bool) -> Self {
        match status {
            Some(_) if !complete => Self::Broken,
            Some(429) => Self::RateLimited,
            Some(500..) => Self::ServerError,
            Some(400..) => Self::ClientError,
            Some(_) => Self::Success,
            None => Self::Broken,
        }
    }

    pub(super) fn css(self) -> &'static str {
        match self {
            Self::Success => "ok",
            Self::RateLimited => "limited",
            Self::ClientError => "client",
            Self::ServerError => "server",
            Self::Broken => "broken",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::RateLimited => "429",
            Self::ClientError => "other 4xx",
            Self::ServerError => "5xx",
            Self::Broken => "no whole answer",
        }
    }

    /// Disc, triangle, diamond, square, cross: some 10 pixels wide, around the origin.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Success => "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0z",
            Self::RateLimited => "M0,-6L6,5L-6,5z",
            Self::ClientError => "M0,-6L6,0L0,6L-6,0z",
            Self::ServerError => "M-5,-5H5V5H-5z",
            Self::Broken => "M-5,-3L-3,-5L0,-2L3,-5L5,-3L2,0L5,3L3,5L0,2L-3,5L-5,3L-2,0z",
        }
    }
}

/// The legend for the classes that occur, and for what else there is.
pub(super) fn legend(classes: impl IntoIterator<Item = Class>, more: &str) -> String {
    let mut out = String::from("<ul class=\"legend\">");
    for class in classes {
        let _ = write!(
            out,
            "<li><svg width=\"14\" height=\"14\" aria-hidden=\"true\"><path class=\"{}\" transform=\"translate(7 7)\" d=\"{}\"/></svg>{}</li>",
            class.css(),
            class.path(),
            class.name()
        );
    }
    out.push_str(more);
    out.push_str("</ul>\n");
    out
}
