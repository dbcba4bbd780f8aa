import HandModel

/// The fields of a tick or a joint in a snapshot, by their names in the table of fields. In JSON they are
/// members of the object that they are part of.
package struct SnapshotValues: Sendable, Equatable {
  private var values: [String: FieldValue] = [:]

  init(_ record: TickRecord, of identity: HandIdentity, _ fields: FieldTable) {
    let names = identity.board.joints.map(\.name)
    let equipment = identity.board.equipment
    withUnsafePointer(to: record) { record in
      for field in fields.tick where field.isInSnapshot {
        let isThere = field.exists(on: equipment) && field.isGiven(in: record)
        values[field.id] = isThere ? field.value(record, jointNames: names) : FieldValue.none
      }
    }
  }

  /// - Parameter record: a `JointRecord`.
  init(joint record: UnsafeRawPointer, equipment: JointEquipment, _ fields: FieldTable) {
    for field in fields.joint where field.isInSnapshot {
      values[field.id] =
        field.exists(on: equipment) ? field.value(record, jointNames: []) : FieldValue.none
    }
  }

  /// The value of the field `id`; `.none` where there is no such field.
  subscript(id: String) -> FieldValue {
    get { values[id] ?? .none }
    set { values[id] = newValue }
  }

  /// Nil where the field holds no text.
  func text(_ id: String) -> String? {
    if case .text(let value) = self[id] { value } else { nil }
  }

  /// Whether the field holds a flag that is set.
  func flag(_ id: String) -> Bool { self[id] == .flag(true) }

  /// Nil where the field holds no whole number.
  func integer(_ id: String) -> Int64? {
    if case .integer(let value) = self[id] { value } else { nil }
  }

  /// A number, whole or not; nil where the field holds none.
  func real(_ id: String) -> Double? {
    switch self[id] {
    case .real(let value): value
    case .integer(let value): Double(value)
    default: nil
    }
  }
}

extension SnapshotValues: Codable {
  private struct Key: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  /// Reads the plain values of an object. Its members that are lists or objects belong to others.
  ///
  /// - Throws: `DecodingError` where it is no object.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    for key in container.allKeys {
      if let value = try? container.decode(FieldValue.self, forKey: key) { values[key.stringValue] = value }
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    for (id, value) in values { try container.encode(value, forKey: Key(stringValue: id)) }
  }
}

extension HandSnapshot {
  /// One joint of the newest tick.
  package struct Joint: Codable, Sendable {
    /// As on the board.
    package var name: String
    /// What drives it: `motor` or `servo`.
    package var actuator: String
    package var isStale: Bool
    package var values: SnapshotValues

    static func all(_ record: TickRecord, of identity: HandIdentity, _ fields: FieldTable) -> [Joint] {
      let equipment = identity.board.equipment
      return withUnsafePointer(to: record) { record in
        identity.board.joints.indices.map { index in
          Joint(
            name: identity.board.joints[index].name,
            actuator: equipment[index].isServo ? "servo" : "motor",
            isStale: record.pointee.joints[index].flags & JointFlags.stale != 0,
            values: SnapshotValues(
              joint: UnsafeRawPointer(record) + TickRecord.jointOffset(index), equipment: equipment[index],
              fields))
        }
      }
    }

    private enum CodingKeys: String, CodingKey {
      case name, actuator
      case isStale = "is_stale"
    }

    private init(name: String, actuator: String, isStale: Bool, values: SnapshotValues) {
      self.name = name
      self.actuator = actuator
      self.isStale = isStale
      self.values = values
    }

    /// - Throws: `DecodingError` where it is no joint of a snapshot.
    package init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      name = try container.decode(String.self, forKey: .name)
      actuator = try container.decode(String.self, forKey: .actuator)
      isStale = try container.decode(Bool.self, forKey: .isStale)
      values = try SnapshotValues(from: decoder)
    }

    package func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(name, forKey: .name)
      try container.encode(actuator, forKey: .actuator)
      try container.encode(isStale, forKey: .isStale)
      try values.encode(to: encoder)
    }

    /// A word of `CertificateState`; empty where the daemon gave none.
    package var certificate: String { values.text("certificate") ?? "" }
    package var setpointRadians: Double { values.real("setpoint_radians") ?? 0 }
    package var positionRadians: Double { values.real("position_radians") ?? 0 }
    package var velocityRadiansPerSecond: Double { values.real("velocity_radians_per_second") ?? 0 }
    /// Nil for a servo.
    package var torqueNewtonMetres: Double? { values.real("torque_newton_metres") }
    /// Nil for a motor.
    package var correctionRadians: Double? { values.real("correction_radians") }
    package var currentAmperes: Double? { values.real("current_amperes") }
    /// L of the joint; nil where there is none.
    package var lipschitz: Double? { values.real("lipschitz") }
  }
}
