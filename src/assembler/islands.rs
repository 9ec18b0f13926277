//! Islands: jumps beyond 16 bits on kernels without `gotol` (before 6.6).
//!
//! A jump that does not reach its target goes to an *island* on the way, a `goto` that goes on to
//! the target or to the next island. Islands stand where control cannot fall into them, behind a
//! `goto` or `exit`, if there is such a gap in the farther half of the reach; else a `goto` in
//! front of them skips them. Jumps to one target share islands.
//!
//! Guarantees: every hop is within reach, in patched slots; a chain only moves towards its target,
//! so a forward jump adds no loop; no island is unreachable, which old verifiers refuse. Islands
//! lie between a jump and its target and so in the same function.
//!
//! Method: passes add islands for the jumps and islands that reach nothing useful yet. What is
//! added moves the rest apart, so it is placed with a margin, and another pass looks again. At the
//! end the islands that no chain uses are taken out; that only brings the others closer together.

use super::{
    AsmError, Insn,
    asm::Item,
    insn::BranchKind,
    relax::{has_short_offset, patched_slots_short, slot},
};

/// Most passes. A pass brings each chain one island further, and a program of a million slots has
/// chains of 33 islands; the rest is for mending what new islands pushed out of reach.
const PASSES_MAX: u32 = 256;

/// Most islands: more than a program has slots (`BPF_COMPLEXITY_LIMIT_INSNS`) cannot be loaded.
const ISLANDS_MAX: usize = 1_000_000;

/// The part of the reach that is left free for what is added later.
const MARGIN_PART: i64 = 16;

/// One `goto` on the way to a target.
#[derive(Clone, Copy, Debug)]
struct Island {
    /// The item it stands before.
    gap: usize,
    /// The item it leads to.
    target: usize,
    /// The jump it was made for.
    owner: usize,
    /// The next island, if the target is not within reach.
    hop: Option<usize>,
}

/// Where islands stand and who uses which.
pub(super) struct Islands {
    all: Vec<Island>,
    /// For each gap (before each item, and at the end), its islands in order.
    gaps: Vec<Vec<usize>>,
    /// For each item, the first island of its jump.
    hops: Vec<Option<usize>>,
    /// For each gap, does control fall into it from the item before?
    falls: Vec<bool>,
}

/// Addresses in slots.
pub(super) struct Places {
    /// Where each item begins, and the end of the program.
    pub(super) items: Vec<i64>,
    /// Where each item ends, before the islands behind it.
    pub(super) ends: Vec<i64>,
    /// Where each island stands.
    pub(super) islands: Vec<i64>,
}

impl Places {
    /// Slots that the jump in item `at` must reach to get to `to`. An item that the kernel patches
    /// jumps from somewhere inside: the farther end counts.
    pub(super) fn span_of_jump(&self, at: usize, to: i64) -> i64 {
        if to > self.items[at] { to - (self.items[at] + 1) } else { to - self.ends[at] }
    }
}

/// A jump or an island that must get to a target.
#[derive(Clone, Copy)]
enum Source {
    Item(usize),
    Island(usize),
}

impl Islands {
    /// No islands, for a program of this many items.
    pub(super) fn none(items: usize) -> Self {
        Self {
            all: Vec::new(),
            gaps: vec![Vec::new(); items + 1],
            hops: vec![None; items],
            falls: vec![false; items + 1],
        }
    }

    /// The islands that `items` need if a jump reaches `reach` slots; `targets` are items.
    pub(super) fn place(reach: i64, items: &[Item], targets: &[usize]) -> Result<Self, AsmError> {
        let mut islands = Self::none(items.len());
        for (at, item) in items.iter().enumerate() {
            islands.falls[at + 1] = !ends_control(item);
        }
        let mut stuck = None;
        for _ in 0..PASSES_MAX {
            let places = islands.places(items, |at| patched_slots_short(&items[at]));
            let missing = islands.choose_hops(reach, items, targets, &places);
            if missing.is_empty() {
                islands.prune();
                return Ok(islands);
            }
            stuck = missing.first().copied();
            let wanted = islands.wanted(reach, targets, &places, &missing);
            if wanted.is_empty() || islands.all.len() + wanted.len() > ISLANDS_MAX {
                break;
            }
            for (owner, gap) in wanted {
                islands.gaps[gap].push(islands.all.len());
                islands.all.push(Island { gap, target: targets[owner], owner, hop: None });
            }
        }
        let at = stuck.map_or(0, |source| islands.owner_of(source));
        let places = islands.places(items, |at| patched_slots_short(&items[at]));
        let distance = places.span_of_jump(at, places.items[targets[at]]);
        Err(AsmError::OutOfRange { slot: slot(places.items[at])?, distance })
    }

    /// Choose the hop of each jump and island; gives those that have none within reach.
    fn choose_hops(
        &mut self,
        reach: i64,
        items: &[Item],
        targets: &[usize],
        places: &Places,
    ) -> Vec<Source> {
        let mut toward = vec![Vec::new(); items.len() + 1];
        for (number, island) in self.all.iter().enumerate() {
            toward[island.target].push(number);
        }
        let mut missing = Vec::new();
        let jumps = items.iter().enumerate().filter_map(|(at, item)| match item {
            Item::Branch(branch) if has_short_offset(branch.kind) => Some(Source::Item(at)),
            Item::Branch(_) | Item::Insn(_) => None,
        });
        for source in jumps.chain((0..self.all.len()).map(Source::Island)) {
            let view = self.view(reach, targets, places, source);
            let mut hop = None;
            if !view.reaches(places.items[view.target]) {
                hop = view.farthest(&self.all, &toward[view.target]);
                if hop.is_none() {
                    missing.push(source);
                }
            }
            match source {
                Source::Item(at) => self.hops[at] = hop,
                Source::Island(number) => self.all[number].hop = hop,
            }
        }
        missing
    }

    /// Where new islands help `missing`, with the jumps that own them.
    ///
    /// The source that is farthest from its target asks first: what it asks for is within reach of
    /// the others, which then need not ask.
    fn wanted(
        &self,
        reach: i64,
        targets: &[usize],
        places: &Places,
        missing: &[Source],
    ) -> Vec<(usize, usize)> {
        let mut views: Vec<_> =
            missing.iter().map(|&source| self.view(reach, targets, places, source)).collect();
        views.sort_by_key(|view| (view.target, -view.span(places.items[view.target]).abs()));
        let quiet: Vec<usize> = (0..self.falls.len()).filter(|&gap| !self.falls[gap]).collect();
        let mut wanted: Vec<(usize, usize)> = Vec::new();
        for view in views {
            let same_target = wanted.iter().rev().take_while(|w| targets[w.0] == view.target);
            if same_target.clone().any(|&(_, gap)| view.is_between(gap) && view.fits(gap)) {
                continue;
            }
            wanted.extend(view.new_gap(&quiet).map(|gap| (self.owner_of(view.source), gap)));
        }
        wanted
    }

    fn view<'a>(
        &self,
        reach: i64,
        targets: &[usize],
        places: &'a Places,
        source: Source,
    ) -> View<'a> {
        let target = targets[self.owner_of(source)];
        View { places, source, gap: self.gap_of(source), target, reach }
    }

    /// Take out the islands that no jump goes through.
    fn prune(&mut self) {
        let mut used = vec![false; self.all.len()];
        for first in self.hops.iter().flatten() {
            let mut next = Some(*first);
            while let Some(island) = next.filter(|&island| !used[island]) {
                used[island] = true;
                next = self.all[island].hop;
            }
        }
        for gap in &mut self.gaps {
            gap.retain(|&island| used[island]);
        }
    }

    /// The addresses of everything, if item `at` has `slots(at)`.
    pub(super) fn places(&self, items: &[Item], slots: impl Fn(usize) -> i64) -> Places {
        let mut places = Places {
            items: Vec::with_capacity(items.len() + 1),
            ends: Vec::with_capacity(items.len()),
            islands: vec![0; self.all.len()],
        };
        let mut next = 0;
        for gap in 0..=items.len() {
            if self.needs_skip(gap) && !self.gaps[gap].is_empty() {
                next += 1;
            }
            for &island in &self.gaps[gap] {
                places.islands[island] = next;
                next += 1;
            }
            places.items.push(next);
            if gap < items.len() {
                next += slots(gap);
                places.ends.push(next);
            }
        }
        places
    }

    /// The islands before item `at`, in order.
    pub(super) fn before(&self, at: usize) -> &[usize] {
        &self.gaps[at]
    }

    /// Would control fall into islands before item `at`?
    pub(super) fn needs_skip(&self, at: usize) -> bool {
        self.falls[at]
    }

    /// The jump for which an island was made.
    pub(super) fn owner(&self, island: usize) -> usize {
        self.all[island].owner
    }

    /// The island to which the jump in item `at` goes.
    pub(super) fn hop_of_item(&self, at: usize) -> Option<usize> {
        self.hops[at]
    }

    /// The island to which this one goes.
    pub(super) fn hop_of_island(&self, island: usize) -> Option<usize> {
        self.all[island].hop
    }

    fn owner_of(&self, source: Source) -> usize {
        match source {
            Source::Item(at) => at,
            Source::Island(number) => self.all[number].owner,
        }
    }

    /// The gap of an island, or the item of a jump: what lies behind it is in greater gaps.
    fn gap_of(&self, source: Source) -> usize {
        match source {
            Source::Item(at) => at,
            Source::Island(number) => self.all[number].gap,
        }
    }
}

/// The way from a source to its target.
struct View<'a> {
    places: &'a Places,
    source: Source,
    gap: usize,
    target: usize,
    reach: i64,
}

impl View<'_> {
    fn span(&self, to: i64) -> i64 {
        match self.source {
            Source::Item(at) => self.places.span_of_jump(at, to),
            Source::Island(number) => to - (self.places.islands[number] + 1),
        }
    }

    fn reaches(&self, to: i64) -> bool {
        within(self.reach, self.span(to))
    }

    /// Is the target behind the source? An island before item `target` is still in front of it.
    fn forward(&self) -> bool {
        match self.source {
            Source::Item(at) => self.target > at,
            Source::Island(_) => self.target >= self.gap,
        }
    }

    /// Is the gap between the source and the target? Islands before an item lie before its jump.
    fn is_between(&self, gap: usize) -> bool {
        if self.forward() {
            gap > self.gap && gap <= self.target
        } else {
            gap > self.target && gap <= self.last_gap_before()
        }
    }

    fn last_gap_before(&self) -> usize {
        match self.source {
            Source::Item(_) => self.gap,
            Source::Island(_) => self.gap.saturating_sub(1),
        }
    }

    /// The island within reach that is nearest to the target, and nearer than the source.
    fn farthest(&self, all: &[Island], toward: &[usize]) -> Option<usize> {
        toward
            .iter()
            .copied()
            .filter(|&i| self.is_between(all[i].gap) && self.reaches(self.places.islands[i]))
            .max_by_key(|&i| self.span(self.places.islands[i]).abs())
    }

    /// How far away a new island may be.
    fn far(&self) -> i64 {
        self.reach - self.reach / MARGIN_PART
    }

    fn span_to_gap(&self, gap: usize) -> i64 {
        self.span(self.places.items[gap]).abs() + 1
    }

    fn fits(&self, gap: usize) -> bool {
        self.span_to_gap(gap) <= self.far()
    }

    /// The gap for a new island: as far as the margin allows, and behind the end of a control flow
    /// if there is one (in `quiet`, ascending) in the farther half.
    fn new_gap(&self, quiet: &[usize]) -> Option<usize> {
        let is_far = |gap: &usize| self.span_to_gap(*gap) > self.far() / 2;
        // Spans grow with the distance: bisect.
        let fits = |&to: &i64| self.span(to).abs() < self.far();
        if self.forward() {
            let first = self.gap + 1;
            let count = self.places.items.get(first..=self.target)?.partition_point(fits);
            let end = first + count;
            let best = quiet[..quiet.partition_point(|&gap| gap < end)].last();
            let best = best.copied().filter(|gap| *gap >= first && is_far(gap));
            best.or((count > 0).then(|| end - 1))
        } else {
            let (first, last) = (self.target + 1, self.last_gap_before());
            let begin =
                first + self.places.items.get(first..=last)?.partition_point(|to| !fits(to));
            let best = quiet.get(quiet.partition_point(|&gap| gap < begin));
            let best = best.copied().filter(|gap| *gap <= last && is_far(gap));
            best.or((begin <= last).then_some(begin))
        }
    }
}

/// Is a distance, counted from the slot behind the jump, within reach? Backwards it is one more.
pub(super) fn within(reach: i64, distance: i64) -> bool {
    (-reach - 1..=reach).contains(&distance)
}

/// Does control never go on behind this?
fn ends_control(item: &Item) -> bool {
    match item {
        Item::Insn(insn) => {
            matches!(insn, Insn::Exit | Insn::Goto { .. } | Insn::GotoLong { .. })
        }
        Item::Branch(branch) => branch.kind == BranchKind::Always,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::assembler::{
        Alu, Branch, Jmp,
        Reg::R1,
        Size, Target,
        image::slots_of,
        label::Label,
        relax::{Laid, lay_out_within},
        target::KernelVersion,
    };

    fn lay_out(reach: i64, items: &[Item], bound: &[Option<usize>]) -> Result<Laid, AsmError> {
        lay_out_within(reach, items, bound, &Target::of_version(KernelVersion::OLDEST))
    }

    /// Where control gets to from item `at`: the first item that is no `goto`, or nothing if it
    /// goes in circles.
    fn follow_items(items: &[Item], bound: &[Option<usize>], mut at: usize) -> Option<usize> {
        for _ in 0..=items.len() {
            match items.get(at) {
                Some(Item::Branch(b)) if b.kind == BranchKind::Always => {
                    at = bound[usize::try_from(b.target.0).expect("small")].expect("bound");
                }
                _ => return Some(at),
            }
        }
        None
    }

    /// What was laid out, seen as a machine sees it.
    struct Code {
        insns: Vec<Insn>,
        slots: Vec<u32>,
        item_of_start: Vec<Option<usize>>,
        visited: HashSet<usize>,
    }

    impl Code {
        fn new(laid: Laid, items: usize) -> Self {
            let (slots, _) = slots_of(&laid.insns);
            let mut item_of_start = vec![None; slots.len()];
            for item in 0..items {
                let index = slots.binary_search(&laid.slot_of_item[item]).expect("a start");
                item_of_start[index] = Some(item);
            }
            Self { insns: laid.insns, slots, item_of_start, visited: HashSet::new() }
        }

        /// The index of the instruction `off` slots behind the one with this index.
        fn target(&self, index: usize, off: i16) -> usize {
            let to = i64::from(self.slots[index]) + 1 + i64::from(off);
            let to = u32::try_from(to).expect("inside");
            self.slots.binary_search(&to).expect("a start")
        }

        /// Where control gets to from the instruction with this index.
        fn follow(&mut self, mut index: usize) -> Option<usize> {
            for _ in 0..=self.insns.len() {
                self.visited.insert(index);
                let Insn::Goto { off } = self.insns[index] else {
                    return self.item_of_start[index];
                };
                index = self.target(index, off);
            }
            None
        }
    }

    /// Every way through the laid out code is a way through the items, every hop is within reach,
    /// and nothing was added that no way leads through.
    fn check(reach: i64, items: &[Item], bound: &[Option<usize>], laid: Laid) {
        let mut code = Code::new(laid, items.len());
        assert_eq!(code.follow(0), follow_items(items, bound, 0));
        for index in 0..code.insns.len() {
            let insn = code.insns[index];
            if let Insn::Goto { off } | Insn::Jump { off, .. } = insn {
                assert!(within(reach, off.into()), "{insn} at {index}");
            }
            let Some(item) = code.item_of_start[index] else {
                assert!(matches!(insn, Insn::Goto { .. }), "only gotos are added: {insn}");
                continue;
            };
            if !ends_control(&items[item]) {
                let next = code.follow(index + 1);
                assert_eq!(next, follow_items(items, bound, item + 1), "behind item {item}");
            }
            if let (Item::Branch(branch), Insn::Jump { off, .. } | Insn::Goto { off }) =
                (items[item], insn)
            {
                let to = bound[usize::try_from(branch.target.0).expect("small")].expect("bound");
                let landed = code.follow(code.target(index, off));
                assert_eq!(landed, follow_items(items, bound, to), "from item {item}");
            }
        }
        for index in 0..code.insns.len() {
            let added = code.item_of_start[index].is_none();
            assert!(!added || code.visited.contains(&index), "nothing leads to {index}");
        }
    }

    fn item() -> impl Strategy<Value = Item> {
        prop_oneof![
            8 => Just(Item::Insn(Alu::Mov.imm(R1, 0))),
            2 => Just(Item::Insn(Insn::load_imm64(R1, 0))),
            2 => Just(Item::Insn(Size::B.load(R1, R1, 0))),
            1 => Just(Item::Insn(Insn::Exit)),
            4 => (0..4_u32).prop_map(|l| Item::Branch(Jmp::Eq.imm(R1, 0, Label(l)))),
            1 => (0..4_u32).prop_map(|l| Item::Branch(Branch::goto(Label(l)))),
        ]
    }

    proptest! {
        /// Goal: no jump ever lands elsewhere. Method: with a reach of a few dozen slots even
        /// small programs need chains in both directions, and all of them can be walked.
        #[test]
        fn jumps_over_islands_land_where_they_should(
            mut items in prop::collection::vec(item(), 1..400),
            places in prop::collection::vec(any::<prop::sample::Index>(), 4),
            reach in 40..120_i64,
        ) {
            items.push(Item::Insn(Insn::Exit));
            let bound: Vec<_> = places.iter().map(|p| Some(p.index(items.len()))).collect();
            let laid = lay_out(reach, &items, &bound).expect("islands help");
            check(reach, &items, &bound, laid);
        }
    }

    #[test]
    fn a_program_of_many_reaches_is_crossed_in_both_directions() {
        let mut items = vec![Item::Insn(Alu::Mov.imm(R1, 0))];
        for part in 0..200_000 {
            items.push(match part % 40 {
                0 => Item::Branch(Jmp::Eq.imm(R1, part, Label(0))),
                20 => Item::Branch(Jmp::Eq.imm(R1, part, Label(1))),
                _ => Item::Insn(Alu::Add.imm(R1, 1)),
            });
        }
        items.push(Item::Insn(Insn::Exit));
        let bound = [Some(1), Some(items.len() - 1)];
        let laid = lay_out(32_767, &items, &bound).expect("islands help");
        let added = laid.insns.len() - items.len();
        assert!(added <= 2 * 2 * 7, "{added} slots for two targets, 6 islands away at most");
        check(32_767, &items, &bound, laid);
    }

    #[test]
    fn an_island_stands_behind_an_exit_rather_than_in_the_way() {
        let mut items = vec![Item::Branch(Jmp::Eq.imm(R1, 0, Label(0)))];
        items.extend([Item::Insn(Alu::Mov.imm(R1, 0)); 70]);
        items.push(Item::Insn(Insn::Exit));
        items.extend([Item::Branch(Jmp::Eq.imm(R1, 0, Label(0))); 40]);
        items.push(Item::Insn(Insn::Exit));
        let bound = [Some(items.len() - 1)];
        let laid = lay_out(100, &items, &bound).expect("an island helps");
        assert_eq!(laid.insns.len(), items.len() + 1);
        assert_eq!(laid.insns[71], Insn::Exit);
        assert_eq!(laid.insns[72], Insn::goto(40));
        check(100, &items, &bound, laid);
    }

    #[test]
    fn thousands_of_far_targets_have_their_own_chains() {
        let count = 3000_u32;
        let mut items: Vec<_> =
            (0..count).map(|l| Item::Branch(Jmp::Eq.imm(R1, 0, Label(l)))).collect();
        items.extend(vec![Item::Insn(Alu::Mov.imm(R1, 0)); 100_000]);
        let first = items.len();
        items.extend(vec![Item::Insn(Insn::Exit); usize::try_from(count).expect("small")]);
        let bound: Vec<_> = (first..items.len()).map(Some).collect();
        let laid = lay_out(32_767, &items, &bound).expect("islands help");
        check(32_767, &items, &bound, laid);
    }

    /// More far targets than slots within reach: no place is left for islands.
    #[test]
    fn what_no_island_can_help_is_an_error_with_the_distance() {
        let count = 60_u32;
        let mut items: Vec<_> =
            (0..count).map(|l| Item::Branch(Jmp::Eq.imm(R1, 0, Label(l)))).collect();
        items.extend([Item::Insn(Alu::Mov.imm(R1, 0)); 100]);
        let first = items.len();
        items.extend(vec![Item::Insn(Insn::Exit); usize::try_from(count).expect("small")]);
        let bound: Vec<_> = (first..items.len()).map(Some).collect();
        let error = lay_out(40, &items, &bound).map(|_| ()).expect_err("too many");
        assert!(matches!(error, AsmError::OutOfRange { .. }), "{error}");
    }
}
