import HandModel

/// Records that are not committed yet, oldest first: the batch being gathered, and during a storage failure
/// the newest that fit; and before them the last ones that were, as long as there is room. Each is kept up to
/// the last joint of its hand. All memory is taken at `init`. One thread only.
final class TickBacklog {
  let capacity: Int
  private(set) var count = 0
  /// Records that were removed and are still here.
  private(set) var pastCount = 0
  private var first = 0
  private let recordBytes: Int
  private let storage: UnsafeMutableRawPointer

  /// - Parameter joints: of the hand.
  init(capacity: Int, joints: Int) {
    self.capacity = capacity
    recordBytes = TickRecord.byteCount(joints: joints)
    storage = .allocate(byteCount: capacity * recordBytes, alignment: MemoryLayout<TickRecord>.alignment)
  }

  deinit { storage.deallocate() }

  var isEmpty: Bool { count == 0 }

  /// Adds a record. When full, the oldest gives way; returns its sequence.
  func append(_ record: borrowing TickRecord) -> UInt64? {
    var displaced: UInt64?
    if count == capacity {
      displaced = sequence(at: 0)
      removeFirst(1)
      pastCount = 0
    }
    if pastCount + count == capacity { pastCount -= 1 }
    withUnsafePointer(to: record) { storage(slot(count)).copyMemory(from: $0, byteCount: recordBytes) }
    count += 1
    return displaced
  }

  /// The record `index` places after the oldest, as far as it is kept; valid until the backlog changes.
  func record(at index: Int) -> UnsafeRawPointer {
    precondition(index >= 0 && index < count)
    return UnsafeRawPointer(storage(slot(index)))
  }

  /// A record that was removed, 1 for the last of them; valid as long as `record(at:)`.
  func past(_ age: Int) -> UnsafeRawPointer {
    precondition(age >= 1 && age <= pastCount)
    return UnsafeRawPointer(storage((first - age + capacity) % capacity))
  }

  func sequence(at index: Int) -> UInt64 { value(\.sequence, at: index) }
  func fault(at index: Int) -> FaultCode { value(\.fault, at: index) }

  private func value<Value: BitwiseCopyable>(_ path: KeyPath<TickRecord, Value>, at index: Int) -> Value {
    Self.value(path, record(at: index))
  }

  /// A value of a record.
  static func value<Value: BitwiseCopyable>(
    _ path: KeyPath<TickRecord, Value>, _ record: UnsafeRawPointer
  ) -> Value {
    guard let offset = MemoryLayout<TickRecord>.offset(of: path) else {
      preconditionFailure("stored properties have an offset")
    }
    return record.load(fromByteOffset: offset, as: Value.self)
  }

  func removeFirst(_ removed: Int) {
    precondition(removed >= 0 && removed <= count)
    first = slot(removed)
    count -= removed
    pastCount = min(pastCount + removed, capacity - count)
  }

  private func slot(_ index: Int) -> Int {
    let position = first + index
    return position < capacity ? position : position - capacity
  }

  private func storage(_ slot: Int) -> UnsafeMutableRawPointer { storage + slot * recordBytes }
}
