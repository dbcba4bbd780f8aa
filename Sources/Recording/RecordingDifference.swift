import HandModel

/// How two recordings differ, tick by tick.
package struct RecordingDifference: Sendable, Equatable, CustomStringConvertible {
  /// The first value that differs, in the order of ticks, columns, joints.
  package struct First: Sendable, Equatable {
    /// The tick.
    package var sequence: UInt64
    /// As in the file; `sequence` where only one recording has the tick.
    package var column: String
    /// Nil when the column belongs to the tick.
    package var joint: String?
    /// What the first recording holds there, as text.
    package var a: String
    /// The same in the second.
    package var b: String
  }

  /// Ticks in both recordings.
  package var comparedTicks: UInt64 = 0
  /// Of these, ticks with at least one difference.
  package var differingTicks: UInt64 = 0
  /// Columns and joint values that differ, over all ticks.
  var differingValues: UInt64 = 0
  /// Ticks that only the first recording has.
  var onlyInA: UInt64 = 0
  /// Ticks that only the second recording has.
  var onlyInB: UInt64 = 0
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
    let codec = a.codec
    var recordA = TickRecord()
    var recordB = TickRecord()
    var hasA = try cursorA.next(into: &recordA)
    var hasB = try cursorB.next(into: &recordB)
    while hasA || hasB {
      if hasA, hasB, recordA.sequence == recordB.sequence {
        compare(recordA, recordB, names: a.jointNames, codec: codec, into: &result)
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
    .init(sequence: sequence, column: "sequence", joint: nil, a: a, b: b)
  }

  /// Adds a tick that both have; `a` and `b` as read from a file.
  static func compare(
    _ a: TickRecord, _ b: TickRecord, names: [String], codec: TickCodec,
    into result: inout RecordingDifference
  ) {
    result.comparedTicks += 1
    let before = result.differingValues
    withUnsafePointer(to: a) { first in
      withUnsafePointer(to: b) { second in
        compareColumns(first, second, names, codec, &result)
        let joints = min(Int(min(a.jointCount, b.jointCount)), codec.equipment.count)
        for joint in 0..<joints {
          let offset = TickRecord.jointOffset(joint)
          compareJoint(
            joint, UnsafeRawPointer(first) + offset, UnsafeRawPointer(second) + offset, names, codec,
            a.sequence,
            &result)
        }
        // Last: it differs with anything else, and names nothing.
        compareColumns(first, second, names, codec, &result, last: true)
      }
    }
    if result.differingValues > before { result.differingTicks += 1 }
  }

  /// Compares the columns but the wall clock; the hash alone where it is `last`.
  private static func compareColumns(
    _ a: UnsafePointer<TickRecord>, _ b: UnsafePointer<TickRecord>, _ names: [String], _ codec: TickCodec,
    _ result: inout RecordingDifference, last: Bool = false
  ) {
    for column in codec.columns where column.id != "wall_nanoseconds" && (column.id == "output_hash") == last
    {
      guard !codec.agree(column, a, b) else { continue }
      result.differingValues += 1
      result.note(
        .init(
          sequence: a.pointee.sequence, column: column.id, joint: nil, a: shown(codec.text(column, a)),
          b: shown(codec.text(column, b))))
    }
  }

  private static func compareJoint(
    _ joint: Int, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ names: [String], _ codec: TickCodec,
    _ sequence: UInt64, _ result: inout RecordingDifference
  ) {
    for field in codec.fields.jointColumns where field.exists(on: codec.equipment[joint]) {
      let (valueA, valueB) = (field.number(a), field.number(b))
      if valueA == valueB || (valueA.isNaN && valueB.isNaN) { continue }
      result.differingValues += 1
      result.note(
        .init(
          sequence: sequence, column: field.id, joint: joint < names.count ? names[joint] : "joint \(joint)",
          a: "\(valueA)", b: "\(valueB)"))
    }
  }

  private static func shown(_ text: String) -> String { text.isEmpty ? "none" : text }
}
