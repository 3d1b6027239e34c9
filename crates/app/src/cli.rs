//! The command line: what there is to be asked for.

use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, value_parser};
use views::{AnyMaker, AnyView, MAKERS};

use crate::parameters::{flags as parameter_flags, parameters};
use crate::prose::{paragraphs, summary};
use crate::{input, memory};

/// The whole command line.
pub(crate) fn command(views: &'static [AnyView]) -> Command {
    Command::new("pellucid")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A workbench for seeing through neural networks")
        .after_help(
            "MODEL is a network that ships with the program (zoo:NAME), a file (.gguf, .safetensors), a folder with \
             config.json, a model of the Hugging Face hub (hf:OWNER/NAME, or hf:OWNER/NAME@REVISION; fetched once), the \
             folder of a training (DIR, or DIR@STEP), or a name that `pellucid models` lists.\n\nResults go to standard output, everything else to \
             standard error. Exit status: 0 done, 1 failed, 2 bad usage.",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .args(global())
        .subcommands([
            open(),
            json_flag(Command::new("models").about("Lists the models on this machine")),
            json_flag(Command::new("views").about("Lists the questions that can be asked, or explains one"))
                .arg(Arg::new("NAME").help("The view to explain")),
            json_flag(Command::new("points").about("Lists the places of a model that can be captured and edited"))
                .arg(model()),
            json_flag(Command::new("card").about("Tells what a model is: family, sizes, licence, digest")).arg(model()),
            capture(),
            view(views),
            train(),
            extract(),
            reproduce(),
            bench(),
        ])
}

fn global() -> [Arg; 3] {
    [
        Arg::new("backend")
            .long("backend")
            .value_name("NAME")
            .value_parser(["cpu", "naive"])
            .default_value("cpu")
            .global(true)
            .help("Arithmetic: cpu (f32, fast) or naive (f64, slow, the reference)")
            .help_heading("Everywhere"),
        Arg::new("memory")
            .long("memory")
            .value_name("GIB")
            .value_parser(memory::parse_gib)
            .global(true)
            .help("Memory that may be used [default: what is available]")
            .help_heading("Everywhere"),
        Arg::new("color")
            .long("color")
            .value_name("WHEN")
            .value_parser(["auto", "always", "never"])
            .default_value("auto")
            .global(true)
            .help("Colours: on a terminal, always, or never; NO_COLOR and CLICOLOR_FORCE are heeded")
            .help_heading("Everywhere"),
    ]
}

/// For commands that run networks.
fn precision() -> Arg {
    Arg::new("precision")
        .long("precision")
        .value_name("NAME")
        .value_parser(["f32", "f32x2"])
        .default_value("f32")
        .help("Products with weights: f32, or f32x2 (pairs of bf16, on processors with Intel AMX)")
        .long_help(
            "Products with weights: f32, or f32x2. The latter splits each number in two of bf16 and multiplies those on \
             Intel AMX, with errors of 5e-6 of a product's norm. Where a machine has no AMX it is ignored, and a line \
             says so.",
        )
        .help_heading("Everywhere")
}

fn model() -> Arg {
    Arg::new("MODEL")
        .required(true)
        .help("The model: zoo:NAME, a file or folder, hf:OWNER/NAME, DIR@STEP, or a listed name")
}

fn json_flag(command: Command) -> Command {
    command.arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print one JSON document"))
}

fn edits() -> Arg {
    Arg::new("edit")
        .long("edit")
        .value_name("EDIT")
        .action(ArgAction::Append)
        .help("A change on the way, such as 'blocks.5.attn.z[head=3,pos=-1]=zero'; may be repeated")
        .long_help(
            "A change on the way: POINT[WHERE]=OP. May be repeated; edits apply in the order given.\n\
             POINT: a name that `pellucid points` lists, or a glob (`*` crosses dots).\n\
             WHERE: axes with indices, such as head=3,pos=-1; 2..5 is a range, 1|4 are two, negative from the end.\n\
             OP: zero, *FACTOR, noise:SD[:SEED], mean:CAPTURE.safetensors, +VALUE, set:VALUE, clamp:LEVEL:VALUE, \
             patch:OTHER PROMPT, program:FOLDER (of `pellucid extract`). VALUE: a number, FILE:NAME or contrast:PROMPT|PROMPT, with FACTOR* in front if wanted.",
        )
}

/// What a view is asked of besides, to be compared.
fn against(takes_prompt: bool) -> Arg {
    let (what, or_else) = if takes_prompt {
        ("Another prompt or MODEL", ", or else another prompt: token ids where the first is given so, a text if not")
    } else {
        ("Another MODEL", "")
    };
    Arg::new("against")
        .long("against")
        .value_name("X")
        .allow_hyphen_values(true)
        .help(format!("{what} to compare with: both answers and their difference"))
        .long_help(format!(
            "{what} to compare with: both answers, and what changes from the first to the second where their axes are \
             equal.\nX: a MODEL (zoo:NAME, hf:OWNER/NAME, an existing file or folder, a checkpoint DIR@STEP){or_else}.\n\
             Edits apply to both.",
        ))
}

fn output(forms: &'static str) -> Arg {
    Arg::new("output").short('o').long("output").value_name("FILE").value_parser(value_parser!(PathBuf)).help(forms)
}

fn open() -> Command {
    Command::new("open")
        .about("Opens the workbench: views side by side in the browser")
        .long_about(
            "Opens the workbench in the browser: views of a network side by side, where what is selected in one is seen \
             in all. The address that it prints is good on this machine only and holds a token; Ctrl-C ends it.",
        )
        .args([
            Arg::new("MODEL").help("The model to begin with [default: zoo:talk]"),
            precision(),
            Arg::new("prompt")
                .long("prompt")
                .value_name("TEXT")
                .action(ArgAction::Append)
                .allow_hyphen_values(true)
                .help("A prompt to begin with; a second one is compared with it"),
            Arg::new("workspace")
                .long("workspace")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("A workspace to begin with: a file, or one that ships (calculation, first-steps, grokking, indirect-objects)"),
            Arg::new("port")
                .long("port")
                .value_name("N")
                .value_parser(value_parser!(u16))
                .help("The port [default: any that is free]"),
            Arg::new("cache")
                .long("cache")
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .help("Where answers are kept [default: pellucid/artifacts in the user's cache folder]"),
            Arg::new("no-browser").long("no-browser").action(ArgAction::SetTrue).help("Print the address only"),
        ])
}

fn capture() -> Command {
    let command = Command::new("capture")
        .about("Writes activations, and gradients if asked, to a safetensors file")
        .long_about(
            "Writes activations to a safetensors file: a tensor of f32 for each point under its name, and the tokens as \
             i64. One input gives tensors without a batch axis; several keep it, pad with zeros, and add their lengths.",
        )
        .override_usage("pellucid capture MODEL INPUT --point GLOB... [--edit EDIT]... -o FILE.safetensors")
        .arg(model());
    input::flags(command, true, None).args([
        Arg::new("point")
            .long("point")
            .value_name("GLOB")
            .num_args(1..)
            .action(ArgAction::Append)
            .required(true)
            .help("Points to capture: names or globs such as 'blocks.*.resid_post'; `*` crosses dots"),
        edits(),
        precision(),
        output("The file to write: FILE.safetensors").required(true),
        Arg::new("grad")
            .long("grad")
            .value_name("OBJECTIVE")
            .help("Adds grad/POINT: the gradient of `loss` or `logit:TOKEN[-TOKEN]`")
            .long_help(
                "Adds for each point grad/POINT, the gradient of an objective by it. `loss` is the mean cross entropy of \
                 the next token over all positions that have one, in nats. `logit:TOKEN` is the logit of a token at the \
                 last position (summed over prompts), `logit:TOKEN-TOKEN` the difference of two. A TOKEN is an id, or a \
                 text that is one token: 'logit: Paris'.",
            ),
        Arg::new("grad-parameters")
            .long("grad-parameters")
            .action(ArgAction::SetTrue)
            .requires("grad")
            .help("Adds grad_param/NAME: the gradient by every parameter"),
    ])
}

/// One subcommand for each view.
fn view(views: &'static [AnyView]) -> Command {
    Command::new("view")
        .about("Asks a question about a model: pellucid view NAME MODEL INPUT [--PARAM VALUE]...")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand_value_name("NAME")
        .subcommand_help_heading("Views")
        .disable_help_subcommand(true)
        .arg(precision().global(true))
        .subcommands(views.iter().map(one_view))
}

fn one_view(view: &AnyView) -> Command {
    let (help, parameters) = (view.help(), parameters(&view.schema()));
    let prompt = parameters.iter().find(|parameter| parameter.is_prompt());
    let input = match prompt {
        None => "",
        Some(prompt) if prompt.default.is_none() => " INPUT",
        Some(_) => " [INPUT]",
    };
    let edit = if view.needs_network { " [--edit EDIT]..." } else { "" };
    let compares = parameters.iter().any(|parameter| parameter.name == "against");
    let other = if compares { "" } else { " [--against X]" };
    let usage = format!("pellucid view {} MODEL{input} [--PARAM VALUE]...{edit}{other} [--json | -o FILE]", view.name);
    let command = Command::new(view.name)
        .alias(format!("{}/{}", view.shelf, view.name))
        .about(summary(&help))
        .long_about(paragraphs(&help))
        .override_usage(usage)
        .arg(model());
    let command = parameter_flags(command, &parameters);
    let command = match prompt {
        Some(prompt) => {
            let (own_name, meaning) = (prompt.flag(), summary(&prompt.help));
            let own = Some((&*own_name, &*meaning)).filter(|(name, _)| *name != "prompt");
            input::flags(command, prompt.default.is_none(), own)
        }
        None => command,
    };
    let command = if view.needs_network { command.arg(edits()) } else { command };
    let command = if compares { command } else { command.arg(against(prompt.is_some())) };
    let command = if view.sweeps { command.arg(plan()) } else { command };
    let forms = "Write to a file: FILE.json, .txt, .csv, .svg, .png, .html or .safetensors (its arrays of numbers); may be repeated";
    json_flag(command).arg(output(forms).action(ArgAction::Append).conflicts_with("json"))
}

fn plan() -> Arg {
    Arg::new("plan")
        .long("plan")
        .action(ArgAction::SetTrue)
        .help("Tell what would be run and what that costs, instead of running it")
}

/// One subcommand for each recipe.
fn extract() -> Command {
    Command::new("extract")
        .about("Takes the program out of a network: pellucid extract MODEL -o DIR")
        .long_about(
            "Takes the program out of a network that was made for a finite domain, such as one of `pellucid train \
             modular-addition`. First the mechanism is read out of the weights, then the closed form that it comes down to is \
             searched, and held against the network on the whole domain.\n\n\
             DIR gets program.rs, program.py and program.json (the closed form), the same of the mechanism, report.json and \
             report.html. Where nothing is believed there is no program, and the report says why; that is no failure. \
             Calls are timed where `rustc` is to be found.",
        )
        .arg(model())
        .arg(precision())
        .arg(
            Arg::new("seed")
                .long("seed")
                .value_name("N")
                .value_parser(value_parser!(u64))
                .help("What chance depends on: the frequencies drawn for controls [default: 0]"),
        )
        .arg(
            Arg::new("folder")
                .short('o')
                .long("output")
                .value_name("DIR")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The folder to write it to"),
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print one JSON document"))
}

fn train() -> Command {
    Command::new("train")
        .about("Makes a network: pellucid train RECIPE [--PARAM VALUE]... -o DIR")
        .subcommand_value_name("RECIPE")
        .subcommand_help_heading("Recipes")
        .disable_help_subcommand(true)
        .subcommands(MAKERS.iter().map(one_recipe))
}

fn one_recipe(maker: &AnyMaker) -> Command {
    let (help, parameters) = (maker.help(), parameters(&maker.schema()));
    let command = json_flag(Command::new(maker.name))
        .about(summary(&help))
        .long_about(paragraphs(&help))
        .override_usage(format!("pellucid train {} [--PARAM VALUE]... -o DIR", maker.name))
        .arg(
            Arg::new("folder")
                .short('o')
                .long("output")
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .required(true)
                .help("The folder to make it in, or in which the same recipe was begun"),
        );
    parameter_flags(command, &parameters)
}

fn reproduce() -> Command {
    json_flag(Command::new("reproduce"))
        .about("Tries published claims again on this machine: one publication's, or all")
        .long_about(
            "Tries published claims again on this machine, one publication's or all, and says beside each what was \
             published, what was found here, and whether the claim holds. Nothing is tuned to the seed.",
        )
        .args([
            Arg::new("NAME").help("The publication, as --list names it"),
            Arg::new("list").long("list").action(ArgAction::SetTrue).help("List what can be reproduced"),
            Arg::new("seed")
                .long("seed")
                .value_name("N")
                .value_parser(value_parser!(u64))
                .default_value("0")
                .help("What chance depends on"),
        ])
}

/// Measurements inside one process, for the comparison with peers.
fn bench() -> Command {
    let rounds = || Arg::new("rounds").long("rounds").value_parser(value_parser!(u32).range(1..)).default_value("5");
    let tokens = || Arg::new("tokens").long("tokens").value_parser(value_parser!(u32).range(1..)).default_value("64");
    let command = Command::new("bench").hide(true).subcommand_required(true).arg(precision().global(true));
    command.subcommands([
        json_flag(Command::new("capture").about("Times a pass in which every point but `result` is captured"))
            .arg(model())
            .arg(Arg::new("tokens-shape").long("tokens-shape").value_name("BATCHxLENGTH").default_value("1x64"))
            .arg(rounds()),
        json_flag(Command::new("decode").about("Times greedy generation, one token at a time"))
            .arg(model())
            .arg(tokens())
            .arg(rounds()),
        json_flag(Command::new("views").about("Times every view's example, on a prompt of 64 tokens"))
            .arg(model())
            .arg(rounds()),
        json_flag(Command::new("patching").about("Times activation patching of every block and position, or head"))
            .arg(model())
            .arg(Arg::new("site").long("site").default_value("resid_pre"))
            .arg(tokens())
            .arg(rounds()),
        json_flag(Command::new("gradients").about("Times the gradient of a logit difference at every point"))
            .arg(model())
            .arg(tokens())
            .arg(rounds()),
    ])
}
