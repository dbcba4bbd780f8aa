/// A field's value apart from its record: what a snapshot holds. In its field's unit.
package enum FieldValue: Sendable, Equatable {
  /// There is no such value: null.
  case none
  /// Yes or no.
  case flag(Bool)
  /// A whole number.
  case integer(Int64)
  /// A finite number.
  case real(Double)
  /// A word, or a joint's name.
  case text(String)
}

extension FieldValue: Codable {
  /// Reads null, a flag, a number or a text; throws for anything else.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .none
    } else if let value = try? container.decode(Bool.self) {
      self = .flag(value)
    } else if let value = try? container.decode(Int64.self) {
      self = .integer(value)
    } else if let value = try? container.decode(Double.self) {
      self = .real(value)
    } else {
      self = .text(try container.decode(String.self))
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .none: try container.encodeNil()
    case .flag(let value): try container.encode(value)
    case .integer(let value): try container.encode(value)
    case .real(let value): try container.encode(value)
    case .text(let value): try container.encode(value)
    }
  }
}

extension Field {
  /// The value in a record that starts at `record`; none where it is not finite or names no joint. Whether
  /// the hand has such a value at all is the caller's to ask (`exists`).
  package func value(_ record: UnsafeRawPointer, jointNames: [String]) -> FieldValue {
    switch kind {
    case .real:
      let value = record.load(fromByteOffset: offset, as: Double.self)
      return value.isFinite ? .real(value) : .none
    case .integer(let integer): return .integer(integer.load(record, offset))
    case .flag: return .flag(record.load(fromByteOffset: offset, as: UInt8.self) != 0)
    case .word(let words):
      return words.word(record, offset).map { .text($0) } ?? .none
    case .joint:
      let joint = Int(record.load(fromByteOffset: offset, as: UInt8.self))
      return joint < jointNames.count ? .text(jointNames[joint]) : .none
    }
  }

  /// Whether a joint has such a value.
  package func exists(on joint: JointEquipment) -> Bool {
    switch presence {
    case .always, .command: true
    case .motors: !joint.isServo
    case .servos: joint.isServo
    case .currentSensor: joint.hasCurrentSensor
    case .forceSensor: joint.hasForceSensor
    }
  }

  /// Whether the ticks of a hand have such a value: a sum over unlike joints has no unit, and so is none.
  package func exists(on hand: [JointEquipment]) -> Bool { hand.allSatisfy { exists(on: $0) } }

  /// Whether this very tick has it.
  package func isGiven(in tick: UnsafeRawPointer) -> Bool {
    presence != .command || tick.load(fromByteOffset: TickRecord.commandKindOffset, as: UInt8.self) != 0
  }
}
