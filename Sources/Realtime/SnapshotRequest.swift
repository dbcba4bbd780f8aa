import Synchronization

/// A block of memory that one thread fills when another asks for it. Neither ever waits.
///
/// The asker calls `request`, reads `filled` once it is there, and calls `release`. The filler looks at
/// `isRequested`, writes `memory` in as many steps as it likes, and calls `finish`.
package final class SnapshotRequest: @unchecked Sendable {
  // Safety of @unchecked: `memory` and `tag` belong to the filler while the state is `requested`, to the
  // asker while it is `ready`, and to nobody otherwise.

  private static let idle: UInt8 = 0
  private static let requested: UInt8 = 1
  private static let ready: UInt8 = 2

  /// The block, 64-byte aligned. Belongs to one side at a time, as above.
  package let memory: UnsafeMutableRawPointer
  /// Length of the block.
  package let byteCount: Int
  private var tag: UInt64 = 0
  private let state = Atomic<UInt8>(0)

  /// All memory is taken and touched here. It is aligned for any plain value.
  package init(byteCount: Int) {
    self.byteCount = byteCount
    memory = .allocate(byteCount: byteCount, alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
  }

  deinit { memory.deallocate() }

  /// Asker: wants the block filled. False while an earlier request is not settled.
  package func request() -> Bool {
    state.compareExchange(
      expected: Self.idle, desired: Self.requested, successOrdering: .acquiringAndReleasing,
      failureOrdering: .acquiring
    ).exchanged
  }

  /// Asker: the filled block and its tag, or nil; it stays until `release`.
  package var filled: (bytes: UnsafeRawBufferPointer, tag: UInt64)? {
    guard state.load(ordering: .acquiring) == Self.ready else { return nil }
    return (UnsafeRawBufferPointer(start: memory, count: byteCount), tag)
  }

  /// Asker: has done with the filled block.
  package func release() { state.store(Self.idle, ordering: .releasing) }

  /// Filler: whether the block is wanted.
  package var isRequested: Bool {
    @_noLocks get { state.load(ordering: .acquiring) == 1 }
  }

  /// Filler: hands the filled block over.
  @_noLocks
  package func finish(tag: UInt64) {
    self.tag = tag
    state.store(2, ordering: .releasing)
  }
}
