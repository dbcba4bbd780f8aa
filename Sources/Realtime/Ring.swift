import Synchronization

/// A wait-free ring of records for one producer and one consumer thread.
///
/// `push` never blocks: a full ring drops the record and counts it. All memory is taken and touched at
/// `init`. Indices count for ever (64 bits), so full and empty are told apart without a spare slot.
///
/// A slot holds the first `recordBytes` bytes of an element: a record whose last part is not used in full
/// goes through without it. The consumer gets each record in an element of its own, whose other bytes are
/// those of `filling`.
@usableFromInline package final class Ring<Element: BitwiseCopyable & Sendable>: @unchecked Sendable {
  // Safety of @unchecked: a slot is written only by the producer, before `head` is released, and read only
  // by the consumer, after `head` is acquired and before `tail` is released. `taken` is the consumer's.
  @usableFromInline let storage: UnsafeMutableRawPointer
  /// What a slot holds of an element.
  @usableFromInline package let recordBytes: Int
  @usableFromInline let slotBytes: Int
  @usableFromInline let mask: UInt64
  @usableFromInline let head = Atomic<UInt64>(0)
  @usableFromInline let tail = Atomic<UInt64>(0)
  @usableFromInline let dropCount = Atomic<UInt64>(0)
  private let taken: UnsafeMutablePointer<Element>

  /// - Parameters:
  ///   - capacity: a power of two.
  ///   - recordBytes: what a slot holds of an element; nil = all of it.
  package init(capacity: Int, filling: Element, recordBytes: Int? = nil) {
    precondition(capacity > 0 && capacity & (capacity - 1) == 0, "ring capacity must be a power of two")
    self.recordBytes = recordBytes ?? MemoryLayout<Element>.size
    precondition(
      (1...MemoryLayout<Element>.size).contains(self.recordBytes), "a slot holds part of an element")
    let alignment = MemoryLayout<Element>.alignment
    slotBytes = (self.recordBytes + alignment - 1) / alignment * alignment
    storage = .allocate(byteCount: capacity * slotBytes, alignment: alignment)
    // Touched here, so that no push has to wait for a page.
    storage.initializeMemory(as: UInt8.self, repeating: 0, count: capacity * slotBytes)
    taken = .allocate(capacity: 1)
    taken.initialize(to: filling)
    mask = UInt64(capacity - 1)
  }

  deinit {
    storage.deallocate()
    taken.deallocate()
  }

  /// Records that fit; a power of two.
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
    var element = element
    return push(&element)
  }

  /// Producer only. As `push` of a value, without passing it by value.
  @inlinable @discardableResult
  package func push(_ element: UnsafePointer<Element>) -> Bool {
    let position = head.load(ordering: .relaxed)
    if position &- tail.load(ordering: .acquiring) > mask {
      dropCount.wrappingAdd(1, ordering: .relaxed)
      return false
    }
    let slot = storage + Int(truncatingIfNeeded: position & mask) &* slotBytes
    slot.copyMemory(from: element, byteCount: recordBytes)
    head.store(position &+ 1, ordering: .releasing)
    return true
  }

  /// Consumer only. Hands up to `limit` waiting records, oldest first, to `body`; returns how many.
  package func drain(limit: Int = .max, _ body: (borrowing Element) throws -> Void) rethrows -> Int {
    var position = tail.load(ordering: .relaxed)
    let available = head.load(ordering: .acquiring) - position
    let count = Int(min(available, UInt64(limit)))
    for _ in 0..<count {
      let slot = storage + Int(truncatingIfNeeded: position & mask) * slotBytes
      UnsafeMutableRawPointer(taken).copyMemory(from: slot, byteCount: recordBytes)
      try body(taken.pointee)
      position &+= 1
      tail.store(position, ordering: .releasing)
    }
    return count
  }
}
