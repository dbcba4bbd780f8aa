import CRealtime
import Glibc

/// Why the process's memory could not be locked.
package enum MemoryLockError: Error, Equatable, Sendable {
  /// RLIMIT_MEMLOCK is finite. A finite limit is refused even where it is large enough now: with MCL_FUTURE
  /// each later mapping beyond it would fail, at an unforeseen moment.
  case limited(bytes: UInt64)
  /// `mlockall` failed for another reason.
  case system(Errno)
}

extension MemoryLockError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .limited(let bytes): "no more than \(bytes) bytes may be locked (RLIMIT_MEMLOCK), expected unlimited"
    case .system(let cause): "mlockall: \(cause)"
    }
  }
}

/// All memory of the process, present and future, stays resident once touched. Unlocked on deinit.
///
/// MCL_ONFAULT locks a page when it is first touched instead of reading all mappings in at once: mapped but
/// unused library pages cost nothing. What the loop needs is touched before it starts: its stack by
/// `RealtimeThread`, the heap by `keepHeap`, the rest by some ticks with the outputs off.
package struct MemoryLock: ~Copyable {
  /// Locks the memory. Throws `limited` where RLIMIT_MEMLOCK is finite and cannot be raised.
  package init() throws(MemoryLockError) {
    // Raising the hard limit needs CAP_SYS_RESOURCE; when it fails, the privileges at hand must do.
    _ = crealtime_set_limit(Int32(crealtime_limit_memory), .max, .max)
    var soft: UInt64 = 0
    var hard: UInt64 = 0
    let failure = crealtime_get_limit(Int32(crealtime_limit_memory), &soft, &hard)
    guard failure == 0 else { throw .system(Errno(rawValue: failure)) }
    guard soft == .max || Capabilities.ofThisThread().contains(.lockMemory) else {
      throw .limited(bytes: soft)
    }
    guard crealtime_lock_all_on_fault() == 0 else { throw .system(.latest) }
  }

  deinit { munlockall() }

  /// Takes `bytes` of heap, touches each page, and gives them back to an allocator told to keep them.
  ///
  /// By default free memory at the top of the heap returns to the kernel, and large blocks get mappings of
  /// their own. Each later allocation would then fault its pages in again. Call this before other threads
  /// start: glibc applies both settings to the whole process.
  package static func keepHeap(bytes: Int) {
    // Fails only for unknown parameters, and both exist in every glibc.
    _ = crealtime_keep_heap()
    guard bytes > 0, let block = malloc(bytes) else { return }
    touch(block, bytes: bytes)
    free(block)
  }

  /// Writes to each page of a range, so that it is resident (and locked) before the loop needs it.
  static func touch(_ start: UnsafeMutableRawPointer, bytes: Int) {
    let page = sysconf(Int32(_SC_PAGESIZE))
    for offset in stride(from: 0, to: bytes, by: page) {
      // Through a volatile store in C: the compiler may drop a store to memory freed right after.
      crealtime_touch(start + offset)
    }
  }
}
