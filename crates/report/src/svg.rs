//! Pictures as SVG: marks on a canvas, and scales that say where they go.
//!
//! Marks have classes and no colours: those are the style sheet's, which knows whether the
//! page is light, dark or paper. Text is escaped by `maud`. Every coordinate is written with
//! at most two decimals, and one that is not finite as 0, so that no data breaks a picture.

mod scale;

pub(crate) use scale::Scale;

use maud::{Markup, PreEscaped, Render, html};
use std::fmt::Write;

/// The colours, light and dark, and how marks look.
pub(crate) const STYLE: &str = include_str!("svg/picture.css");

/// A place on the canvas: to the right, and down.
pub(crate) type Point = (f64, f64);

/// A picture: what it is called, what it says to those who can't see it, and its marks.
pub(crate) struct Picture {
    /// Its id, and the beginning of those of its parts.
    pub(crate) id: String,
    /// Width and height of its canvas.
    pub(crate) size: Point,
    /// What it shows.
    pub(crate) title: String,
    /// What is to be seen in it, in words.
    pub(crate) description: String,
    /// What is drawn.
    pub(crate) marks: Markup,
}

impl Picture {
    /// The picture as a file of its own.
    pub(crate) fn file(&self) -> String {
        let (title, description) = (format!("{}-t", self.id), format!("{}-d", self.id));
        let (width, height) = (px(self.size.0), px(self.size.1));
        html! {
            svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height)
                viewBox={"0 0 " (width) " " (height)} role="img"
                aria-labelledby={(title) " " (description)} {
                title id=(title) { (self.title) }
                desc id=(description) { (self.description) }
                style { (PreEscaped(STYLE)) (PreEscaped(ALONE)) }
                defs { (textures()) }
                (self.marks)
            }
        }
        .into_string()
    }
}

/// What a picture needs where there is no page around it.
const ALONE: &str = "svg { background: var(--paper); font-family: system-ui, sans-serif; }\n";

/// Textures for surfaces that a colour alone would tell apart.
pub(crate) fn textures() -> Markup {
    html! {
        pattern id="hatch" width="6" height="6"
            patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
            rect width="6" height="6" class="hatch-ground" {}
            line x1="1" y1="0" x2="1" y2="6" class="hatch-line" {}
        }
        pattern id="trouble" width="8" height="8"
            patternUnits="userSpaceOnUse" patternTransform="rotate(-45)" {
            line x1="1" y1="0" x2="1" y2="8" class="trouble-line" {}
        }
    }
}

impl Render for Picture {
    fn render(&self) -> Markup {
        let (title, description) = (format!("{}-t", self.id), format!("{}-d", self.id));
        let (width, height) = (px(self.size.0), px(self.size.1));
        html! {
            svg viewBox={"0 0 " (width) " " (height)} role="img"
                aria-labelledby={(title) " " (description)} {
                title id=(title) { (self.title) }
                desc id=(description) { (self.description) }
                (self.marks)
            }
        }
    }
}

/// A coordinate as it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Px(f64);

/// A coordinate.
pub(crate) const fn px(value: f64) -> Px {
    Px(value)
}

impl Render for Px {
    fn render_to(&self, buffer: &mut String) {
        let value = if self.0.is_finite() { self.0 } else { 0.0 };
        // Adding zero turns −0 into 0. Writing to a string can't fail.
        let _ = write!(buffer, "{}", (value * 100.0).round() / 100.0 + 0.0);
    }
}

/// On which side of its place a text stands.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Anchor {
    /// To the right of it.
    Start,
    /// Around it.
    Middle,
    /// To the left of it.
    End,
}

impl Anchor {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

pub(crate) fn text(at: Point, anchor: Anchor, class: &str, words: &str) -> Markup {
    let anchor = anchor.as_str();
    html! { text x=(px(at.0)) y=(px(at.1)) text-anchor=(anchor) class=(class) { (words) } }
}

pub(crate) fn line(from: Point, to: Point, class: &str) -> Markup {
    html! {
        line x1=(px(from.0)) y1=(px(from.1)) x2=(px(to.0)) y2=(px(to.1)) class=(class) {}
    }
}

/// A rectangle from its upper left corner; sides below 0 are 0.
pub(crate) fn area(at: Point, size: Point, class: &str) -> Markup {
    let (width, height) = (size.0.max(0.0), size.1.max(0.0));
    html! {
        rect x=(px(at.0)) y=(px(at.1)) width=(px(width)) height=(px(height)) class=(class) {}
    }
}

pub(crate) fn dot(at: Point, radius: f64, class: &str) -> Markup {
    html! { circle cx=(px(at.0)) cy=(px(at.1)) r=(px(radius)) class=(class) {} }
}

/// Straight lines from place to place; nothing without at least two.
pub(crate) fn polyline(points: &[Point], class: &str) -> Markup {
    let points = match points {
        [] | [_] => return html! {},
        points => Points(points),
    };
    html! { polyline points=(points) class=(class) {} }
}

/// A surface with these corners.
pub(crate) fn polygon(corners: &[Point], class: &str) -> Markup {
    html! { polygon points=(Points(corners)) class=(class) {} }
}

/// An estimate and its interval: a dot, and a bar with ends.
pub(crate) fn estimate(at: Point, low_y: f64, high_y: f64, class: &str) -> Markup {
    /// Half the width of the ends.
    const END: f64 = 4.0;
    let end = |y: f64| line((at.0 - END, y), (at.0 + END, y), class);
    html! {
        (line((at.0, low_y), (at.0, high_y), class))
        (end(low_y)) (end(high_y))
        (dot(at, 3.5, class))
    }
}

/// The same, lying.
pub(crate) fn estimate_lying(at: Point, low_x: f64, high_x: f64, class: &str) -> Markup {
    const END: f64 = 4.0;
    let end = |x: f64| line((x, at.1 - END), (x, at.1 + END), class);
    html! {
        (line((low_x, at.1), (high_x, at.1), class))
        (end(low_x)) (end(high_x))
        (dot(at, 3.5, class))
    }
}

struct Points<'a>(&'a [Point]);

impl Render for Points<'_> {
    fn render_to(&self, buffer: &mut String) {
        for (nth, (x, y)) in self.0.iter().enumerate() {
            if nth > 0 {
                buffer.push(' ');
            }
            px(*x).render_to(buffer);
            buffer.push(',');
            px(*y).render_to(buffer);
        }
    }
}

/// The first so many characters of a name, and a sign that there are more.
pub(crate) fn shortened(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.to_owned();
    }
    let kept: String = name.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coordinate_is_a_short_and_finite_number_whatever_the_data() {
        let written = |value| px(value).render().into_string();
        assert_eq!(written(1.0 / 3.0), "0.33");
        assert_eq!(written(-0.001), "0");
        assert_eq!(written(12.0), "12");
        for wild in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(written(wild), "0");
        }
    }

    #[test]
    fn text_and_titles_are_escaped() {
        let picture = Picture {
            id: "p".to_owned(),
            size: (10.0, 5.0),
            title: "<script>alert(\"1\")</script>".to_owned(),
            description: "a & b".to_owned(),
            marks: text((0.0, 0.0), Anchor::End, "label", "<b>"),
        };
        let svg = picture.render().into_string();
        assert!(!svg.contains("<script>") && !svg.contains("<b>"), "{svg}");
        assert!(svg.contains("a &amp; b") && svg.contains("text-anchor=\"end\""));
    }

    #[test]
    fn a_long_name_is_shortened_between_characters() {
        assert_eq!(shortened("gateway", 7), "gateway");
        assert_eq!(shortened("überlänge", 4), "übe…");
        assert_eq!(shortened("x", 0), "…");
    }
}
