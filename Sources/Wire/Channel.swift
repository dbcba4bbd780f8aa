import HandModel

/// One value of the state message: what the birth message says of it. Made from the table of fields, as the
/// message is, so that what is announced is what is sent.
package struct Channel: Sendable, Equatable {
  /// How JSON holds the value; the raw value is the type that the birth message names.
  package enum Kind: String, Sendable {
    case number = "double"
    case integer = "int64"
    case text = "string"
    case flag = "bool"
    /// A 64-bit integer as text: JavaScript's numbers are exact only to 2⁵³.
    case wide = "int64-string"
  }

  /// Its key in the message; a joint's is `{joint}.{channel}`.
  package var name: String
  /// Symbol; empty for words and flags.
  package var unit: String
  package var kind: Kind
  /// Lower limit in `unit`, of the field itself or of the joint's calibration; nil where there is none.
  package var lower: Double?
  /// Upper limit, as `lower`.
  package var upper: Double?
  /// Index into the joint list for a joint's channel.
  package var joint: Int?
  /// For the documents; a birth message does not carry it.
  package var meaning: String

  /// What a message holds beside its record.
  package static let head = [
    Channel(name: "schema", unit: "", kind: .text, meaning: "version of the message"),
    Channel(name: "run_id", unit: "", kind: .text, meaning: "this start of the daemon"),
    Channel(
      name: "mono_ns", unit: "ns", kind: .wide, meaning: "start of the tick, monotonic (or virtual) clock"),
    Channel(
      name: "clock_synced", unit: "", kind: .flag, meaning: "whether the wall clock follows a time server"),
  ]

  /// All channels of a hand's state message, in its order.
  package static func all(of identity: HandIdentity, _ fields: FieldTable = .standard) -> [Channel] {
    let joints = zip(identity.board.joints, identity.calibration.joints).enumerated()
    return head + fields.tick.compactMap { Channel($0) }
      + joints.flatMap { index, pair in
        fields.joint.compactMap { field in
          guard var channel = Channel(field) else { return nil }
          channel.name = pair.0.name + "." + channel.name
          channel.joint = index
          if let channelOf = field.channel { channel.limit(channelOf.range, pair.1) }
          return channel
        }
      }
  }

  /// Nil for a field that is not told.
  package init?(_ field: Field) {
    guard let channel = field.channel else { return nil }
    let kind: Kind =
      switch field.kind {
      case .real: .number
      case .integer: channel.isSeconds ? .number : channel.isWide ? .wide : .integer
      case .flag: .flag
      case .word, .joint: .text
      }
    self.init(name: channel.name, unit: field.unit, kind: kind, meaning: field.meaning)
    if case .fixed(let lower, let upper) = channel.range { (self.lower, self.upper) = (lower, upper) }
  }

  package init(
    name: String, unit: String, kind: Kind, lower: Double? = nil, upper: Double? = nil, joint: Int? = nil,
    meaning: String = ""
  ) {
    self.name = name
    self.unit = unit
    self.kind = kind
    self.lower = lower
    self.upper = upper
    self.joint = joint
    self.meaning = meaning
  }

  private mutating func limit(_ range: Field.Channel.Range, _ calibration: JointCalibration) {
    let limits = calibration.limits
    switch range {
    case .none, .fixed: break
    case .angle: (lower, upper) = (limits.lowerRadians, limits.upperRadians)
    case .speed: (lower, upper) = (-limits.radiansPerSecond, limits.radiansPerSecond)
    case .torque:
      guard case .motor(let drive) = calibration.drive else { return }
      (lower, upper) = (-drive.torqueLimitNewtonMetres, drive.torqueLimitNewtonMetres)
    case .correction:
      guard case .servo(let servo) = calibration.drive else { return }
      (lower, upper) = (-servo.correctionRadians, servo.correctionRadians)
    case .current:
      guard limits.currentAmperes.isFinite else { return }
      (lower, upper) = (-limits.currentAmperes, limits.currentAmperes)
    }
  }

  /// The channels as a Markdown table: what docs/telemetry.md holds of the state message.
  package static func document(_ fields: FieldTable = .standard) -> String {
    let tick = (head + fields.tick.compactMap { Channel($0) }).map { row($0, "`\($0.name)`") }
    let joint = fields.joint.compactMap { Channel($0) }.map { row($0, "`{joint}.\($0.name)`") }
    return FieldDocument.table(["channel", "unit", "type", "meaning"], tick + joint)
  }

  private static func row(_ channel: Channel, _ name: String) -> [String] {
    [name, channel.unit.isEmpty ? "–" : channel.unit, channel.kind.rawValue, channel.meaning]
  }
}

extension JSONWriter {
  /// A field of a record that starts at `record`; null where it is not finite or names no joint.
  mutating func value(_ field: Field, _ record: UnsafeRawPointer, jointNames: [String]) {
    let isWide = field.channel?.isWide == true
    switch field.kind {
    case .real:
      let value = record.load(fromByteOffset: field.offset, as: Double.self)
      isWide ? number(value) : micro(value)
    case .integer(let integer):
      let value = integer.load(record, field.offset)
      if field.channel?.isSeconds == true {
        seconds(nanoseconds: value)
      } else {
        isWide ? wide(value) : self.integer(value)
      }
    case .flag: bool(record.load(fromByteOffset: field.offset, as: UInt8.self) != 0)
    case .word(let words):
      words.word(record, field.offset).map { string($0) } ?? null()
    case .joint: jointName(record.load(fromByteOffset: field.offset, as: UInt8.self), of: jointNames)
    }
  }

  /// The joint's name, or null when the index names none (255 = no joint).
  package mutating func jointName(_ index: UInt8, of names: [String]) {
    Int(index) < names.count ? string(names[Int(index)]) : null()
  }
}
