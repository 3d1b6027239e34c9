//! What the terminal behind standard output can show.

use std::env;
use std::io::{self, IsTerminal};

use clap::ArgMatches;
use figure::render::{Colour, TextStyle};

/// Columns where no terminal tells.
const WIDTH: usize = 100;

/// Colours, width and characters for text on standard output, by `--color`, the environment and the terminal.
pub(crate) fn style(matches: &ArgMatches) -> TextStyle {
    let choice = matches.get_one::<String>("color").map_or("auto", String::as_str);
    let terminal = io::stdout().is_terminal();
    let width = terminal_size::terminal_size().filter(|_| terminal).map(|(width, _)| usize::from(width.0));
    let columns = || env::var("COLUMNS").ok()?.parse().ok();
    TextStyle {
        colour: colour(choice, terminal, |name| env::var(name).ok()),
        width: width.or_else(columns).unwrap_or(WIDTH),
        unicode: has_unicode(|name| env::var(name).ok()),
        // The second number of `COLORFGBG` is the background: 7 and 15 are the light ones.
        dark: !env::var("COLORFGBG").is_ok_and(|value| value.ends_with(";7") || value.ends_with(";15")),
    }
}

/// `NO_COLOR` and `CLICOLOR_FORCE` by their conventions; the option comes before both.
fn colour(choice: &str, terminal: bool, var: impl Fn(&str) -> Option<String>) -> Colour {
    let set = |name| var(name).is_some_and(|value| !value.is_empty());
    let forced = set("CLICOLOR_FORCE") && var("CLICOLOR_FORCE").as_deref() != Some("0");
    let wanted = match choice {
        "always" => true,
        "never" => false,
        _ if set("NO_COLOR") => false,
        _ => forced || (terminal && var("TERM").as_deref() != Some("dumb")),
    };
    let true_colour = var("COLORTERM").is_some_and(|value| value == "truecolor" || value == "24bit");
    match (wanted, true_colour) {
        (false, _) => Colour::None,
        (true, true) => Colour::TrueColor,
        (true, false) => Colour::Ansi256,
    }
}

/// Whether the locale does not say otherwise.
fn has_unicode(var: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(var).find(|value| !value.is_empty());
    locale.is_none_or(|value| {
        let value = value.to_lowercase();
        value.contains("utf-8") || value.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conventions_are_followed() {
        let check = |choice, terminal, vars: &'static [(&str, &str)], expected| {
            let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(colour(choice, terminal, var), expected, "{choice} {terminal} {vars:?}");
        };
        check("auto", false, &[], Colour::None);
        check("auto", true, &[], Colour::Ansi256);
        check("auto", true, &[("COLORTERM", "truecolor")], Colour::TrueColor);
        check("auto", true, &[("NO_COLOR", "1")], Colour::None);
        check("auto", true, &[("NO_COLOR", "")], Colour::Ansi256);
        check("auto", true, &[("TERM", "dumb")], Colour::None);
        check("auto", false, &[("CLICOLOR_FORCE", "1")], Colour::Ansi256);
        check("auto", false, &[("CLICOLOR_FORCE", "0")], Colour::None);
        check("always", false, &[("NO_COLOR", "1")], Colour::Ansi256);
        check("never", true, &[("CLICOLOR_FORCE", "1")], Colour::None);
    }

    #[test]
    fn a_locale_may_lack_unicode() {
        let with = |value: &'static str| has_unicode(move |name| (name == "LANG").then(|| value.to_owned()));
        assert!(with("de_DE.UTF-8") && with("C.utf8") && with(""));
        assert!(!with("C") && !with("POSIX"));
        assert!(has_unicode(|_| None));
    }
}
