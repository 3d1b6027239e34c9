//! Finite groups: composing two elements, by characters as networks do (Chughtai et al. 2023, "A toy model of
//! universality"), and by arithmetic on permutations.

use std::ops::Range;

use methods::finite::Group;
use serde::{Deserialize, Serialize};

use super::{Family, Found};
use crate::Outputs;
use crate::program::{Expr, Input, Program, Table};

/// Most elements of a group that is looked for.
const LARGEST: usize = 200;

/// A function on a group that is alike on conjugate elements, such as an irreducible character's real part, and how much
/// of it the network adds up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Character {
    /// By element.
    pub values: Vec<f64>,
    /// How much.
    pub amplitude: f64,
    /// Where in the network it was read.
    pub origin: String,
}

/// The mechanism as a program: argmax over the elements c of Σ α χ(a·b·c⁻¹). The two inputs are numbers of elements,
/// counted from their first tokens; answers count from the first answer. Amplitudes and values are rounded to so many
/// bits of their mantissas.
pub fn mechanism(
    group: &Group,
    inputs: &[Input],
    pair: [usize; 2],
    characters: &[Character],
    answers: Range<u32>,
    bits: u32,
) -> Program {
    let mut program = Program::of("characters of a group", inputs, 0_i64.into(), answers.clone());
    let n = group.order() as i64;
    let products = program.table(product_table(group));
    let inverses = (0..group.order()).map(|x| group.inverse(x) as i64).collect();
    let inverse = program.table(Table::whole("inverse", inverses, None));
    let values: Vec<f64> = characters.iter().flat_map(|character| character.values.iter().copied()).collect();
    let value = program.table(Table::real("character", &values, bits, Some("a row for each character")));
    let amplitudes: Vec<f64> = characters.iter().map(|character| character.amplitude).collect();
    let origins = characters.iter().map(|character| character.origin.clone()).collect();
    let amplitude = program.table(Table { origins, ..Table::real("amplitude", &amplitudes, bits, None) });
    let [a, b] = pair.map(|i| element(inputs, i));
    let product = program.step("product", Expr::at(products, a * n + b), None);
    let (c, r) = (Expr::bound("c"), Expr::bound("r"));
    let apart = Expr::at(products, product * n + Expr::at(inverse, c));
    let score = Expr::at(amplitude, r.clone()) * Expr::at(value, r * n + apart);
    let best = Expr::argmax("c", group.order() as u32, Expr::sum("r", characters.len() as u32, score));
    program.answer = if answers.start == 0 { best } else { best + answers.start };
    program
}

fn product_table(group: &Group) -> Table {
    let values = group.table().iter().map(|&x| x as i64).collect();
    Table::whole("product_of", values, Some(&format!("products in {}", group.name())))
}

/// Programs for the product of two inputs: the table of products, addition of exponents if the group is cyclic, and
/// composition of permutations: the element whose permutation agrees with the composed one at most points. The
/// permutations are those given, or some of few points.
pub fn programs(
    group: &Group,
    inputs: &[Input],
    pair: [usize; 2],
    answers: Range<u32>,
    permutations: Option<&[Vec<u8>]>,
) -> Vec<Program> {
    let [a, b] = pair.map(|i| element(inputs, i));
    let n = group.order() as i64;
    let program = |answer: Expr, tables: Vec<Table>| {
        let answer = if answers.start == 0 { answer } else { answer + answers.start };
        let mut program = Program::of(&format!("product in {}", group.name()), inputs, answer, answers.clone());
        program.tables = tables;
        program
    };
    let mut programs = vec![program(Expr::at(0, a.clone() * n + b.clone()), vec![product_table(group)])];
    if let Some(generator) = group.generator() {
        let powers = group.powers(generator);
        let mut log = vec![0; group.order()];
        powers.iter().enumerate().for_each(|(e, &x)| log[x] = e as i64);
        let origin = format!("exponents of element {generator}");
        let tables = vec![
            Table::whole("log", log, Some(&origin)),
            Table::whole("exp", powers.iter().map(|&x| x as i64).collect(), Some("its powers")),
        ];
        let sum = Expr::at(0, a.clone()) + Expr::at(0, b.clone());
        programs.push(program(Expr::at(1, sum % n), tables));
    }
    let own = if permutations.is_none() { group.permutations() } else { None };
    if let Some(permutations) = permutations.or(own.as_deref()) {
        let points = permutations.first().map_or(0, Vec::len) as i64;
        let values = permutations.iter().flatten().map(|&x| x.into()).collect();
        let table = Table::whole("permutation", values, Some(&format!("each element's, of {points} points")));
        let (c, i) = (Expr::bound("c"), Expr::bound("i"));
        let image = |element: Expr, point: Expr| Expr::at(0, element * points + point);
        let same = image(c, i.clone()).equals(image(a, image(b, i)));
        let agreement = Expr::sum("i", points as u32, Expr::choose(same, 1_i64.into(), 0_i64.into()));
        programs.push(program(Expr::argmax("c", group.order() as u32, agreement), vec![table]));
    }
    programs
}

/// The number of the element that an input is.
fn element(inputs: &[Input], i: usize) -> Expr {
    match inputs[i].first {
        0 => Expr::Input(i),
        first => Expr::Input(i) - first,
    }
}

/// Products in a group, by whichever program is shortest. It needs the whole table, of two inputs that vary.
#[derive(Clone, Copy, Debug, Default)]
pub struct Groups;

impl Family for Groups {
    fn name(&self) -> &'static str {
        "group"
    }

    fn find(&self, outputs: &Outputs) -> Option<Found> {
        let [a, b] = *outputs.varying().as_slice() else { return None };
        let (inputs, answers) = (outputs.inputs(), outputs.answers());
        let n = inputs[a].count as usize;
        if !outputs.is_complete() || inputs[b].count as usize != n || n > LARGEST {
            return None;
        }
        let products: Vec<usize> = outputs.given().iter().map(|answer| (answer - answers.start) as usize).collect();
        let group = Group::of_table(&products).ok()?;
        let programs = programs(&group, inputs, [a, b], answers, None);
        let shortest = programs.iter().min_by_key(|program| program.cost().bits)?;
        Found::new(self, shortest, &format!("the answers are the products in {}", group.name()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::collapse;

    fn symmetric(k: u8) -> Vec<Vec<u8>> {
        let mut all = vec![vec![]];
        for _ in 0..k {
            let longer =
                |p: &Vec<u8>| (0..k).filter(|i| !p.contains(i)).map(|i| [p.as_slice(), &[i]].concat()).collect();
            all = all.iter().flat_map(|p| -> Vec<Vec<u8>> { longer(p) }).collect();
        }
        all
    }

    /// A group of the lab's by its name.
    fn named(name: &str) -> Group {
        let product = name.parse::<lab::finite::Group>().unwrap().product;
        Group::of_table(&product.iter().map(|&x| x as usize).collect::<Vec<_>>()).unwrap()
    }

    /// Elements numbered anew.
    fn renumbered(group: &Group, order: &[usize]) -> Group {
        let n = group.order();
        let place = |x: usize| order.iter().position(|&y| y == x).unwrap();
        let table: Vec<usize> = (0..n * n).map(|i| place(group.product(order[i / n], order[i % n]))).collect();
        Group::of_table(&table).unwrap()
    }

    fn outputs(group: &Group) -> Outputs {
        let n = group.order() as u32;
        let inputs = vec![Input::new("a", 3..3 + n), Input::new("b", 0..n), Input::new("equals", n..n + 1)];
        let given = group.table().iter().map(|&x| x as u32 + 1).collect();
        Outputs::complete(inputs, 1..n + 1, given).unwrap()
    }

    #[test]
    fn permutations_are_shorter_than_a_large_table() {
        let group = named("s5");
        let outputs = outputs(&group);
        let found = Groups.find(&outputs).unwrap();
        assert!(found.why.contains("symmetric group on 5") && found.bits < outputs.table_bits() / 20, "{}", found.bits);
        assert!(outputs.agree(&found.program), "{}", found.program);
    }

    #[test]
    fn characters_collapse_to_the_product() {
        let elements = symmetric(4);
        let group = Group::of_permutations(&elements).unwrap();
        let fixed = |p: &Vec<u8>| p.iter().enumerate().filter(|&(i, &x)| i == usize::from(x)).count() as f64;
        let standard: Vec<f64> = elements.iter().map(|p| fixed(p) - 1.0).collect();
        let sign = |p: &Vec<u8>| (0..4).map(|i| p[..i].iter().filter(|&&x| x > p[i]).count()).sum::<usize>() % 2;
        let turned: Vec<f64> =
            elements.iter().map(|p| (fixed(p) - 1.0) * if sign(p) == 0 { 1.0 } else { -1.0 }).collect();
        let signs = elements.iter().map(|p| if sign(p) == 0 { 1.0 } else { -1.0 }).collect();
        let character = |values, amplitude| Character { values, amplitude, origin: "blocks.0.mlp".into() };
        let inputs = [Input::new("a", 0..24), Input::new("b", 0..24)];
        let faithful = [character(standard, 3.0), character(turned, 2.0)];
        let sum = mechanism(&group, &inputs, [0, 1], &faithful, 0..24, 6);
        let collapsed = collapse(&sum).unwrap();
        assert_eq!(
            collapsed.program.to_string(),
            "product_of[b + a·24]".replace("b + a·24", &shown_index(&collapsed.program))
        );
        assert!(Outputs::of(&sum).unwrap().agree(&collapsed.program));
        // The sign alone tells even from odd, and no more.
        let blind = mechanism(&group, &inputs, [0, 1], &[character(signs, 1.0)], 0..24, 6);
        assert_eq!(collapse(&blind), None);
    }

    /// The index in the only table, however its sum is ordered.
    fn shown_index(program: &Program) -> String {
        let text = program.to_string();
        text[text.find('[').unwrap() + 1..text.len() - 1].to_owned()
    }

    #[test]
    fn the_order_of_elements_may_be_given() {
        let elements: Vec<Vec<u8>> = symmetric(4).into_iter().rev().collect();
        let group = Group::of_permutations(&elements).unwrap();
        let inputs = [Input::new("a", 0..24), Input::new("b", 0..24)];
        for program in programs(&group, &inputs, [0, 1], 0..24, Some(&elements)) {
            let answers = Outputs::of(&program).unwrap();
            assert!((0..576).all(|i| answers.answer(i) as usize == group.table()[i]), "{program}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn planted_groups_are_found(which in 0..4_usize, n in 3..8_usize, seed: u64) {
            let group = match which {
                0 => named(&format!("c{}", 3 * n)),
                1 => named(&format!("d{n}")),
                2 => named("s4"),
                _ => named("s3"),
            };
            let mut order: Vec<usize> = (0..group.order()).collect();
            lab::Random::new(seed, 0).shuffle(&mut order);
            let group = renumbered(&group, &order);
            let outputs = outputs(&group);
            let found = Groups.find(&outputs).unwrap();
            prop_assert!(outputs.agree(&found.program), "{}", found.program);
        }

        #[test]
        fn random_tables_are_not(given in prop::collection::vec(0..6_u32, 36)) {
            let outputs = Outputs::complete(vec![Input::new("a", 0..6), Input::new("b", 0..6)], 0..6, given).unwrap();
            prop_assert!(Groups.find(&outputs).is_none());
        }
    }
}
