import HandModel

// Views of memory that was taken before the first tick and whose owner frees it. They give pointers and not
// values, so that no tick copies a joint. They are two types and not a generic one, because a tick must not
// call what is generic: that may look metadata up, under a lock.

/// The states of a hand's joints.
struct JointStates: BitwiseCopyable {
  private let first: UnsafeMutablePointer<JointState>
  private let count: Int

  init(_ first: UnsafeMutablePointer<JointState>, count: Int) {
    self.first = first
    self.count = count
  }

  @_noLocks
  subscript(joint: Int) -> UnsafeMutablePointer<JointState> {
    assert(joint >= 0 && joint < count, "a hand has no such joint")
    return first + joint
  }
}

/// The joints' parts of a tick's record.
struct JointRecords: BitwiseCopyable {
  private let first: UnsafeMutablePointer<JointRecord>
  private let count: Int

  @_noLocks
  init(_ first: UnsafeMutablePointer<JointRecord>, count: Int) {
    self.first = first
    self.count = count
  }

  @_noLocks
  subscript(joint: Int) -> UnsafeMutablePointer<JointRecord> {
    assert(joint >= 0 && joint < count, "a hand has no such joint")
    return first + joint
  }
}
