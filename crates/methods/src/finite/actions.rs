//! What finite groups are known as, told by how they move points.

use super::groups::Group;

impl Group {
    /// What the group is known as.
    ///
    /// Cyclic: one element generates it. Symmetric and alternating: it acts on k points so that no two elements act
    /// alike, and has k! or k!/2 elements, hence all permutations or all even ones, as these are the only subgroup of that
    /// size. Dihedral: an element r generates half of it, and every other element s is its own inverse; then s·r·s = r⁻¹
    /// follows. Others are told by their order alone.
    pub fn name(&self) -> String {
        let n = self.order();
        if self.is_cyclic() {
            return format!("the cyclic group of order {n}");
        }
        let degree = self.permutations().map_or(0, |permutations| permutations[0].len());
        let factorial: usize = (1..=degree).product();
        if n == factorial {
            return format!("the symmetric group on {degree} points");
        }
        if n * 2 == factorial {
            return format!("the alternating group on {degree} points");
        }
        let turns = |r: usize| {
            let powers = self.powers(r);
            let flips = |s: usize| powers.contains(&s) || self.product(s, s) == self.identity();
            powers.len() * 2 == n && (0..n).all(flips)
        };
        if n > 4 && !self.is_commutative() && (0..n).any(turns) {
            return format!("the dihedral group of order {n}");
        }
        if self.is_commutative() {
            format!("a commutative group of order {n}")
        } else {
            format!("a group of order {n}")
        }
    }

    /// The elements as permutations of as few points as an action on cosets of a subgroup of at most two generators
    /// gives, no two alike. Every transitive action is one on cosets: g takes x·H to g·x·H.
    pub fn permutations(&self) -> Option<Vec<Vec<u8>>> {
        let mut best: Option<Vec<Vec<u8>>> = None;
        for a in 0..self.order() {
            for b in a..self.order() {
                let subgroup = self.generated(a, b);
                let points = self.order() / subgroup.len();
                if points > 255 || best.as_ref().is_some_and(|best| best[0].len() <= points) {
                    continue;
                }
                let action = self.action(&subgroup);
                let mut distinct = action.clone();
                distinct.sort_unstable();
                distinct.dedup();
                if distinct.len() == self.order() {
                    best = Some(action);
                }
            }
        }
        best
    }

    fn generated(&self, a: usize, b: usize) -> Vec<usize> {
        let mut within = vec![false; self.order()];
        within[self.identity()] = true;
        let mut found = vec![self.identity()];
        let mut next = 0;
        while next < found.len() {
            for x in [a, b].map(|by| self.product(found[next], by)) {
                if !within[x] {
                    within[x] = true;
                    found.push(x);
                }
            }
            next += 1;
        }
        found
    }

    fn action(&self, subgroup: &[usize]) -> Vec<Vec<u8>> {
        let mut coset = vec![usize::MAX; self.order()];
        let mut representatives = Vec::new();
        for x in 0..self.order() {
            if coset[x] == usize::MAX {
                for &h in subgroup {
                    coset[self.product(x, h)] = representatives.len();
                }
                representatives.push(x);
            }
        }
        let moved = |g: usize| representatives.iter().map(|&x| coset[self.product(g, x)] as u8).collect();
        (0..self.order()).map(moved).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finite::planted::{cyclic, dihedral, quaternion, symmetric};

    fn group(table: &[usize]) -> Group {
        Group::of_table(table).unwrap()
    }

    #[test]
    fn groups_are_known_by_name() {
        let name = |table: &[usize]| group(table).name();
        assert_eq!(name(&cyclic(12)), "the cyclic group of order 12");
        assert_eq!(name(&symmetric(3)), "the symmetric group on 3 points");
        assert_eq!(name(&symmetric(5)), "the symmetric group on 5 points");
        let all = group(&symmetric(4)).permutations().unwrap();
        let even =
            |p: &Vec<u8>| (0..p.len()).map(|i| p[..i].iter().filter(|&&x| x > p[i]).count()).sum::<usize>() % 2 == 0;
        let alternating: Vec<Vec<u8>> = all.into_iter().filter(even).collect();
        assert_eq!(Group::of_permutations(&alternating).unwrap().name(), "the alternating group on 4 points");
        assert_eq!(name(&dihedral(7)), "the dihedral group of order 14");
        let four: Vec<usize> = (0..16).map(|i| (i / 4) ^ (i % 4)).collect();
        assert_eq!(name(&four), "a commutative group of order 4");
        assert_eq!(name(&quaternion()), "a group of order 8");
    }

    #[test]
    fn permutations_multiply_as_the_elements_do() {
        for (table, points) in
            [(symmetric(4), 4), (dihedral(5), 5), (cyclic(6), 6), (quaternion(), 8), (symmetric(5), 5)]
        {
            let permutations = group(&table).permutations().unwrap();
            assert_eq!(permutations[0].len(), points);
            assert_eq!(Group::of_permutations(&permutations), Some(group(&table)));
        }
        assert_eq!(Group::of_permutations(&[vec![0, 1, 2], vec![1, 2, 0]]), None);
        assert_eq!(Group::of_permutations(&[vec![0, 7]]), None);
    }
}
