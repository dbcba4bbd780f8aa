import HandModel

/// How two recordings differ, tick by tick.
package struct RecordingDifference: Sendable, Equatable, CustomStringConvertible {
  /// The first value that differs, in the order of ticks, columns, joints.
  package struct First: Sendable, Equatable {
    package var sequence: UInt64
    package var column: String
    /// Nil when the column belongs to the tick.
    package var joint: String?
    package var a: String
    package var b: String
  }

  /// Ticks in both recordings.
  package var comparedTicks: UInt64 = 0
  /// Of these, ticks with at least one difference.
  package var differingTicks: UInt64 = 0
  package var differingValues: UInt64 = 0
  package var onlyInA: UInt64 = 0
  package var onlyInB: UInt64 = 0
  package var first: First?

  package init() {}

  package var isIdentical: Bool { first == nil }

  package var description: String {
    guard let first else { return "identical (\(comparedTicks) ticks)" }
    let place = "tick \(first.sequence), \(first.joint.map { $0 + "." } ?? "")\(first.column)"
    return """
      different from \(place): \(first.a) against \(first.b)
      \(differingTicks) of \(comparedTicks) common ticks differ in \(differingValues) values; \
      \(onlyInA) ticks only in the first recording, \(onlyInB) only in the second
      """
  }

  fileprivate mutating func note(_ difference: @autoclosure () -> First) {
    if first == nil { first = difference() }
  }
}

extension Recording {
  /// Compares what was seen, decided and done in each tick: all columns and joint values except the wall
  /// clock, at the resolution of the file (docs/recording.md). Boot id, versions and the stored files are not
  /// compared; a different number of ticks is a difference.
  package static func diff(_ a: Recording, _ b: Recording) throws(RecordingError) -> RecordingDifference {
    var result = RecordingDifference()
    let (cursorA, cursorB) = (a.ticks(), b.ticks())
    var recordA = TickRecord()
    var recordB = TickRecord()
    var hasA = try cursorA.next(into: &recordA)
    var hasB = try cursorB.next(into: &recordB)
    while hasA || hasB {
      if hasA, hasB, recordA.sequence == recordB.sequence {
        compare(recordA, recordB, names: a.jointNames, into: &result)
        hasA = try cursorA.next(into: &recordA)
        hasB = try cursorB.next(into: &recordB)
      } else if hasA, !hasB || recordA.sequence < recordB.sequence {
        result.onlyInA += 1
        result.note(missing(recordA.sequence, a: "present", b: "missing"))
        hasA = try cursorA.next(into: &recordA)
      } else {
        result.onlyInB += 1
        result.note(missing(recordB.sequence, a: "missing", b: "present"))
        hasB = try cursorB.next(into: &recordB)
      }
    }
    return result
  }

  private static func missing(_ sequence: UInt64, a: String, b: String) -> RecordingDifference.First {
    .init(sequence: sequence, column: TickColumn.sequence.column, joint: nil, a: a, b: b)
  }

  /// Adds a tick that both have; `a` and `b` as read from a file.
  static func compare(
    _ a: TickRecord, _ b: TickRecord, names: [String], into result: inout RecordingDifference
  ) {
    result.comparedTicks += 1
    let before = result.differingValues
    func note(_ column: TickColumn) {
      guard !column.agrees(a, b) else { return }
      result.differingValues += 1
      result.note(
        .init(
          sequence: a.sequence, column: column.column, joint: nil, a: shown(column.text(of: a)),
          b: shown(column.text(of: b))))
    }
    for column in TickColumn.allCases where column != .wall && column != .outputHash { note(column) }
    for joint in 0..<Int(min(a.jointCount, b.jointCount)) {
      for field in JointField.allCases {
        let valueA = field.value(of: a.joints[joint])
        let valueB = field.value(of: b.joints[joint])
        if valueA == valueB || (valueA.isNaN && valueB.isNaN) { continue }
        result.differingValues += 1
        result.note(
          .init(
            sequence: a.sequence, column: field.column,
            joint: joint < names.count ? names[joint] : "joint \(joint)", a: "\(valueA)", b: "\(valueB)"))
      }
    }
    // Last: it differs with anything else, and names nothing.
    note(.outputHash)
    if result.differingValues > before { result.differingTicks += 1 }
  }

  private static func shown(_ text: String) -> String { text.isEmpty ? "none" : text }
}
