//! From a network to a program: the mechanism first, then the closed form that it comes down to.

use engine::PointId;
use methods::Tick;
use methods::finite::{Finite, Table};
use serde::Serialize;

use crate::families::Found;
use crate::program::{Input, Program};
use crate::reading::{Representation, Representations, Wave, Waves};
use crate::{Outputs, Result, Splice, Spliced, collapse, recognise};

/// A program has to answer as the network does on this share of the domain. A network that is right but for a few inputs
/// has the program that is right on all.
const LEAST_AGREEMENT: f64 = 0.99;
/// And its mechanism has to explain this part of the variance of logits. That of a group has to explain this part of what a
/// table of the right answers leaves, too: a table is a sum of characters as well, so that a network which learnt all products
/// by heart would pass.
const LEAST_FVE: f64 = 0.5;
/// A neuron is explained by a frequency that has this part of its variance (Nanda et al. 2023).
const EXPLAINED: f64 = 0.85;

/// What is known of a network's task: the right answer to an input of its domain.
pub type Specification<'a> = &'a dyn Fn(&[u32]) -> u32;

/// What came of it.
#[derive(Clone, Debug)]
pub struct Extraction {
    /// What is told of it.
    pub report: Report,
    /// The mechanism, if one was found.
    pub mechanism: Option<Program>,
    /// The closed form, if the mechanism comes down to one.
    pub program: Option<Program>,
    /// The waves that were read; none where the mechanism has none.
    pub waves: Option<Waves>,
    /// What goes into the network in place of the mechanism; none where no program is believed, or the network has no
    /// stream to put it into.
    pub splice: Option<Splice>,
    /// The network on its domain; none where that has too many inputs.
    pub table: Option<Table>,
    /// The right answers `[input]`, counted from the first answer; none where they are not known, or there is no table.
    pub right: Option<Vec<usize>>,
}

/// `report.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Inputs there are; none if more than 2^64.
    pub domain_size: Option<u64>,
    /// Inputs that the program answers as the network does.
    pub agree_network: Option<u64>,
    /// Inputs that the program answers as it should be; none where that is not known.
    pub agree_spec: Option<u64>,
    /// Inputs that the network answers as it should be; none where that is not known.
    pub network_right: Option<u64>,
    /// Length of the program, in bits.
    pub bits: Option<u64>,
    /// Length of the table of the network's answers, entropy-coded, in bits.
    pub table_bits: Option<u64>,
    /// Operations of the program for one input.
    pub operations: Option<u64>,
    /// Nanoseconds of a call of the compiled program; none where it could not be compiled.
    pub ns_per_call: Option<f64>,
    /// Nanoseconds of the network for one input by itself.
    pub network_ns_per_call: Option<f64>,
    /// Nanoseconds of the network for each input of the batch that is fastest.
    pub network_ns_per_call_batched: Option<f64>,
    /// The kind of program; none where nothing is believed.
    pub family: Option<String>,
    /// Why, in words.
    pub why: String,
    /// What was read out of the weights; none where nothing was found.
    pub mechanism: Option<Mechanism>,
    /// The program as a formula, with `%` for the remainder.
    pub closed_form: Option<String>,
    /// What the mechanism is to be held against.
    pub controls: Option<Controls>,
    /// What speaks for it, one statement after another.
    pub evidence: Vec<Evidence>,
    /// The network with the program in it; none where there is no program.
    pub splice: Option<Spliced>,
    /// What is left unexplained.
    pub unexplained: Unexplained,
}

/// What was read out of the weights.
#[derive(Clone, Debug, Serialize)]
pub struct Mechanism {
    /// The mechanism as a formula.
    pub formula: String,
    /// Key frequencies, in falling order of amplitude; of a group the places of the representations in use.
    pub frequencies: Vec<usize>,
    /// The waves themselves; empty for a group.
    pub waves: Vec<Wave>,
    /// The representations in use, in falling order of what they explain; empty for waves.
    pub representations: Vec<Representation>,
    /// Part of the variance of the network's logits that the mechanism's explain.
    pub logit_fve: f64,
    /// Share of the neurons in use of which one frequency explains at least 85 %; none where that was not looked at.
    pub neurons_explained: Option<f64>,
    /// Neurons in use: the fewest that together make up 99 % of the variance that neurons write into the logits.
    pub neurons_in_use: Option<usize>,
    /// The share of all neurons, idle ones too.
    pub neurons_explained_of_all: Option<f64>,
    /// Inputs that the mechanism answers as the network does.
    pub agree_network: u64,
    /// By how much the best answer's score exceeds all others, in logits, whatever the input; none if it does not.
    pub margin: Option<f64>,
    /// Length of the mechanism as a program, in bits.
    pub bits: u64,
}

/// What should come out otherwise.
#[derive(Clone, Debug, Serialize)]
pub struct Controls {
    /// What as many other frequencies, or representations, explain of the logits, one number for each draw.
    pub other_frequencies_fve: Vec<f64>,
    /// Accuracy of the network without its key frequencies.
    pub accuracy_without_key: f64,
    /// Accuracy without as many other frequencies, one number for each draw.
    pub accuracy_without_others: Vec<f64>,
}

/// A statement with its figure.
#[derive(Clone, Debug, Serialize)]
pub struct Evidence {
    /// The statement.
    pub claim: String,
    /// The figure.
    pub value: f64,
    /// What it is to be compared with, if there is anything.
    pub baseline: Option<f64>,
    /// What that is, in words.
    pub against: Option<String>,
}

/// What is left unexplained, as shares; 1 where nothing is explained.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Unexplained {
    /// Of the answers: inputs that the program answers otherwise than the network.
    pub behaviour: f64,
    /// Of the variance of logits.
    pub logits: f64,
}

/// A network on its domain, with what is right.
struct Network {
    inputs: Vec<Input>,
    outputs: Outputs,
    given: Vec<usize>,
    right: Option<Vec<usize>>,
}

/// Reads the program out of a network that says for which inputs it was made. Where none is found the report says why, and
/// that is no error.
pub fn extract(finite: &Finite<'_>, known: Option<Specification<'_>>, seed: u64, tick: Tick<'_>) -> Result<Extraction> {
    let size = finite.domain.len();
    let inputs = match finite.inputs() {
        Ok(inputs) => inputs,
        Err(error) => return Ok(nothing(size, None, None, error.to_string())),
    };
    let spliced = Splice::point(finite.model);
    let points: Vec<PointId> = Waves::neurons_point(finite.model).into_iter().chain(spliced).collect();
    let table = finite.table(&points, tick)?;
    let network = Network::of(finite, &table, &inputs, known)?;
    let against = network.right.as_ref().unwrap_or(&network.given);
    let mut extraction = match Waves::read(finite, &table, against, seed) {
        Ok(waves) => network.with_waves(size, waves)?,
        Err(why) => network.without(size, why),
    };
    if extraction.believed().is_none() {
        match Representations::read(finite, &table, against, seed) {
            Ok(Some(found)) => {
                let of_group = network.with_representations(size, &found)?;
                let explains_more = of_group.report.unexplained.logits < extraction.report.unexplained.logits;
                if of_group.believed().is_some() || explains_more {
                    extraction = of_group;
                }
            }
            Ok(None) => (),
            Err(why) => extraction.report.why.extend(["; and ", &why]),
        }
    }
    if let (Some(program), Some(point)) = (extraction.believed(), spliced) {
        extraction.splice = Some(Splice::of(program, finite, point, &table)?);
    }
    extraction.table = Some(table);
    extraction.right = network.right;
    Ok(extraction)
}

impl Extraction {
    /// The shortest program that is believed: the closed form, or else the mechanism.
    pub fn believed(&self) -> Option<&Program> {
        self.program.as_ref().or(self.mechanism.as_ref())
    }
}

impl Network {
    fn of(finite: &Finite<'_>, table: &Table, inputs: &[Vec<u32>], known: Option<Specification<'_>>) -> Result<Self> {
        let domain = finite.domain;
        let free = domain.free();
        let names = names(free.len());
        let named: Vec<Input> =
            free.iter().zip(&names).map(|(&at, name)| Input::new(name, domain.tokens[at].clone())).collect();
        let given = table.given();
        let first = domain.answers.start;
        let answers = given.iter().map(|&answer| first + answer as u32).collect();
        let outputs = Outputs::complete(named.clone(), domain.answers.clone(), answers)?;
        let right = known.map(|known| inputs.iter().map(|input| (known(input) - first) as usize).collect());
        Ok(Self { inputs: named, outputs, given, right })
    }

    fn right(&self) -> Option<u64> {
        let right = self.right.as_ref()?;
        Some(right.iter().zip(&self.given).filter(|(right, given)| right == given).count() as u64)
    }

    fn without(&self, size: Option<u64>, why: String) -> Extraction {
        nothing(size, Some(self.outputs.table_bits()), self.right(), why)
    }

    /// Inputs to which a program gives these answers.
    fn agree(&self, program: &Program, answers: impl Iterator<Item = u32>) -> u64 {
        let pairs = (0..self.outputs.len()).map(|i| self.outputs.input(i)).zip(answers);
        pairs.filter(|(input, answer)| program.run(input).is_ok_and(|given| given == *answer)).count() as u64
    }

    fn with_waves(&self, size: Option<u64>, waves: Waves) -> Result<Extraction> {
        let program = waves.program(&self.inputs, self.outputs.answers());
        let neurons = waves.neurons.as_ref();
        let plain = self.mechanism(&program, waves.logit_fve);
        let mechanism = Mechanism {
            frequencies: waves.frequencies(),
            waves: waves.waves.clone(),
            neurons_explained: neurons.map(|neurons| neurons.above_in_use(EXPLAINED)),
            neurons_in_use: neurons.map(|neurons| neurons.in_use().len()),
            neurons_explained_of_all: neurons.map(|neurons| neurons.above(EXPLAINED)),
            ..plain
        };
        let controls = Controls {
            other_frequencies_fve: waves.other_fve.clone(),
            accuracy_without_key: waves.without,
            accuracy_without_others: waves.without_others.clone(),
        };
        let doubt = self.doubt(&mechanism, "waves that stand out in the weights");
        let told = Told {
            family: "trigonometric sums",
            largest: "a sum of cosines, which is largest where its argument is 0".into(),
            not_alone: "the mechanism's best answer does not follow from the sum of turns alone",
        };
        let evidence = evidence(&mechanism, &controls, self.outputs.len() as f64, "frequencies");
        let extraction = self.with(size, (program, mechanism), (controls, evidence), doubt, &told)?;
        Ok(Extraction { waves: Some(waves), ..extraction })
    }

    fn with_representations(&self, size: Option<u64>, found: &Representations) -> Result<Extraction> {
        let program = found.program(&self.inputs, self.outputs.answers());
        let plain = self.mechanism(&program, found.logit_fve);
        let mechanism = Mechanism {
            frequencies: found.used.iter().map(|used| used.place).collect(),
            representations: found.used.clone(),
            ..plain
        };
        let controls = Controls {
            other_frequencies_fve: found.other_fve.clone(),
            accuracy_without_key: found.without,
            accuracy_without_others: found.without_others.clone(),
        };
        let mut evidence = evidence(&mechanism, &controls, self.outputs.len() as f64, "representations");
        let table = "a table of the right answers, which any network that answers like this has in its logits";
        evidence.push(Evidence {
            claim: "variance of logits explained, beside a table".into(),
            value: found.logit_fve,
            baseline: Some(found.table_fve),
            against: Some(table.into()),
        });
        let beyond = found.beyond_table();
        let doubt = self.doubt(&mechanism, "characters of representations").or_else(|| {
            (beyond < LEAST_FVE).then(|| {
                format!(
                    "characters of representations explain {:.1} % of its logits, a table of the right answers already {:.1} %, \
                     and of the rest they explain {:.1} %: most of what it does besides giving answers is something else",
                    100.0 * found.logit_fve,
                    100.0 * found.table_fve,
                    100.0 * beyond.max(0.0)
                )
            })
        });
        let told = Told {
            family: "group representations",
            largest: format!("a sum of characters of a·b·c⁻¹ in {}, which is largest at c = a·b", found.group.name()),
            not_alone: "the sum of characters is not largest at the product alone",
        };
        self.with(size, (program, mechanism), (controls, evidence), doubt, &told)
    }

    /// What is told of every mechanism, whatever it is made of.
    fn mechanism(&self, program: &Program, logit_fve: f64) -> Mechanism {
        Mechanism {
            formula: program.to_string(),
            frequencies: Vec::new(),
            waves: Vec::new(),
            representations: Vec::new(),
            logit_fve,
            neurons_explained: None,
            neurons_in_use: None,
            neurons_explained_of_all: None,
            agree_network: self.agree(program, self.outputs.given().iter().copied()),
            margin: None,
            bits: program.cost().bits,
        }
    }

    /// Why a mechanism is not believed.
    fn doubt(&self, mechanism: &Mechanism, parts: &str) -> Option<String> {
        let (share, fve) = (mechanism.agree_network as f64 / self.outputs.len() as f64, mechanism.logit_fve);
        (share < LEAST_AGREEMENT || fve < LEAST_FVE).then(|| {
            format!(
                "the {parts} give the network's answer to {:.1} % of the inputs and explain \
                 {:.1} % of its logits: it does something else",
                100.0 * share,
                100.0 * fve
            )
        })
    }

    /// An extraction from a mechanism and what speaks for it; `doubt` says why it is not believed, if it is not.
    fn with(
        &self,
        size: Option<u64>,
        (mechanism, read): (Program, Mechanism),
        (controls, evidence): (Controls, Vec<Evidence>),
        doubt: Option<String>,
        told: &Told,
    ) -> Result<Extraction> {
        let collapsed = collapse(&mechanism);
        let mut extraction = self.without(size, String::new());
        let report = &mut extraction.report;
        report.unexplained.logits = 1.0 - read.logit_fve;
        report.evidence = evidence;
        report.controls = Some(controls);
        report.mechanism = Some(Mechanism { margin: collapsed.as_ref().map(|collapsed| collapsed.margin), ..read });
        if let Some(why) = doubt {
            report.why = why;
            return Ok(extraction);
        }
        extraction.mechanism = Some(mechanism);
        let Some(collapsed) = collapsed else {
            report.why = told.not_alone.into();
            return Ok(extraction);
        };
        // The closed form is searched among programs that are equal to the mechanism on the whole domain.
        let Some(Found { program, bits, why, .. }) = recognise(&Outputs::of(&collapsed.program)?).into_iter().next()
        else {
            report.why = "the mechanism is no formula of any family".into();
            return Ok(extraction);
        };
        let agree = self.agree(&program, self.outputs.given().iter().copied());
        let table_bits = self.outputs.table_bits();
        if bits * 2 >= table_bits {
            report.why =
                format!("its formula {program} takes {bits} bits, not less than half of the {table_bits} of its table");
            return Ok(extraction);
        }
        let first = self.outputs.answers().start;
        report.agree_network = Some(agree);
        let right = self.right.as_ref();
        report.agree_spec = right.map(|right| self.agree(&program, right.iter().map(|&answer| first + answer as u32)));
        report.bits = Some(bits);
        report.operations = Some(program.cost().operations);
        report.family = Some(told.family.into());
        // As code writes it.
        report.closed_form = Some(program.to_string().replace(" mod ", " % "));
        report.unexplained.behaviour = 1.0 - agree as f64 / self.outputs.len() as f64;
        report.why = format!("the mechanism answers with argmax of {}; {why}", told.largest);
        extraction.program = Some(program);
        Ok(extraction)
    }
}

/// Words of a kind of mechanism.
struct Told {
    /// What its programs are called.
    family: &'static str,
    /// What the best answer is the largest of, and why that is the answer.
    largest: String,
    /// Why there is no closed form, where several answers may be best.
    not_alone: &'static str,
}

/// What inputs are called: `c` is what answers are.
fn names(inputs: usize) -> Vec<String> {
    match inputs {
        0..=2 => ["a", "b"][..inputs].iter().map(|&name| name.into()).collect(),
        _ => (1..=inputs).map(|i| format!("x{i}")).collect(),
    }
}

/// `parts` are what the mechanism is made of.
fn evidence(mechanism: &Mechanism, controls: &Controls, inputs: f64, parts: &str) -> Vec<Evidence> {
    let of = |claim: &str, value: f64, baseline: Option<f64>, against: &str| {
        let against = baseline.map(|_| against.to_owned());
        Evidence { claim: claim.into(), value, baseline, against }
    };
    let largest = |values: &[f64]| values.iter().copied().reduce(f64::max);
    let smallest = |values: &[f64]| values.iter().copied().reduce(f64::min);
    let mut all = vec![
        of("inputs answered as by the network", mechanism.agree_network as f64 / inputs, None, ""),
        of(
            "variance of logits explained",
            mechanism.logit_fve,
            largest(&controls.other_frequencies_fve),
            &format!("other {parts}, the best of 10 draws"),
        ),
        of(
            &format!("accuracy without these {parts}"),
            controls.accuracy_without_key,
            smallest(&controls.accuracy_without_others),
            "without others, the worst of 10 draws",
        ),
    ];
    if let Some(share) = mechanism.neurons_explained {
        let of_all = mechanism.neurons_explained_of_all;
        all.push(of("neurons in use that one frequency explains", share, of_all, "of all neurons, idle ones too"));
    }
    all
}

/// A report that says why there is no program.
fn nothing(size: Option<u64>, table_bits: Option<u64>, network_right: Option<u64>, why: String) -> Extraction {
    let report = Report {
        domain_size: size,
        agree_network: None,
        agree_spec: None,
        network_right,
        bits: None,
        table_bits,
        operations: None,
        ns_per_call: None,
        network_ns_per_call: None,
        network_ns_per_call_batched: None,
        family: None,
        why,
        mechanism: None,
        closed_form: None,
        controls: None,
        evidence: Vec::new(),
        splice: None,
        unexplained: Unexplained { behaviour: 1.0, logits: 1.0 },
    };
    Extraction { report, mechanism: None, program: None, waves: None, splice: None, table: None, right: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families::trigonometric;

    #[test]
    fn inputs_have_names_that_a_mechanism_can_use() {
        for inputs in [1, 2, 3, 8, 40] {
            let named: Vec<Input> = names(inputs).iter().map(|name| Input::new(name, 0..2)).collect();
            let parts: Vec<trigonometric::Part> =
                (0..inputs).map(|input| trigonometric::Part { input, weight: 1, labels: None }).collect();
            let wave = trigonometric::Wave { frequency: 1, amplitude: 1.0, phase: 0.0, origin: "here".into() };
            let circle = trigonometric::Circle { steps: 2, waves: vec![wave] };
            let program = circle.mechanism(&named, &parts, None, 0..2, 10);
            assert_eq!(program.run(&vec![1; inputs]).unwrap(), inputs as u32 % 2, "{inputs}");
        }
    }
}
