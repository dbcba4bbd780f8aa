import Synchronization

/// A wait-free ring of fixed records for one producer and one consumer thread.
///
/// `push` never blocks: a full ring drops the record and counts it. All memory is taken and touched at
/// `init`. Indices count for ever (64 bits), so full and empty are told apart without a spare slot.
@usableFromInline package final class Ring<Element: BitwiseCopyable & Sendable>: @unchecked Sendable {
  // Safety of @unchecked: a slot is written only by the producer, before `head` is released, and read only
  // by the consumer, after `head` is acquired and before `tail` is released.
  @usableFromInline let storage: UnsafeMutablePointer<Element>
  @usableFromInline let mask: UInt64
  @usableFromInline let head = Atomic<UInt64>(0)
  @usableFromInline let tail = Atomic<UInt64>(0)
  @usableFromInline let dropCount = Atomic<UInt64>(0)

  /// - Parameter capacity: a power of two.
  package init(capacity: Int, filling: Element) {
    precondition(capacity > 0 && capacity & (capacity - 1) == 0, "ring capacity must be a power of two")
    storage = .allocate(capacity: capacity)
    storage.initialize(repeating: filling, count: capacity)
    mask = UInt64(capacity - 1)
  }

  deinit { storage.deallocate() }

  package var capacity: Int { Int(mask) + 1 }
  /// Records waiting.
  package var count: Int {
    let produced = head.load(ordering: .acquiring)
    let consumed = tail.load(ordering: .acquiring)
    // The consumer may have advanced between the two loads.
    return produced > consumed ? Int(produced - consumed) : 0
  }
  /// Records dropped because the ring was full.
  package var dropped: UInt64 { dropCount.load(ordering: .relaxed) }

  /// Producer only. Returns false, and counts, when the ring is full.
  @inlinable @discardableResult
  package func push(_ element: Element) -> Bool {
    let position = head.load(ordering: .relaxed)
    if position &- tail.load(ordering: .acquiring) > mask {
      dropCount.wrappingAdd(1, ordering: .relaxed)
      return false
    }
    storage[Int(truncatingIfNeeded: position & mask)] = element
    head.store(position &+ 1, ordering: .releasing)
    return true
  }

  /// Consumer only. Hands up to `limit` waiting records, oldest first, to `body`; returns how many.
  package func drain(limit: Int = .max, _ body: (borrowing Element) throws -> Void) rethrows -> Int {
    var position = tail.load(ordering: .relaxed)
    let available = head.load(ordering: .acquiring) - position
    let taken = Int(min(available, UInt64(limit)))
    for _ in 0..<taken {
      try body(storage[Int(truncatingIfNeeded: position & mask)])
      position &+= 1
      tail.store(position, ordering: .releasing)
    }
    return taken
  }
}
