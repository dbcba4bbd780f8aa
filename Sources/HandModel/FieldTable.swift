/// All fields of a tick and of a joint, with the place of each joint's field in its frame.
package struct FieldTable: Sendable {
  /// Schema of a segment file. Raise it with every change of `TickFields` or `JointFields` that is recorded:
  /// a reader refuses other versions.
  package static let version: Int64 = 8
  /// The fields of this version.
  package static let standard = FieldTable(tick: TickFields.all, joint: JointFields.all)

  /// In the order of the columns.
  package let tick: [Field]
  /// In the order of the frame.
  package let joint: [Field]
  /// Bytes of a joint's frame in the `joints` blob.
  package let frameByteCount: Int

  package init(tick: [Field], joint: [Field]) {
    self.tick = tick
    var placed: [Field] = []
    var next = 0
    for var field in joint {
      // Two names of one value, of which each joint has one, share their place.
      if let twin = placed.first(where: { $0.isRecorded && $0.offset == field.offset }) {
        field.frameOffset = twin.frameOffset
      } else if field.isRecorded {
        field.frameOffset = next
        next += field.packedByteCount
      }
      placed.append(field)
    }
    self.joint = placed
    frameByteCount = next
  }

  private init(placed tick: [Field], _ joint: [Field], frameByteCount: Int) {
    self.tick = tick
    self.joint = joint
    self.frameByteCount = frameByteCount
  }

  /// Where an earlier version kept a value of a joint.
  package struct Place: Sendable, Equatable {
    /// Bytes from the start of the frame.
    package var offset: Int
    /// Of the quantum; 0 for integers.
    package var decimals: Int

    package init(offset: Int, decimals: Int) {
      self.offset = offset
      self.decimals = decimals
    }

    /// The field's way of packing with these decimals.
    package func packing(of field: Field) -> Field.Packing {
      switch field.packing {
      case .exact: .exact
      case .scaled32: .scaled32(decimals: decimals)
      case .scaled64: .scaled64(decimals: decimals)
      case .complement64: .complement64(decimals: decimals)
      }
    }
  }

  /// Frames of an earlier version are no larger, and no quantum was finer.
  private static let olderFrameBytes = 1...1024
  private static let olderDecimals = 0...15

  /// The table of an earlier version; nil where its places contradict its frame.
  /// - Parameters:
  ///   - columns: gives the name that a tick's column had; nil where there was none.
  ///   - places: of the joint's fields that it had, by their names.
  ///   - frameByteCount: of a joint.
  package func older(
    columns: (String) -> String?, places: [String: Place], frameByteCount: Int
  ) -> FieldTable? {
    guard Self.olderFrameBytes.contains(frameByteCount) else { return nil }
    let tick = tickColumns.map { field in columns(field.id).map(field.named) ?? field.unrecorded() }
    var joint: [Field] = []
    for field in jointColumns {
      guard let place = places[field.id] else {
        joint.append(field.unrecorded())
        continue
      }
      var field = field
      field.packing = place.packing(of: field)
      field.frameOffset = place.offset
      guard place.offset >= 0, place.offset <= frameByteCount - field.packedByteCount,
        Self.olderDecimals.contains(place.decimals)
      else { return nil }
      joint.append(field)
    }
    return FieldTable(placed: tick, joint, frameByteCount: frameByteCount)
  }

  /// Columns of the relation `tick`.
  package var tickColumns: [Field] { tick.filter(\.isRecorded) }
  /// Columns of the view `joint_tick`.
  package var jointColumns: [Field] { joint.filter(\.isRecorded) }
}

extension Field {
  /// Bytes in a joint's frame.
  package var packedByteCount: Int { byteCount(packing) }

  /// Bytes of the value packed in a way.
  package func byteCount(_ packing: Packing) -> Int {
    switch (packing, kind) {
    case (.scaled32, _): 4
    case (.scaled64, _), (.complement64, _): 8
    case (.exact, .integer(let integer)): integer.byteCount
    case (.exact, .real): 8
    case (.exact, .flag), (.exact, .word), (.exact, .joint): 1
    }
  }

  /// The smallest step that is recorded of a joint's value, in its unit.
  package var quantum: Double { 1 / Double(Field.scale(decimals: packing.decimals)) }

  /// 10^decimals.
  package static func scale(decimals: Int) -> Int64 { (0..<decimals).reduce(1) { power, _ in power * 10 } }

  /// The unit as a table of units says it: words and flags are stored as numbers.
  package var storedUnit: String {
    switch kind {
    case .word: "code"
    case .flag: "0/1"
    case .joint: "number"
    default: unit
    }
  }
}
