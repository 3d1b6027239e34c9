//! Decision trees: comparisons of inputs with numbers and with each other lead to a number, an input, or one of them by
//! rank.

use super::{Family, Found};
use crate::Outputs;
use crate::program::Expr;

/// Leaves that a tree may have at most.
const LEAVES: usize = 64;

/// Rows that a tree is grown on at most; it is held against all of them in the end.
const ROWS: usize = 1 << 14;

/// Values tried by the search for the best tree of two levels at most: questions squared, times rows.
const EFFORT: usize = 1 << 26;

/// Trees over xᵢ < t, xᵢ < xⱼ and xᵢ = xⱼ.
///
/// Where one question leads to leaves, or two levels of them, the best such tree is found by trying all. Else the question
/// is asked after which the answers are most certain (Quinlan 1986), and so on for both of its answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tree;

/// A question.
#[derive(Clone, Copy, Debug)]
enum Question {
    Below(usize, u32),
    Less(usize, usize),
    Equal(usize, usize),
}

/// What a leaf answers.
#[derive(Clone, Copy, Debug)]
enum Leaf {
    Constant(u32),
    Input(usize),
    /// The input of that rank, smallest first.
    Rank(usize),
}

#[derive(Clone, Debug)]
enum Node {
    Leaf(Leaf),
    Ask(Question, Box<Node>, Box<Node>),
}

impl Family for Tree {
    fn name(&self) -> &'static str {
        "tree"
    }

    fn find(&self, outputs: &Outputs) -> Option<Found> {
        let varying = outputs.varying();
        let step = outputs.len().div_ceil(ROWS);
        // A step that shares no divisor with the table's own would be better still; an odd one does for pairs.
        let rows: Vec<usize> = (0..outputs.len()).step_by(step | 1).collect();
        let grower = Grower { outputs, questions: questions(outputs, &varying), varying };
        let mut left = LEAVES;
        let node = grower.grow(&rows, &mut left)?;
        let program = outputs.program("decision tree", grower.expression(&node));
        Found::new(self, &program, &format!("{} leaves, right on every row", LEAVES - left))
    }
}

fn questions(outputs: &Outputs, varying: &[usize]) -> Vec<Question> {
    let mut questions = Vec::new();
    for (k, &i) in varying.iter().enumerate() {
        for &j in &varying[k + 1..] {
            questions.extend([Question::Less(i, j), Question::Less(j, i), Question::Equal(i, j)]);
        }
    }
    for &i in varying {
        let tokens = outputs.inputs()[i].tokens();
        // Of very many tokens only those that occur can matter; a table that large is not a tree of few leaves.
        questions.extend(tokens.skip(1).take(1 << 10).map(|t| Question::Below(i, t)));
    }
    questions
}

impl Question {
    fn ask(self, input: &[u32]) -> bool {
        match self {
            Self::Below(i, t) => input[i] < t,
            Self::Less(i, j) => input[i] < input[j],
            Self::Equal(i, j) => input[i] == input[j],
        }
    }

    fn expression(self) -> Expr {
        match self {
            Self::Below(i, t) => Expr::Input(i).less(t),
            Self::Less(i, j) => Expr::Input(i).less(Expr::Input(j)),
            Self::Equal(i, j) => Expr::Input(i).equals(Expr::Input(j)),
        }
    }
}

struct Grower<'a> {
    outputs: &'a Outputs,
    questions: Vec<Question>,
    varying: Vec<usize>,
}

impl Grower<'_> {
    fn grow(&self, rows: &[usize], left: &mut usize) -> Option<Node> {
        *left = left.checked_sub(1)?;
        if let Some(leaf) = self.leaf(rows) {
            return Some(Node::Leaf(leaf));
        }
        if let Some(node) = self.one_level(rows) {
            *left = left.checked_sub(1)?;
            return Some(node);
        }
        if self.questions.len().pow(2).saturating_mul(rows.len()) <= EFFORT
            && let Some(node) = self.two_levels(rows)
        {
            *left = left.checked_sub(3)?;
            return Some(node);
        }
        let question = self.best(rows)?;
        let (yes, no) = self.split(rows, question);
        // The place that this node took is one of its leaves'.
        *left += 1;
        let yes = self.grow(&yes, left)?;
        let no = self.grow(&no, left)?;
        Some(Node::Ask(question, Box::new(yes), Box::new(no)))
    }

    /// A leaf that is right on all these rows. On none, any is.
    fn leaf(&self, rows: &[usize]) -> Option<Leaf> {
        let Some(&first) = rows.first() else { return Some(Leaf::Constant(self.outputs.answers().start)) };
        let constant = [Leaf::Constant(self.outputs.answer(first))];
        let inputs = self.varying.iter().map(|&i| Leaf::Input(i));
        let ranks = (0..self.varying.len()).map(Leaf::Rank);
        constant
            .into_iter()
            .chain(inputs)
            .chain(ranks)
            .find(|&leaf| rows.iter().all(|&row| self.value(leaf, self.outputs.input(row)) == self.outputs.answer(row)))
    }

    fn value(&self, leaf: Leaf, input: &[u32]) -> u32 {
        match leaf {
            Leaf::Constant(answer) => answer,
            Leaf::Input(i) => input[i],
            Leaf::Rank(0) => self.varying.iter().map(|&i| input[i]).min().unwrap_or(0),
            Leaf::Rank(rank) if rank + 1 == self.varying.len() => {
                self.varying.iter().map(|&i| input[i]).max().unwrap_or(0)
            }
            Leaf::Rank(rank) => {
                let mut tokens: Vec<u32> = self.varying.iter().map(|&i| input[i]).collect();
                tokens.sort_unstable();
                tokens[rank]
            }
        }
    }

    fn split(&self, rows: &[usize], question: Question) -> (Vec<usize>, Vec<usize>) {
        rows.iter().partition(|&&row| question.ask(self.outputs.input(row)))
    }

    fn one_level(&self, rows: &[usize]) -> Option<Node> {
        self.questions.iter().find_map(|&question| {
            let (yes, no) = self.split(rows, question);
            if yes.is_empty() || no.is_empty() {
                return None;
            }
            let (yes, no) = (self.leaf(&yes)?, self.leaf(&no)?);
            Some(Node::Ask(question, Box::new(Node::Leaf(yes)), Box::new(Node::Leaf(no))))
        })
    }

    fn two_levels(&self, rows: &[usize]) -> Option<Node> {
        let short = |rows: &[usize]| self.leaf(rows).map(Node::Leaf).or_else(|| self.one_level(rows));
        self.questions.iter().find_map(|&question| {
            let (yes, no) = self.split(rows, question);
            if yes.is_empty() || no.is_empty() {
                return None;
            }
            let (fewer, more) = if yes.len() < no.len() { (&yes, &no) } else { (&no, &yes) };
            short(fewer)?;
            short(more)?;
            Some(Node::Ask(question, Box::new(short(&yes)?), Box::new(short(&no)?)))
        })
    }

    /// The question that leaves least entropy of the answers: Σ n log n over both sides.
    fn best(&self, rows: &[usize]) -> Option<Question> {
        let start = self.outputs.answers().start;
        let count = (self.outputs.answers().end - start) as usize;
        let mut counts = vec![[0_u32; 2]; count];
        let mut best: Option<(f64, Question)> = None;
        for &question in &self.questions {
            counts.fill([0; 2]);
            let mut sides = [0_u32; 2];
            for &row in rows {
                let side = usize::from(question.ask(self.outputs.input(row)));
                counts[(self.outputs.answer(row) - start) as usize][side] += 1;
                sides[side] += 1;
            }
            if sides.contains(&0) {
                continue;
            }
            let weigh = |n: u32| if n == 0 { 0.0 } else { f64::from(n) * f64::from(n).ln() };
            let own: f64 = counts.iter().flatten().map(|&n| weigh(n)).sum();
            let entropy = sides.iter().map(|&n| weigh(n)).sum::<f64>() - own;
            if best.is_none_or(|(least, _)| entropy < least - 1e-9) {
                best = Some((entropy, question));
            }
        }
        best.map(|(_, question)| question)
    }

    fn expression(&self, node: &Node) -> Expr {
        let inputs = || self.varying.iter().map(|&i| Expr::Input(i));
        let nothing = || 0_i64.into();
        match node {
            Node::Ask(question, yes, no) => {
                Expr::choose(question.expression(), self.expression(yes), self.expression(no))
            }
            Node::Leaf(Leaf::Constant(answer)) => (*answer).into(),
            Node::Leaf(Leaf::Input(i)) => Expr::Input(*i),
            Node::Leaf(Leaf::Rank(0)) => inputs().reduce(Expr::min).unwrap_or_else(nothing),
            Node::Leaf(Leaf::Rank(rank)) if rank + 1 == self.varying.len() => {
                inputs().reduce(Expr::max).unwrap_or_else(nothing)
            }
            Node::Leaf(Leaf::Rank(rank)) => Expr::Ranked { rank: *rank, of: inputs().collect() },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::program::{Input, Program};

    fn found(n: usize, tokens: u32, f: &dyn Fn(&[u32]) -> u32) -> Option<String> {
        let inputs: Vec<Input> = (0..n).map(|i| Input::new(&format!("x{i}"), 0..tokens)).collect();
        let domain = crate::outputs::domain(&inputs, &(0..tokens.max(10))).unwrap();
        let given = (0..domain.len().unwrap()).map(|i| f(&domain.input(i))).collect();
        let outputs = Outputs::complete(inputs, domain.answers, given).unwrap();
        let found = Tree.find(&outputs)?;
        assert!(outputs.agree(&found.program), "{}", found.program);
        Some(found.program.to_string())
    }

    #[test]
    fn orders_come_out_as_what_they_are() {
        assert_eq!(found(3, 9, &|x| *x.iter().max().unwrap()).unwrap().matches("max").count(), 2);
        assert_eq!(found(2, 40, &|x| x[0].min(x[1])).unwrap(), "min(x0, x1)");
        let median = |x: &[u32]| {
            let mut x = x.to_vec();
            x.sort_unstable();
            x[1]
        };
        assert_eq!(found(3, 9, &median).unwrap(), "median(x0, x1, x2)");
        let branch = found(2, 20, &|x| if x[0] < 7 { x[1] } else { x[0].max(x[1]) }).unwrap();
        assert_eq!(branch, "x1 if x0 < 7 else max(x0, x1)");
        assert!(found(2, 8, &|x| u32::from(x[0] == x[1]) + 2 * u32::from(x[1] > 3)).unwrap().contains("x0 = x1"));
    }

    fn planted(depth: u32) -> BoxedStrategy<Node> {
        let leaf = prop_oneof![(0..8_u32).prop_map(Leaf::Constant), (0..3_usize).prop_map(Leaf::Input)];
        let leaf = leaf.prop_map(Node::Leaf).boxed();
        if depth == 0 {
            return leaf;
        }
        let question = prop_oneof![
            (0..3_usize, 1..8_u32).prop_map(|(i, t)| Question::Below(i, t)),
            (0..3_usize, 1..3_usize).prop_map(|(i, by)| Question::Less(i, (i + by) % 3)),
        ];
        let ask = (question, planted(depth - 1), planted(depth - 1));
        prop_oneof![ask.prop_map(|(q, y, n)| Node::Ask(q, Box::new(y), Box::new(n))), leaf].boxed()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn planted_trees_are_found(node in planted(2)) {
            let inputs: Vec<Input> = (0..3).map(|i| Input::new(&format!("x{i}"), 0..8)).collect();
            let grower = Grower {
                outputs: &Outputs::samples(inputs.clone(), 0..8, &[(vec![0; 3], 0)]).unwrap(),
                questions: vec![],
                varying: vec![0, 1, 2],
            };
            let outputs = Outputs::of(&Program::of("p", &inputs, grower.expression(&node), 0..8)).unwrap();
            let found = Tree.find(&outputs).unwrap();
            prop_assert!(outputs.agree(&found.program), "{}", found.program);
        }

        #[test]
        fn random_tables_have_no_small_tree(given in prop::collection::vec(0..10_u32, 144)) {
            let inputs = vec![Input::new("a", 0..12), Input::new("b", 0..12)];
            prop_assert!(Tree.find(&Outputs::complete(inputs, 0..10, given).unwrap()).is_none());
        }
    }
}
