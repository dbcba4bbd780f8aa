/// One value of a record: what it is called, what it means, where it lies in memory and in which formats it
/// is told.
///
/// `TickFields` and `JointFields` list them all. SQLite columns, the joints' blob, CSV, comparison, MQTT
/// channels, the socket's snapshot and the tables of the documents are made from those lists.
package struct Field: Sendable {
  /// How the value lies in memory.
  package enum Kind: Sendable {
    /// A double; NaN where there is none.
    case real
    case integer(FieldInteger)
    case flag
    /// An enumeration of one byte whose values have codes and words.
    case word(CodeWords)
    /// One byte with the number of a joint; 255 where there is none.
    case joint
  }

  /// How a joint's value is packed into its frame. A tick's own values have columns and are exact.
  package enum Packing: Sendable, Equatable {
    /// As an integer of its own width.
    case exact
    /// 32-bit integer times 10^-decimals; the smallest integer means "none".
    case scaled32(decimals: Int)
    /// The same with 64 bits.
    case scaled64(decimals: Int)
    /// 64 bits of 1 − value: for what lies close below 1.
    case complement64(decimals: Int)

    /// Decimals of the quantum; 0 for integers.
    package var decimals: Int {
      switch self {
      case .exact: 0
      case .scaled32(let decimals), .scaled64(let decimals), .complement64(let decimals): decimals
      }
    }
  }

  /// Where there is such a value. Elsewhere it is null in every format.
  package enum Presence: Sendable, Equatable {
    case always
    /// Joints driven by motors; of a tick: hands of nothing else.
    case motors
    /// The same with servos.
    case servos
    case currentSensor, forceSensor
    /// Ticks that took a command.
    case command
  }

  /// How the value is told over MQTT.
  package struct Channel: Sendable {
    /// What the value stays within, for gauges. Only a hint: noise may leave it.
    package enum Range: Sendable {
      case none
      /// Least and greatest value, in the field's unit.
      case fixed(Double, Double)
      /// The limits of the joint's calibration.
      case angle, speed, torque, correction, current
    }
    /// In the message; a joint's has the joint's name and a dot before it.
    package var name: String
    /// What a gauge may show as its scale.
    package var range = Range.none
    /// Real values: all digits instead of six decimals. Integers: as text, because JavaScript loses digits
    /// above 2⁵³.
    package var isWide = false
    /// Nanoseconds, told in seconds.
    package var isSeconds = false
  }

  /// snake_case with the unit in it where it has one. Column, CSV header and JSON key are this.
  package private(set) var id: String
  /// Symbol; empty for words and flags.
  package let unit: String
  package let kind: Kind
  /// One line for the documents: what it tells, its range where it has one.
  package let meaning: String
  /// Bytes from the start of the record.
  package let offset: Int
  /// How a joint's value lies in its frame.
  package internal(set) var packing = Packing.exact
  /// Which joints and ticks have the value.
  package private(set) var presence = Presence.always
  package private(set) var channel: Channel?
  package private(set) var isRecorded = true
  package private(set) var isInSnapshot = false
  /// Place in the joint's frame, set by `FieldTable`.
  package internal(set) var frameOffset = 0

  private init(_ id: String, _ unit: String, _ kind: Kind, _ offset: Int?, _ meaning: String) {
    guard let offset else { preconditionFailure("\(id): only a stored property can be a field") }
    self.id = id
    self.unit = unit
    self.kind = kind
    self.meaning = meaning
    self.offset = offset
  }

  // MARK: - Making rows of the table

  /// A double of the record.
  /// - Parameters:
  ///   - id: with the unit in it.
  ///   - unit: symbol.
  ///   - meaning: one line for the documents.
  ///   - packing: of a joint's value in its frame.
  package static func real<Record>(
    _ id: String, _ unit: String, _ path: KeyPath<Record, Double>, _ meaning: String,
    _ packing: Packing = .scaled32(decimals: 6)
  ) -> Field {
    var field = Field(id, unit, .real, MemoryLayout<Record>.offset(of: path), meaning)
    field.packing = packing
    return field
  }

  /// A whole number of the record, exact.
  package static func integer<Record, Value: FieldIntegerValue>(
    _ id: String, _ unit: String, _ path: KeyPath<Record, Value>, _ meaning: String
  ) -> Field {
    Field(id, unit, .integer(Value.fieldInteger), MemoryLayout<Record>.offset(of: path), meaning)
  }

  /// 64 bits that are no number.
  package static func bits64<Record>(
    _ id: String, _ path: KeyPath<Record, UInt64>, _ meaning: String
  ) -> Field {
    Field(id, "bits", .integer(.signed64), MemoryLayout<Record>.offset(of: path), meaning)
  }

  /// A yes or no of the record.
  package static func flag<Record>(_ id: String, _ path: KeyPath<Record, Bool>, _ meaning: String) -> Field {
    Field(id, "", .flag, MemoryLayout<Record>.offset(of: path), meaning)
  }

  /// An enumeration of the record, told in words and stored as its code.
  package static func word<Record, Code: RawRepresentable<UInt8>>(
    _ id: String, _ words: CodeWords, _ path: KeyPath<Record, Code>, _ meaning: String
  ) -> Field {
    Field(id, "", .word(words), MemoryLayout<Record>.offset(of: path), meaning)
  }

  /// A code without gaps as a number.
  package static func code<Record, Code: RawRepresentable<UInt8> & CaseIterable>(
    _ id: String, _ path: KeyPath<Record, Code>, _ meaning: String
  ) -> Field {
    precondition(
      Code.allCases.allSatisfy { unsafeBitCast($0, to: UInt8.self) == $0.rawValue },
      "\(id): its code has gaps")
    return Field(id, "1", .integer(.unsigned8), MemoryLayout<Record>.offset(of: path), meaning)
  }

  /// The number of a joint; 255 in memory and null elsewhere where it names none.
  package static func joint<Record>(
    _ id: String, _ path: KeyPath<Record, UInt8>, _ meaning: String
  ) -> Field {
    Field(id, "", .joint, MemoryLayout<Record>.offset(of: path), meaning)
  }

  /// Told over MQTT, by default under its own name.
  package func channel(
    _ name: String? = nil, range: Channel.Range = .none, isWide: Bool = false, isSeconds: Bool = false
  ) -> Field {
    var field = self
    field.channel = Channel(name: name ?? id, range: range, isWide: isWide, isSeconds: isSeconds)
    return field
  }

  /// Shown by the socket's snapshot.
  package func snapshot() -> Field {
    var field = self
    field.isInSnapshot = true
    return field
  }

  /// The same field where only some joints or ticks have it.
  package func of(_ presence: Presence) -> Field {
    var field = self
    field.presence = presence
    return field
  }

  /// The same field under another name.
  func named(_ id: String) -> Field {
    var field = self
    field.id = id
    return field
  }

  /// Another view of a value that is recorded already.
  package func unrecorded() -> Field {
    var field = self
    field.isRecorded = false
    return field
  }
}
