//! Chat templates: how a conversation is written for a model, by the Jinja template that comes with it.

use std::collections::BTreeMap;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{Environment, ErrorKind, context};

use crate::{Error, Result};

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `system`, `user` or `assistant`, as a rule; a template may know others.
    pub role: String,
    /// What is said.
    pub content: String,
}

/// A template, or the absence of one, and the tokens that it may name.
#[derive(Clone, Debug, Default)]
pub(super) struct Template {
    pub(super) source: Option<String>,
    /// `bos_token` and so on, as their texts.
    pub(super) tokens: BTreeMap<String, String>,
}

/// Templates come with models and are not trusted: the number of their steps is bounded. The longest of well-known
/// models take some thousands for a conversation of a few turns.
const FUEL: u64 = 1_000_000;

/// No template of a well-known model is a tenth of this, in bytes.
const LONGEST: usize = 1 << 20;

impl Template {
    pub(super) fn is_there(&self) -> bool {
        self.source.is_some()
    }

    /// Writes a conversation, with `reply` up to where the model's turn begins.
    pub(super) fn render(&self, messages: &[Message], reply: bool) -> Result<String> {
        let Some(source) = &self.source else {
            return Err(Error::Tokenizer(
                "this model comes with no chat template, so it may not be made for conversation; give the text as it is"
                    .into(),
            ));
        };
        if source.len() > LONGEST {
            let len = source.len();
            return Err(Error::Tokenizer(format!("the chat template has {len} bytes, more than {LONGEST}")));
        }
        let fault = |e: minijinja::Error| Error::Tokenizer(format!("the chat template: {}", chain(&e)));
        let source = without_generation(source);
        let environment = environment().map_err(fault)?;
        let template = environment.template_from_str(&source).map_err(fault)?;
        let tokens = Value::from_pairs(self.tokens.iter().map(|(role, text)| (role.as_str(), text.as_str())));
        let messages: Vec<Value> =
            messages.iter().map(|m| context! { role => &m.role, content => &m.content }).collect();
        template.render(context! { messages, add_generation_prompt => reply, ..tokens }).map_err(fault)
    }
}

/// The Jinja that templates are written for: that of `apply_chat_template` in Hugging Face's transformers. It reads no
/// files, knows no clock (templates that ask for the date have a fixed one to fall back on) and runs out of fuel.
fn environment<'a>() -> Result<Environment<'a>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_fuel(Some(FUEL));
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", |why: String| -> Result<Value, minijinja::Error> {
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, why))
    });
    Ok(environment)
}

/// An error and what caused it.
fn chain(error: &minijinja::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// A template with the tags `generation` and `endgeneration` made void. With them, Hugging Face marks what the
/// assistant says for training; they write nothing themselves.
fn without_generation(source: &str) -> String {
    let mut result = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let Some(len) = rest[start + 2..].find("%}") else { break };
        let tag = &rest[start + 2..start + 2 + len];
        let name = tag.trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim();
        result.push_str(&rest[..start + 2]);
        match name {
            "generation" => result.push_str(&tag.replace("generation", "if true")),
            "endgeneration" => result.push_str(&tag.replace("endgeneration", "endif")),
            _ => result.push_str(tag),
        }
        rest = &rest[start + 2 + len..];
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(template: &str) -> Result<String> {
        let say = |role: &str, content: &str| Message { role: role.into(), content: content.into() };
        let tokens = [("bos_token".into(), "<s>".into()), ("eos_token".into(), "</s>".into())].into();
        let template = Template { source: Some(template.into()), tokens };
        template.render(&[say("system", " be brief "), say("user", "hi"), say("assistant", "<b>")], true)
    }

    #[test]
    fn what_templates_rely_on_is_there() {
        let check = |template: &str, expected: &str| assert_eq!(render(template).unwrap(), expected, "{template}");
        check("{{ bos_token }}{% for m in messages %}{{ m['role'] }} {% endfor %}", "<s>system user assistant ");
        check("{{ messages[0].content.strip() }}{{ messages[0]['content'] | trim }}", "be briefbe brief");
        check(
            "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% endif %}{{ rest | length }}",
            "2",
        );
        check(
            "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
            "3",
        );
        check("{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}{{ loop.index0 }}{% endfor %}", "12");
        check(
            "{% for m in messages %}{% if loop.last %}{% break %}{% endif %}{{ m.role }};{% endfor %}",
            "system;user;",
        );
        check("{{ messages[2].content }} {{ messages[2].content | tojson }}", "<b> \"\\u003cb\\u003e\"");
        check("{% if tools is defined and tools %}t{% else %}n{% endif %}{{ add_generation_prompt }}", "nTrue");
        check("{% if strftime_now is defined %}clock{% else %}26 Jul 2024{% endif %}", "26 Jul 2024");
        check("{{ 'a,b'.split(',')[1] }}{{ 'abc'.startswith('a') }}{{ eos_token }}", "bTrue</s>");
        check("{% macro m(x) %}[{{ x }}]{% endmacro %}{{ m('y') }}", "[y]");
        check("{{ messages[-1].role ~ '!' }}{{ unknown }}", "assistant!");
    }

    #[test]
    fn blocks_leave_no_blank_lines() {
        let check = |template: &str, expected: &str| assert_eq!(render(template).unwrap(), expected, "{template}");
        check("a\n  {% if true %}\nb\n  {% endif %}\nc\n", "a\nb\nc");
        check("a {%- if true -%} b {%- endif -%} c", "abc");
    }

    #[test]
    fn marks_for_training_write_nothing() {
        let check = |template: &str, expected: &str| assert_eq!(render(template).unwrap(), expected, "{template}");
        check("a {%- generation -%} b {%- endgeneration %} c", "ab c");
        check("{% generation %}{{ messages[1].content }}{% endgeneration %}", "hi");
        check("{%generation%}x{%endgeneration%}", "x");
    }

    #[test]
    fn failures_are_messages() {
        let check = |template: &str, part: &str| {
            let message = render(template).unwrap_err().to_string();
            assert!(message.contains(part), "{template}: {message}");
        };
        check("{{ raise_exception('roles must alternate') }}", "roles must alternate");
        check("{% for m in %}", "syntax error");
        check("{% include 'secrets' %}", "include");
        check("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "fuel");
        check(&"x".repeat(LONGEST + 1), "bytes");
        check("{{ [1][9]()  }}", "chat template");
        check("{%", "chat template");
    }
}
