import Synchronization

// Of `TripleBuffer.shared`: the bits that name a slot, and the bit that says it was not read yet. Globals,
// because a generic type's own constants would need its metadata at run time.
@usableFromInline let latestValueSlotMask = 3
@usableFromInline let latestValueUnread = 4

/// The newest value from one writer thread to one reader thread: a triple buffer.
///
/// Both sides finish in a fixed number of steps and neither waits for the other, so a high-priority reader
/// that preempts the writer on the same CPU gets the previous complete value at once (a sequence lock would
/// spin there for ever). Values the reader did not take in time are replaced, not queued.
///
/// The compiler checks `@_noLocks` in the callers, where `Element` is known; a generic function cannot carry
/// the annotation itself.
@usableFromInline package final class TripleBuffer<Element: BitwiseCopyable & Sendable>: @unchecked Sendable {
  // Safety of @unchecked: of the three slots the writer owns one, the reader one, and `shared` names the
  // third. A side gives its slot away and gets the third by one atomic exchange, whose release and acquire
  // make the slot's contents visible with it.
  @usableFromInline let slots: UnsafeMutablePointer<Element>
  /// Index of the slot nobody owns, with `unread` set when it holds a value the reader has not seen.
  @usableFromInline let shared = Atomic<Int>(1)
  /// Owned by the writer.
  @usableFromInline var writerSlot = 0
  /// Owned by the reader.
  @usableFromInline var readerSlot = 2

  /// - Parameter initial: what the reader gets, as not new, until the first write.
  package init(_ initial: Element) {
    slots = .allocate(capacity: 3)
    slots.initialize(repeating: initial, count: 3)
  }

  deinit { slots.deallocate() }

  /// Writer only. Replaces the value.
  @inlinable
  package func write(_ element: Element) {
    slots[writerSlot] = element
    publish()
  }

  /// Writer only. Replaces the value, built in place to save a copy.
  ///
  /// `body` gets an older value, not necessarily the last one, and must set every field.
  @inlinable
  package func writeInPlace(_ body: (inout Element) -> Void) {
    body(&slots[writerSlot])
    publish()
  }

  /// Reader only. Lends the newest value to `body` without copying it, and whether it came since the last
  /// read.
  @inlinable
  package func withNewest(_ body: (borrowing Element, _ isNew: Bool) -> Void) {
    let isNew = acquireNewest()
    body(slots[readerSlot], isNew)
  }

  /// Reader only. The newest value, and whether it came since the last read.
  @inlinable
  package func read() -> (value: Element, isNew: Bool) {
    let isNew = acquireNewest()
    return (slots[readerSlot], isNew)
  }

  /// Reader only. Copies the newest value if it came since the last read; otherwise leaves `element` alone
  /// and returns false.
  @inlinable
  package func take(into element: inout Element) -> Bool {
    guard acquireNewest() else { return false }
    element = slots[readerSlot]
    return true
  }

  @inlinable
  func publish() {
    let free = shared.exchange(writerSlot | latestValueUnread, ordering: .acquiringAndReleasing)
    writerSlot = free & latestValueSlotMask
  }

  @inlinable
  func acquireNewest() -> Bool {
    // The load spares the reader the exchange (a bus transaction) when there is nothing new.
    guard shared.load(ordering: .relaxed) & latestValueUnread != 0 else { return false }
    let newest = shared.exchange(readerSlot, ordering: .acquiringAndReleasing)
    readerSlot = newest & latestValueSlotMask
    return true
  }
}
