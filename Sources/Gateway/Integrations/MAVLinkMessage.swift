/// The messages of MAVLink's common set that are read from a vehicle or sent to one. In each the fields stand
/// on the wire by their size, the largest first.
/// Source: mavlink.io, "MAVLINK Common Message Set".
package enum MAVLinkMessage: Sendable, Equatable {
  case heartbeat(MAVLinkHeartbeat)
  case attitude(MAVLinkAttitude)
  case localPosition(MAVLinkLocalPosition)
  case globalPosition(MAVLinkGlobalPosition)
  case positionTarget(MAVLinkPositionTarget)

  /// What the checksum and the length of a message depend on.
  struct Definition {
    var checksumExtra: UInt8
    /// Of the payload with its extensions.
    var bytes: Int
  }

  static let definitions: [UInt32: Definition] = [
    MAVLinkHeartbeat.id: Definition(checksumExtra: 50, bytes: 9),
    MAVLinkAttitude.id: Definition(checksumExtra: 246, bytes: 48),
    MAVLinkLocalPosition.id: Definition(checksumExtra: 185, bytes: 28),
    MAVLinkGlobalPosition.id: Definition(checksumExtra: 104, bytes: 28),
    MAVLinkPositionTarget.id: Definition(checksumExtra: 143, bytes: 53),
  ]

  /// Reads the payload of a frame that `MAVLinkReader` gave; nil of a message that is not in the list.
  package init?(_ frame: MAVLinkFrame) {
    guard Self.definitions[frame.messageID] != nil else { return nil }
    var fields = MAVLinkFields(frame.payload)
    switch frame.messageID {
    case MAVLinkHeartbeat.id: self = .heartbeat(MAVLinkHeartbeat(&fields))
    case MAVLinkAttitude.id: self = .attitude(MAVLinkAttitude(&fields))
    case MAVLinkLocalPosition.id: self = .localPosition(MAVLinkLocalPosition(&fields))
    case MAVLinkGlobalPosition.id: self = .globalPosition(MAVLinkGlobalPosition(&fields))
    case MAVLinkPositionTarget.id: self = .positionTarget(MAVLinkPositionTarget(&fields))
    default: return nil
    }
  }

  private var id: UInt32 {
    switch self {
    case .heartbeat: MAVLinkHeartbeat.id
    case .attitude: MAVLinkAttitude.id
    case .localPosition: MAVLinkLocalPosition.id
    case .globalPosition: MAVLinkGlobalPosition.id
    case .positionTarget: MAVLinkPositionTarget.id
    }
  }

  /// The message in a frame, as it is sent.
  /// - Parameter sequence: one more than that of the sender's frame before, and 0 behind 255.
  package func encoded(sequence: UInt8, systemID: UInt8, componentID: UInt8) -> [UInt8] {
    let definition = Self.definitions[id]!
    var payload = MAVLinkPayload(bytes: definition.bytes)
    switch self {
    case .heartbeat(let message): message.write(&payload)
    case .attitude(let message): message.write(&payload)
    case .localPosition(let message): message.write(&payload)
    case .globalPosition(let message): message.write(&payload)
    case .positionTarget(let message): message.write(&payload)
    }
    return MAVLinkFrame(
      sequence: sequence, systemID: systemID, componentID: componentID, messageID: id, payload: payload.bytes
    ).encoded(checksumExtra: definition.checksumExtra)
  }
}

/// Says once a second who is there.
package struct MAVLinkHeartbeat: Sendable, Equatable {
  static let id: UInt32 = 0
  /// MAV_TYPE: 2 is a quadrotor, 6 a ground station.
  package var type: UInt8
  /// MAV_AUTOPILOT: 12 is PX4, 8 none.
  package var autopilot: UInt8
  /// MAV_MODE_FLAG.
  package var baseMode: UInt8
  /// As the autopilot defines it.
  package var customMode: UInt32
  /// MAV_STATE: 4 is active.
  package var systemStatus: UInt8
  /// Of the message set.
  package var version: UInt8

  package init(
    type: UInt8, autopilot: UInt8, baseMode: UInt8 = 0, customMode: UInt32 = 0, systemStatus: UInt8,
    version: UInt8 = 3
  ) {
    self.type = type
    self.autopilot = autopilot
    self.baseMode = baseMode
    self.customMode = customMode
    self.systemStatus = systemStatus
    self.version = version
  }

  fileprivate init(_ fields: inout MAVLinkFields) {
    customMode = fields.integer()
    type = fields.integer()
    autopilot = fields.integer()
    baseMode = fields.integer()
    systemStatus = fields.integer()
    version = fields.integer()
  }

  fileprivate func write(_ payload: inout MAVLinkPayload) {
    payload.append(customMode)
    for byte in [type, autopilot, baseMode, systemStatus, version] { payload.append(byte) }
  }
}

/// How a vehicle stands: from the body's axes (forward, right, down) to north, east, down.
package struct MAVLinkAttitude: Sendable, Equatable {
  static let id: UInt32 = 31
  /// Since the vehicle's start.
  package var milliseconds: UInt32
  /// w, x, y, z; 1, 0, 0, 0 faces north and is level.
  package var quaternion: SIMD4<Float>
  /// Roll, pitch, yaw.
  package var radiansPerSecond: SIMD3<Float>
  /// What else turns the body, w, x, y, z; all 0 where nothing does.
  package var offset: SIMD4<Float>

  package init(
    milliseconds: UInt32, quaternion: SIMD4<Float>, radiansPerSecond: SIMD3<Float>,
    offset: SIMD4<Float> = .zero
  ) {
    self.milliseconds = milliseconds
    self.quaternion = quaternion
    self.radiansPerSecond = radiansPerSecond
    self.offset = offset
  }

  fileprivate init(_ fields: inout MAVLinkFields) {
    milliseconds = fields.integer()
    quaternion = fields.four()
    radiansPerSecond = fields.three()
    offset = fields.four()
  }

  fileprivate func write(_ payload: inout MAVLinkPayload) {
    payload.append(milliseconds)
    payload.append(quaternion)
    payload.append(radiansPerSecond)
    payload.append(offset)
  }
}

/// Where a vehicle is by its own estimate: north, east, down of its origin.
package struct MAVLinkLocalPosition: Sendable, Equatable {
  static let id: UInt32 = 32
  /// Since the vehicle's start.
  package var milliseconds: UInt32
  /// Position.
  package var metres: SIMD3<Float>
  /// Velocity.
  package var metresPerSecond: SIMD3<Float>

  package init(milliseconds: UInt32, metres: SIMD3<Float>, metresPerSecond: SIMD3<Float>) {
    self.milliseconds = milliseconds
    self.metres = metres
    self.metresPerSecond = metresPerSecond
  }

  fileprivate init(_ fields: inout MAVLinkFields) {
    milliseconds = fields.integer()
    metres = fields.three()
    metresPerSecond = fields.three()
  }

  fileprivate func write(_ payload: inout MAVLinkPayload) {
    payload.append(milliseconds)
    payload.append(metres)
    payload.append(metresPerSecond)
  }
}

/// Where on Earth a vehicle is (WGS 84).
package struct MAVLinkGlobalPosition: Sendable, Equatable {
  static let id: UInt32 = 33
  /// Since the vehicle's start.
  package var milliseconds: UInt32
  /// In 10⁻⁷ degrees.
  package var latitude: Int32
  /// In 10⁻⁷ degrees.
  package var longitude: Int32
  /// Above mean sea level.
  package var altitudeMillimetres: Int32
  /// Above home.
  package var heightMillimetres: Int32
  /// North, east, down.
  package var centimetresPerSecond: SIMD3<Int16>
  /// In 0.01 degrees; 65,535 where nobody knows.
  package var heading: UInt16

  package init(
    milliseconds: UInt32, latitude: Int32, longitude: Int32, altitudeMillimetres: Int32,
    heightMillimetres: Int32, centimetresPerSecond: SIMD3<Int16>, heading: UInt16
  ) {
    self.milliseconds = milliseconds
    self.latitude = latitude
    self.longitude = longitude
    self.altitudeMillimetres = altitudeMillimetres
    self.heightMillimetres = heightMillimetres
    self.centimetresPerSecond = centimetresPerSecond
    self.heading = heading
  }

  fileprivate init(_ fields: inout MAVLinkFields) {
    milliseconds = fields.integer()
    latitude = fields.integer()
    longitude = fields.integer()
    altitudeMillimetres = fields.integer()
    heightMillimetres = fields.integer()
    let (north, east, down): (Int16, Int16, Int16) = (fields.integer(), fields.integer(), fields.integer())
    centimetresPerSecond = SIMD3(north, east, down)
    heading = fields.integer()
  }

  fileprivate func write(_ payload: inout MAVLinkPayload) {
    payload.append(milliseconds)
    for value in [latitude, longitude, altitudeMillimetres, heightMillimetres] { payload.append(value) }
    for axis in 0..<3 { payload.append(centimetresPerSecond[axis]) }
    payload.append(heading)
  }
}

/// Where a vehicle is told to be.
package struct MAVLinkPositionTarget: Sendable, Equatable {
  static let id: UInt32 = 84
  /// MAV_FRAME_LOCAL_NED.
  package static let localNED: UInt8 = 1
  /// Of `ignored`: all but the position and the yaw angle.
  package static let onlyPositionAndYaw: UInt16 = 0b1001_1111_1000

  /// Since the sender's start.
  package var milliseconds: UInt32
  /// Who is meant; 0 = everybody.
  package var targetSystem: UInt8
  /// Which part of it; 0 = all.
  package var targetComponent: UInt8
  /// MAV_FRAME.
  package var frame: UInt8
  /// POSITION_TARGET_TYPEMASK: a bit for each value that does not count.
  package var ignored: UInt16
  /// Position.
  package var metres: SIMD3<Float>
  /// Velocity.
  package var metresPerSecond: SIMD3<Float>
  /// Acceleration.
  package var metresPerSecondSquared: SIMD3<Float>
  package var yawRadians: Float
  package var yawRadiansPerSecond: Float

  /// A place to hover at, north, east and down of the vehicle's origin.
  package init(
    hoverAt metres: SIMD3<Float>, yawRadians: Float, milliseconds: UInt32, targetSystem: UInt8,
    targetComponent: UInt8
  ) {
    self.milliseconds = milliseconds
    self.targetSystem = targetSystem
    self.targetComponent = targetComponent
    frame = Self.localNED
    ignored = Self.onlyPositionAndYaw
    self.metres = metres
    metresPerSecond = .zero
    metresPerSecondSquared = .zero
    self.yawRadians = yawRadians
    yawRadiansPerSecond = 0
  }

  fileprivate init(_ fields: inout MAVLinkFields) {
    milliseconds = fields.integer()
    metres = fields.three()
    metresPerSecond = fields.three()
    metresPerSecondSquared = fields.three()
    yawRadians = fields.float()
    yawRadiansPerSecond = fields.float()
    ignored = fields.integer()
    targetSystem = fields.integer()
    targetComponent = fields.integer()
    frame = fields.integer()
  }

  fileprivate func write(_ payload: inout MAVLinkPayload) {
    payload.append(milliseconds)
    payload.append(metres)
    payload.append(metresPerSecond)
    payload.append(metresPerSecondSquared)
    payload.append(yawRadians)
    payload.append(yawRadiansPerSecond)
    payload.append(ignored)
    payload.append(targetSystem)
    payload.append(targetComponent)
    payload.append(frame)
  }
}

/// Takes the fields of a payload of full length, one after the other, all little-endian.
private struct MAVLinkFields {
  private var rest: ArraySlice<UInt8>

  init(_ payload: [UInt8]) { rest = payload[...] }

  mutating func integer<Value: FixedWidthInteger>() -> Value {
    let width = Value.bitWidth / 8
    defer { rest = rest.dropFirst(width) }
    return rest.prefix(width).reversed().reduce(0) { $0 << 8 | Value(truncatingIfNeeded: $1) }
  }

  mutating func float() -> Float { Float(bitPattern: integer()) }
  mutating func three() -> SIMD3<Float> { SIMD3(float(), float(), float()) }
  mutating func four() -> SIMD4<Float> { SIMD4(float(), float(), float(), float()) }
}

/// Writes them.
private struct MAVLinkPayload {
  private(set) var bytes: [UInt8] = []

  init(bytes count: Int) { bytes.reserveCapacity(count) }

  mutating func append(_ value: some FixedWidthInteger) {
    for byte in 0..<value.bitWidth / 8 { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * byte))) }
  }

  mutating func append(_ value: Float) { append(value.bitPattern) }
  mutating func append(_ value: SIMD3<Float>) { for axis in 0..<3 { append(value[axis]) } }
  mutating func append(_ value: SIMD4<Float>) { for axis in 0..<4 { append(value[axis]) } }
}
