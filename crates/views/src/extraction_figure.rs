//! An extraction as a figure: the program, the mechanism that it came from, both computations for one input, and what
//! speaks for them.

use extract::Spliced;
use figure::{Array, Code, ColourScale, Dim, Figure, Group, Guide, Heatmap, Lines, Scatter, Table, Text};

use crate::finite::program::Output;

/// What came of an extraction.
pub fn extraction_figure(output: &Output) -> Figure {
    group(output, None)
}

/// The same with the network that the program was put into.
pub fn extraction_report(output: &Output, spliced: Option<&Spliced>) -> Figure {
    group(output, spliced)
}

fn group(output: &Output, spliced: Option<&Spliced>) -> Figure {
    let (title, caption) = match &output.closed_form {
        Some(form) => (format!("The program: {form}"), told(output)),
        None if output.mechanism_code.is_some() => ("A mechanism, and no closed form".to_owned(), told(output)),
        None => ("No program".to_owned(), "Nothing that was read out of the network is believed.".to_owned()),
    };
    let mut figures: Vec<Figure> = vec![Text::new(sentence(&output.why)).title("Why").into()];
    let code = |source: &Option<String>, title: &str, caption: &str| -> Option<Figure> {
        Some(Code::new(source.clone()?).language("rust").title(title).caption(caption).into())
    };
    let equal = "What the mechanism comes down to, equal to it on the whole domain.";
    figures.extend(code(&output.closed_form_code, "Closed form", equal));
    figures.extend(computations(output));
    figures.extend(each_wave(output));
    figures.extend(terms(output));
    figures.extend(neurons(output));
    figures.extend(evidence(output));
    figures.extend(spliced.map(splice));
    let read = "Read out of the weights: each constant tells from where.";
    figures.extend(code(&output.mechanism_code, "Mechanism", read));
    Group::new(figures).title(title).caption(caption).into()
}

fn told(output: &Output) -> String {
    let agree = output.agree_network.zip(output.domain_size).map(|(agree, of)| {
        if agree == of {
            format!("It answers as the network on all {of} inputs")
        } else {
            format!("It answers as the network on {agree} of {of} inputs")
        }
    });
    let agree = agree.unwrap_or_else(|| "It was not compared with the network".into());
    match output.logit_fve {
        Some(fve) if output.frequencies.is_empty() => format!(
            "{agree}; it is a sum of characters of representations, not of waves, and explains {:.1} % of the variance of \
             logits.",
            100.0 * fve
        ),
        Some(fve) => format!("{agree}; its waves explain {:.1} % of the variance of logits.", 100.0 * fve),
        None => agree + ".",
    }
}

/// With a capital, and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

/// The input in words.
fn input(output: &Output) -> String {
    let words: Vec<&str> = output.tokens.data().iter().map(|word| word.trim()).collect();
    words.join(" ")
}

fn word(output: &Output, answer: Option<u32>) -> Option<String> {
    let place = output.answers.data().iter().position(|&id| Some(id) == answer)?;
    Some(output.answer_words.data()[place].trim().to_owned())
}

fn answers(output: &Output) -> Guide {
    let words = output.answer_words.data().iter().map(|word| word.trim().to_owned());
    Guide::new("answer").ticks(words).indices(output.answers.data().iter().copied())
}

/// The network's logits and the sum of the waves, over the answers.
fn computations(output: &Output) -> Option<Figure> {
    let (logits, sum) = (output.logits.data(), output.sum.data());
    let curves: Vec<(&str, &[f32])> =
        [("network", logits), ("sum of waves", sum)].into_iter().filter(|(_, curve)| !curve.is_empty()).collect();
    let width = output.answers.len();
    let both = curves.iter().flat_map(|(_, curve)| curve.iter().copied()).collect();
    let y = Array::matrix(Dim::Row, Dim::DVocab, curves.len(), width, both).ok().filter(|_| !curves.is_empty())?;
    let largest = [
        ("The network's logit is largest for", output.network_answer),
        ("the sum of the waves for", output.waves_answer),
        ("the closed form gives", output.closed_form_answer),
    ];
    let parts: Vec<String> =
        largest.iter().filter_map(|(what, answer)| Some(format!("{what} {}", word(output, *answer)?))).collect();
    let figure = Lines::new(y)
        .series(Guide::default().ticks(curves.iter().map(|(name, _)| *name)))
        .x_axis(answers(output))
        .y_label("logit, less the mean")
        .title(format!("Both computations for {}", input(output)))
        .caption(format!("{}.", parts.join(", ")));
    Some(figure.into())
}

/// Answers that are shown one by one.
const SHOWN: usize = 10;

/// What each wave adds to the scores of the likeliest answers, beside their sum and the network's own.
fn each_wave(output: &Output) -> Option<Figure> {
    if output.waves.is_empty() {
        return None;
    }
    let width = output.answers.len();
    let mut names: Vec<String> = output.frequencies.data().iter().map(u32::to_string).collect();
    let mut columns: Vec<&[f32]> = output.waves.data().chunks_exact(width).collect();
    for (name, column) in [("sum", output.sum.data()), ("network", output.logits.data())] {
        if !column.is_empty() {
            columns.push(column);
            names.push(name.to_owned());
        }
    }
    let by = *columns.last()?;
    let mut order: Vec<usize> = (0..width).collect();
    order.sort_by(|&a, &b| by[b].total_cmp(&by[a]));
    order.truncate(SHOWN);
    let cells: Vec<f32> = order.iter().flat_map(|&answer| columns.iter().map(move |column| column[answer])).collect();
    let labels = cells.iter().map(|x| if x.is_nan() { String::new() } else { format!("{x:.1}") }).collect();
    let axes = [Dim::DVocab, Dim::Row];
    let values = Array::matrix(axes[0], axes[1], order.len(), columns.len(), cells).ok()?;
    let labels = Array::matrix(axes[0], axes[1], order.len(), columns.len(), labels).ok()?;
    let word = |&answer: &usize| output.answer_words.data()[answer].trim().to_owned();
    let shown = Guide::new("answer")
        .ticks(order.iter().map(word))
        .indices(order.iter().map(|&answer| output.answers.data()[answer]));
    let figure = Heatmap::new(values)
        .labels(labels)
        .colour(ColourScale::diverging().label("logit, less the mean"))
        .y(shown)
        .x(Guide::new("frequency").ticks(names))
        .title(format!("What each wave gives to the likeliest answers for {}", input(output)))
        .caption("All waves are high at one answer alone: there their sum is largest.");
    Some(figure.into())
}

/// The cosines that the mechanism is a sum of, with the neurons that each has.
fn terms(output: &Output) -> Option<Figure> {
    if output.frequencies.is_empty() {
        return None;
    }
    let table = Table::new(Dim::Row)
        .title("Waves")
        .caption("Frequencies of the map from neurons to logits, with amplitudes in logits and phases in radians, and how many neurons \
             each explains best.")
        .numbers("frequency", output.frequencies.data().iter().map(|&k| f64::from(k)))
        .decimals(0)
        .floats("amplitude", output.amplitudes.data().iter().copied())
        .decimals(2)
        .floats("phase", output.phases.data().iter().copied())
        .decimals(2)
        .floats("neurons", output.neuron_counts.data().iter().copied())
        .decimals(0);
    Some(table.into())
}

/// Where each neuron writes one frequency.
fn neurons(output: &Output) -> Option<Figure> {
    let term = output.term?;
    let own = |k: u32| k as usize == term;
    let frequencies = output.neuron_frequencies.data();
    let classes = frequencies.iter().map(|&k| u32::from(!own(k))).collect();
    let explained = output.neuron_explained.data();
    let names = frequencies.iter().zip(explained).enumerate().map(|(neuron, (k, explained))| {
        if explained.is_nan() {
            format!("neuron {neuron}")
        } else {
            format!("neuron {neuron}: frequency {k} explains {:.0} %", 100.0 * explained)
        }
    });
    let mut shares: Vec<f32> =
        frequencies.iter().zip(explained).filter(|(k, _)| own(**k)).map(|(_, explained)| *explained).collect();
    shares.sort_by(f32::total_cmp);
    let squares: Vec<f32> =
        output.neuron_cosine.data().iter().zip(output.neuron_sine.data()).map(|(a, b)| a * a + b * b).collect();
    let of_own: f32 = squares.iter().zip(frequencies).filter(|(_, k)| own(**k)).map(|(square, _)| square).sum();
    let all: f32 = squares.iter().sum();
    let unknown = explained.iter().all(|explained| explained.is_nan());
    let caption = match shares.get(shares.len() / 2) {
        Some(median) if !median.is_nan() => format!(
            "{} of {} neurons compute with this frequency, which explains {:.1} % of the median one; they write {:.1} % of \
             it, by square. The others lie near the middle where they write another.",
            shares.len(),
            frequencies.len(),
            100.0 * median,
            100.0 * of_own / all
        ),
        _ if unknown => {
            "Which frequency each neuron computes with was not looked at: that takes two tokens, and a circle that is \
                         large enough for a wave to be told from chance."
                .to_owned()
        }
        _ => "No neuron is explained best by this frequency.".to_owned(),
    };
    let figure = Scatter::new(output.neuron_cosine.clone(), output.neuron_sine.clone())
        .names(names)
        .axis_labels(format!("cosine of frequency {term} in the logits"), "sine")
        .title(format!("Neurons that write frequency {term}"))
        .caption(caption);
    let names = [format!("neurons of frequency {term}"), "others".into()];
    let figure = if unknown { figure } else { figure.classes(Array::vector(Dim::Neuron, classes), names) };
    let figure = match output.layer {
        Some(layer) => figure.at(Dim::Layer, layer),
        None => figure,
    };
    Some(figure.into())
}

/// What speaks for it, beside what should come out otherwise.
fn evidence(output: &Output) -> Option<Figure> {
    if output.statements.is_empty() {
        return None;
    }
    let table = Table::new(Dim::Row)
        .title("Evidence")
        .caption(
            "Shares from 0 to 1. The control is what should come out otherwise: as many other frequencies or \
             representations, drawn at random.",
        )
        .words("statement", output.statements.data().iter().cloned())
        .floats("value", output.values.data().iter().copied())
        .decimals(4)
        .floats("control", output.controls.data().iter().copied())
        .decimals(4)
        .words("which is", output.controls_are.data().iter().cloned());
    Some(table.into())
}

/// The network before and after.
fn splice(spliced: &Spliced) -> Figure {
    let known = |x: Option<f64>| x.unwrap_or(f64::NAN);
    let rows: [(&str, f64, f64); 5] = [
        ("share of inputs answered right", known(spliced.accuracy_before), known(spliced.accuracy_after)),
        ("cross entropy (nats)", known(spliced.loss_before), known(spliced.loss_after)),
        ("parameters", spliced.parameters_before as f64, spliced.parameters_after as f64),
        ("bytes", spliced.bytes_before as f64, spliced.bytes_after as f64),
        ("nanoseconds an input, by itself", known(spliced.ns_before), known(spliced.ns_after)),
    ];
    Table::new(Dim::Row)
        .words("", rows.iter().map(|row| row.0))
        .numbers("before", rows.iter().map(|row| row.1))
        .numbers("after", rows.iter().map(|row| row.2))
        .title("The program in the network")
        .caption(format!(
            "At {}, last position: for each answer of the program the mean of the network's own activation, which explains \
             {:.1} % of its variance over inputs. {} inputs are answered as before.",
            spliced.point,
            100.0 * spliced.explained,
            spliced.agree_network
        ))
        .into()
}
