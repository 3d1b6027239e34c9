//! How much memory there is to use.

use std::fs;

const GIB: u64 = 1 << 30;

/// Bytes that this process can still take: what the system calls available, within the limit of its control group.
/// Unknown where the system does not tell.
pub(crate) fn available() -> Option<u64> {
    let system = fs::read_to_string("/proc/meminfo").ok().and_then(|text| meminfo(&text));
    let group = group_left(fs::read_to_string).or(system);
    system.map(|system| system.min(group.unwrap_or(system)))
}

fn meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// What a container may still take (control groups, version 2 and 1).
fn group_left(read: impl Fn(&'static str) -> std::io::Result<String>) -> Option<u64> {
    let number = |path| read(path).ok()?.trim().parse::<u64>().ok();
    let left = |most, used, reclaimable: Option<u64>| {
        let (most, used): (u64, u64) = (number(most)?, number(used)?);
        Some(most.saturating_sub(used.saturating_sub(reclaimable.unwrap_or(0))))
    };
    // Cached files count as used, and go when memory is needed.
    let cached = |path, name| {
        let text = read(path).ok()?;
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    };
    let two = left(
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory.current",
        cached("/sys/fs/cgroup/memory.stat", "file "),
    );
    two.or_else(|| {
        left(
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes",
            cached("/sys/fs/cgroup/memory/memory.stat", "total_cache "),
        )
    })
}

/// Bytes that weights may take as f32 before they are kept in their own encoding.
pub(crate) fn weights_budget(limit: Option<u64>) -> u64 {
    (6 * GIB).min(limit.or_else(available).unwrap_or(u64::MAX) / 3)
}

/// Bytes that a run may take.
pub(crate) fn run_limit(limit: Option<u64>) -> Option<u64> {
    limit.or_else(|| available().map(|bytes| bytes / 10 * 9))
}

/// Gibibytes on the command line.
pub(crate) fn parse_gib(text: &str) -> Result<u64, String> {
    match text.parse::<f64>() {
        Ok(gib) if gib > 0.0 && gib < 1e6 => Ok((gib * GIB as f64) as u64),
        _ => Err("a number of GiB above zero is wanted, such as 8 or 0.5".into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    #[test]
    fn what_linux_says_is_understood() {
        assert_eq!(meminfo("MemTotal: 10 kB\nMemAvailable:    2048 kB\n"), Some(2 << 20));
        assert_eq!(meminfo("MemTotal: 10 kB\n"), None);
        let group = |files: &'static [(&str, &str)]| {
            group_left(move |path| {
                let found = files.iter().find(|(name, _)| path.ends_with(name));
                found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
            })
        };
        let limited = [("memory.max", "1000\n"), ("memory.current", "700\n"), ("memory.stat", "anon 1\nfile 200\n")];
        assert_eq!(group(Box::leak(Box::new(limited))), Some(500));
        assert_eq!(group(&[("memory.max", "max\n"), ("memory.current", "700\n")]), None);
        assert_eq!(group(&[]), None);
    }

    #[test]
    fn gibibytes() {
        assert_eq!(parse_gib("0.5").unwrap(), GIB / 2);
        for wrong in ["", "0", "-1", "nan", "1e9", "x"] {
            assert!(parse_gib(wrong).is_err(), "{wrong}");
        }
    }
}
