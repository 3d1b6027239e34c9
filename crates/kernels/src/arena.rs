//! Memory of large buffers: huge pages, used again.
//!
//! A forward pass that keeps every activation writes hundreds of megabytes of memory, and the first touch of a small
//! page costs the operating system more than computing what is written to it. So blocks are cut from regions of huge
//! pages where those are quick to get ([`huge_pages`]), and blocks that are let go wait for the next buffer of their size. A request that finds none first gives
//! back as much memory of regions nobody uses as it takes, so that the process holds little more than it once needed.

mod huge_pages;

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use huge_pages::HUGE_PAGE;

/// Bytes that every block starts at a multiple of: a cache line, and the widest vector.
pub(crate) const ALIGN: usize = 64;
/// Blocks of fewer bytes come from the allocator and return to it.
const CUT: usize = 64 << 10;
/// Blocks of at least this many bytes have a region of their own.
const OWN_REGION: usize = 4 << 20;
/// Bytes of a region that is cut into blocks.
const REGION: usize = 32 << 20;
/// Waiting blocks never take more bytes than this.
const MOST_WAITING: usize = 1 << 30;

/// Memory for floats, all of them initialised: zero at first, later whatever was written last.
pub(crate) struct Block {
    start: NonNull<f32>,
    capacity: usize,
    /// The region it was cut from; `None` for small blocks.
    region: Option<usize>,
}

// SAFETY: a block owns its memory alone, and floats may move between threads.
unsafe impl Send for Block {}
// SAFETY: shared access only reads.
unsafe impl Sync for Block {}

impl Block {
    /// No memory.
    pub(crate) const EMPTY: Self = Self { start: NonNull::dangling(), capacity: 0, region: None };

    /// Room for `len` floats, rounded up so that blocks of nearly the same size can stand for each other.
    pub(crate) fn take(len: usize) -> Self {
        let capacity = round_up(len);
        match capacity * size_of::<f32>() {
            0 => Self::EMPTY,
            bytes if bytes < CUT => Self { start: allocate(small_layout(capacity)).cast(), capacity, region: None },
            _ => with_arena(|arena| arena.take(capacity)),
        }
    }

    pub(crate) fn give(self) {
        if self.region.is_some() {
            with_arena(|arena| arena.give(self));
        } else if self.capacity > 0 {
            // SAFETY: `take` got it with this layout.
            unsafe { dealloc(self.start.as_ptr().cast(), small_layout(self.capacity)) };
        }
    }

    /// Address of the first float; dangling but aligned if there is none.
    pub(crate) fn start(&self) -> *mut f32 {
        self.start.as_ptr()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    fn bytes(&self) -> usize {
        self.capacity * size_of::<f32>()
    }
}

/// The next of the sizes 4, 5, 6, 7, 8, 10, 12, 14, 16, 20 ... times 16 floats.
fn round_up(len: usize) -> usize {
    len.next_multiple_of((len.next_power_of_two() / 8).max(ALIGN / size_of::<f32>()))
}

fn small_layout(capacity: usize) -> Layout {
    Layout::from_size_align(capacity * size_of::<f32>(), ALIGN).expect("a small block's size is in range")
}

fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: layouts of this module are never empty.
    NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Memory that blocks are cut from, one after another.
struct Region {
    given: NonNull<u8>,
    layout: Layout,
    /// The first huge page in it.
    start: NonNull<u8>,
    bytes: usize,
    /// Bytes already cut into blocks.
    cut: usize,
    blocks: usize,
    /// Of the blocks those that wait.
    idle: usize,
}

// SAFETY: a region owns its memory; blocks cut from it do not overlap.
unsafe impl Send for Region {}

impl Region {
    fn new(bytes: usize) -> Self {
        // Allocators hand out fresh pages without writing to them, as they are zero already, but only where no great
        // alignment is asked for.
        let layout =
            Layout::from_size_align(bytes + HUGE_PAGE, 16).expect("buffers are smaller than the address space");
        let given = allocate(layout);
        // SAFETY: the allocation has a huge page more than `bytes`.
        let start = unsafe { given.add(given.align_offset(HUGE_PAGE)) };
        huge_pages::ask_for(start, bytes);
        Self { given, layout, start, bytes, cut: 0, blocks: 0, idle: 0 }
    }

    /// The next block, if there is room for it.
    fn cut(&mut self, id: usize, capacity: usize) -> Option<Block> {
        let bytes = capacity * size_of::<f32>();
        (bytes <= self.bytes - self.cut).then(|| {
            // SAFETY: the block ends inside the region. Capacities are whole cache lines, so it is aligned.
            let start = unsafe { self.start.add(self.cut) }.cast();
            self.cut += bytes;
            self.blocks += 1;
            Block { start, capacity, region: Some(id) }
        })
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: `new` got it with this layout, and its blocks were forgotten before.
        unsafe { dealloc(self.given.as_ptr(), self.layout) };
    }
}

fn with_arena<R>(f: impl FnOnce(&mut Arena) -> R) -> R {
    static ARENA: Mutex<Arena> = Mutex::new(Arena::new());
    f(&mut ARENA.lock().unwrap_or_else(PoisonError::into_inner))
}

struct Arena {
    /// By number, counted up.
    regions: BTreeMap<usize, Region>,
    regions_ever: usize,
    /// The region that blocks are being cut from.
    open: Option<usize>,
    /// By capacity.
    waiting: BTreeMap<usize, Vec<Block>>,
    waiting_bytes: usize,
}

impl Arena {
    const fn new() -> Self {
        Self { regions: BTreeMap::new(), regions_ever: 0, open: None, waiting: BTreeMap::new(), waiting_bytes: 0 }
    }

    fn take(&mut self, capacity: usize) -> Block {
        if let Some(block) = self.waiting.get_mut(&capacity).and_then(Vec::pop) {
            self.waiting_bytes -= block.bytes();
            self.region_of(&block).idle -= 1;
            return block;
        }
        let bytes = capacity * size_of::<f32>();
        self.release(bytes);
        let open = self.open.and_then(|id| self.regions.get_mut(&id)?.cut(id, capacity));
        open.unwrap_or_else(|| {
            let id = self.regions_ever;
            self.regions_ever += 1;
            let mut region = Region::new(if bytes < OWN_REGION { REGION } else { bytes });
            let block = region.cut(id, capacity).expect("a new region has room for the block it was made for");
            self.regions.insert(id, region);
            if bytes < OWN_REGION {
                self.open = Some(id);
            }
            block
        })
    }

    fn give(&mut self, block: Block) {
        self.region_of(&block).idle += 1;
        self.waiting_bytes += block.bytes();
        self.waiting.entry(block.capacity).or_default().push(block);
        if self.waiting_bytes > MOST_WAITING {
            self.release(self.waiting_bytes - MOST_WAITING);
        }
    }

    fn region_of(&mut self, block: &Block) -> &mut Region {
        block.region.and_then(|id| self.regions.get_mut(&id)).expect("a region lives as long as its blocks")
    }

    /// Frees regions of which no block is in use, until `bytes` of blocks are gone or no such region is left.
    fn release(&mut self, bytes: usize) {
        let goal = self.waiting_bytes.saturating_sub(bytes);
        while self.waiting_bytes > goal {
            let Some(id) = self.regions.iter().find(|(_, region)| region.idle == region.blocks).map(|(&id, _)| id)
            else {
                return;
            };
            for blocks in self.waiting.values_mut() {
                blocks.retain(|block| {
                    let stays = block.region != Some(id);
                    self.waiting_bytes -= if stays { 0 } else { block.bytes() };
                    stays
                });
            }
            self.waiting.retain(|_, blocks| !blocks.is_empty());
            self.open = self.open.filter(|&open| open != id);
            self.regions.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_waste_at_most_a_quarter() {
        for len in (1..5000).chain([1 << 20, (1 << 20) + 1, 123_456_789]) {
            let rounded = round_up(len);
            assert!(rounded >= len && rounded <= len + (len / 4).max(15), "{len}: {rounded}");
            assert_eq!(round_up(rounded), rounded);
        }
        assert_eq!(round_up(0), 0);
    }

    #[test]
    fn blocks_do_not_overlap_and_are_used_again() {
        let mut arena = Arena::new();
        let sizes = [16 << 10, 20 << 10, 1 << 18, 7 << 17, 1 << 20, 5 << 20];
        let mut blocks: Vec<Block> = sizes.iter().cycle().take(60).map(|&size| arena.take(size)).collect();
        let mut spans: Vec<_> = blocks.iter().map(|b| (b.start() as usize, b.start() as usize + b.bytes())).collect();
        spans.sort_unstable();
        assert!(spans.windows(2).all(|w| w[0].1 <= w[1].0) && spans.iter().all(|s| s.0 % ALIGN == 0));
        let regions = arena.regions_ever;
        for _ in 0..3 {
            blocks.drain(..).for_each(|block| arena.give(block));
            blocks.extend(sizes.iter().cycle().take(60).map(|&size| arena.take(size)));
        }
        assert_eq!((arena.regions_ever, arena.waiting_bytes), (regions, 0));
        blocks.drain(..).for_each(|block| arena.give(block));
    }

    #[test]
    fn a_request_that_finds_nothing_frees_regions_nobody_uses() {
        let mut arena = Arena::new();
        let blocks: Vec<Block> = (0..8).map(|_| arena.take(2 << 20)).collect();
        let used = arena.take(1 << 20);
        for block in blocks {
            arena.give(block);
        }
        assert_eq!((arena.regions.len(), arena.waiting_bytes), (9, 64 << 20));
        let large = arena.take(5 << 20);
        assert_eq!((arena.regions.len(), arena.waiting_bytes), (7, 40 << 20));
        arena.release(usize::MAX);
        assert_eq!((arena.regions.len(), arena.waiting_bytes), (2, 0));
        arena.give(used);
        arena.give(large);
    }
}
