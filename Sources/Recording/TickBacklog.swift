import HandModel

/// Records that are not committed yet, oldest first: the batch being gathered, and during a storage failure
/// the newest that fit. All memory is taken at `init`. One thread only.
final class TickBacklog {
  let capacity: Int
  private(set) var count = 0
  private var first = 0
  private let storage: UnsafeMutablePointer<TickRecord>

  init(capacity: Int) {
    self.capacity = capacity
    storage = .allocate(capacity: capacity)
    storage.initialize(repeating: TickRecord(), count: capacity)
  }

  deinit { storage.deallocate() }

  var isEmpty: Bool { count == 0 }

  /// Adds a record. When full, the oldest gives way; returns its sequence.
  func append(_ record: borrowing TickRecord) -> UInt64? {
    var displaced: UInt64?
    if count == capacity {
      displaced = storage[first].sequence
      removeFirst(1)
    }
    storage[slot(count)] = copy record
    count += 1
    return displaced
  }

  /// The record `index` places after the oldest; valid until the backlog changes.
  func pointer(at index: Int) -> UnsafePointer<TickRecord> {
    precondition(index >= 0 && index < count)
    return UnsafePointer(storage + slot(index))
  }

  func removeFirst(_ removed: Int) {
    precondition(removed >= 0 && removed <= count)
    first = slot(removed)
    count -= removed
  }

  private func slot(_ index: Int) -> Int {
    let position = first + index
    return position < capacity ? position : position - capacity
  }
}
