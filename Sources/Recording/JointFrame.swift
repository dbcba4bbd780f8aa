import HandModel

/// Packs a joint's values into its frame of the `joints` blob, and back. Layout: `JointField`.
package enum JointFrame {
  /// Bytes of one joint.
  package static let byteCount = 80

  static let noValue32 = Int32.min
  static let noValue64 = Int64.min
  /// Larger magnitudes are stored as this: it leaves room for the arithmetic of 1 − L.
  static let largest64: Int64 = 9_000_000_000_000_000_000

  private static let micro = 1e6
  private static let innovationScale = 1e8
  private static let slopeScale = 1e9
  private static let distanceScale = 1e12
  private static let lipschitzScale = 1e15
  private static let lipschitzOne: Int64 = 1_000_000_000_000_000

  static func encode(_ joint: borrowing JointRecord, to frame: UnsafeMutableRawPointer) {
    store(joint.encoderCounts, frame, 0)
    store(joint.flags, frame, 2)
    store(joint.certificate.rawValue, frame, 3)
    store(joint.sampleAgeNanoseconds, frame, 4)
    store(scaled32(joint.setpointRadians, micro), frame, 8)
    store(scaled32(joint.setpointRadiansPerSecond, micro), frame, 12)
    store(scaled32(joint.measuredRadians, micro), frame, 16)
    store(scaled32(joint.positionRadians, micro), frame, 20)
    store(scaled32(joint.velocityRadiansPerSecond, micro), frame, 24)
    store(scaled32(joint.innovationRadians, innovationScale), frame, 28)
    store(scaled32(joint.nominalRadians, micro), frame, 32)
    store(scaled32(joint.memoryRadianSeconds, micro), frame, 36)
    store(scaled32(joint.demandNewtonMetres, micro), frame, 40)
    store(scaled32(joint.torqueNewtonMetres, micro), frame, 44)
    store(scaled32(joint.currentAmperes, micro), frame, 48)
    store(scaled32(joint.loadNewtonMetres, micro), frame, 52)
    store(scaled32(joint.forceNewtons, micro), frame, 56)
    store(scaled32(joint.slope, slopeScale), frame, 60)
    store(scaled64(1 - joint.lipschitz, lipschitzScale), frame, 64)
    store(scaled64(joint.distance, distanceScale), frame, 72)
  }

  /// Returns nil when the frame holds a certificate state that does not exist.
  static func decode(_ frame: UnsafeRawPointer) -> JointRecord? {
    guard let certificate = CertificateState(rawValue: load(UInt8.self, frame, 3)) else { return nil }
    var joint = JointRecord()
    joint.encoderCounts = load(UInt16.self, frame, 0)
    joint.flags = load(UInt8.self, frame, 2)
    joint.certificate = certificate
    joint.sampleAgeNanoseconds = load(Int32.self, frame, 4)
    joint.setpointRadians = real32(frame, 8, micro)
    joint.setpointRadiansPerSecond = real32(frame, 12, micro)
    joint.measuredRadians = real32(frame, 16, micro)
    joint.positionRadians = real32(frame, 20, micro)
    joint.velocityRadiansPerSecond = real32(frame, 24, micro)
    joint.innovationRadians = real32(frame, 28, innovationScale)
    joint.nominalRadians = real32(frame, 32, micro)
    joint.memoryRadianSeconds = real32(frame, 36, micro)
    joint.demandNewtonMetres = real32(frame, 40, micro)
    joint.torqueNewtonMetres = real32(frame, 44, micro)
    joint.currentAmperes = real32(frame, 48, micro)
    joint.loadNewtonMetres = real32(frame, 52, micro)
    joint.forceNewtons = real32(frame, 56, micro)
    joint.slope = real32(frame, 60, slopeScale)
    let complement = load(Int64.self, frame, 64)
    joint.lipschitz =
      complement == noValue64 ? .nan : Double(lipschitzOne - clamped(complement)) / lipschitzScale
    let distance = load(Int64.self, frame, 72)
    joint.distance = distance == noValue64 ? .nan : Double(distance) / distanceScale
    return joint
  }

  /// The stored integer of a field, with L turned from 1 − L into L; nil for "none".
  /// Its decimal point is `field.storage.decimals` digits from the right.
  static func integer(_ field: JointField, _ frame: UnsafeRawPointer) -> Int64? {
    switch field.storage {
    case .unsigned8: return Int64(load(UInt8.self, frame, field.offset))
    case .unsigned16: return Int64(load(UInt16.self, frame, field.offset))
    case .signed32: return Int64(load(Int32.self, frame, field.offset))
    case .scaled32:
      let stored = load(Int32.self, frame, field.offset)
      return stored == noValue32 ? nil : Int64(stored)
    case .scaled64:
      let stored = load(Int64.self, frame, field.offset)
      guard stored != noValue64 else { return nil }
      return field == .lipschitz ? lipschitzOne - clamped(stored) : stored
    }
  }

  private static func clamped(_ value: Int64) -> Int64 { min(max(value, -largest64), largest64) }

  @inline(__always)
  private static func store<T: FixedWidthInteger>(
    _ value: T, _ frame: UnsafeMutableRawPointer, _ offset: Int
  ) {
    frame.storeBytes(of: value.bigEndian, toByteOffset: offset, as: T.self)
  }

  @inline(__always)
  private static func load<T: FixedWidthInteger & BitwiseCopyable>(
    _ type: T.Type, _ frame: UnsafeRawPointer, _ offset: Int
  ) -> T {
    T(bigEndian: frame.loadUnaligned(fromByteOffset: offset, as: type))
  }

  // Division, not multiplication by the inverse: its result is the double nearest to the decimal number,
  // and the view `joint_tick` divides too, so that both readers give the same bits.
  @inline(__always)
  private static func real32(_ frame: UnsafeRawPointer, _ offset: Int, _ scale: Double) -> Double {
    let stored = load(Int32.self, frame, offset)
    return stored == noValue32 ? .nan : Double(stored) / scale
  }

  // Rounding by adding a half and truncating: `rounded()` is a library call on processors without a
  // rounding instruction in their baseline, and this runs some 200 times a tick.
  @inline(__always)
  private static func scaled32(_ value: Double, _ scale: Double) -> Int32 {
    let scaled = value * scale
    let limit = Double(Int32.max)
    if scaled >= limit { return .max }
    if scaled <= -limit { return -.max }
    if scaled.isNaN { return noValue32 }
    return Int32(scaled + (scaled < 0 ? -0.5 : 0.5))
  }

  @inline(__always)
  private static func scaled64(_ value: Double, _ scale: Double) -> Int64 {
    let scaled = value * scale
    let limit = Double(largest64)
    if scaled >= limit { return largest64 }
    if scaled <= -limit { return -largest64 }
    if scaled.isNaN { return noValue64 }
    return Int64(scaled + (scaled < 0 ? -0.5 : 0.5))
  }
}
