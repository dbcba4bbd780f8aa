import HandModel

/// Makes 64 bits of everything a tick saw and decided: its record up to `outputHash` and its joints, the
/// command it took with its result, and the duties and pulses of its actuators. Two ticks with one hash are
/// equal to the last bit of every value, but for a chance of 2⁻⁶⁴.
struct OutputHasher: BitwiseCopyable {
  /// 64-bit words at the start of the record that are covered.
  private let headWords: Int
  /// 64-bit words of the joints, and where they begin.
  private let jointWords: Int
  private let jointsOffset: Int
  private let jointCount: Int
  private let dutyOffset: Int
  private let pulseOffset: Int

  init(jointCount: Int) {
    guard let decided = MemoryLayout<TickRecord>.offset(of: \.outputHash),
      let joints = MemoryLayout<TickRecord>.offset(of: \.joints),
      let duty = MemoryLayout<ActuatorCommand>.offset(of: \.duty),
      let pulse = MemoryLayout<ActuatorCommand>.offset(of: \.pulseNanoseconds)
    else { preconditionFailure("stored properties have an offset") }
    self.jointCount = jointCount
    headWords = decided / MemoryLayout<UInt64>.size
    jointWords = jointCount * MemoryLayout<JointRecord>.stride / MemoryLayout<UInt64>.size
    jointsOffset = joints
    dutyOffset = duty
    pulseOffset = pulse
  }

  /// Four lanes, because each step of one waits for the multiplication before it.
  private struct Lanes: BitwiseCopyable {
    var a: UInt64 = 1
    var b: UInt64 = 2
    var c: UInt64 = 3
    var d: UInt64 = 4
  }

  @_noLocks
  func hash(_ record: UnsafePointer<TickRecord>, _ actuators: UnsafePointer<ActuatorCommand>) -> UInt64 {
    let start = UnsafeRawPointer(record)
    let duties = UnsafeRawPointer(actuators).advanced(by: dutyOffset).assumingMemoryBound(to: UInt64.self)
    let pulses = UnsafeRawPointer(actuators).advanced(by: pulseOffset).assumingMemoryBound(to: UInt64.self)
    var lanes = Lanes()
    mix(&lanes, start, headWords)
    mix(&lanes, start.advanced(by: jointsOffset), jointWords)
    lanes.b = mix(lanes.b, actuators.pointee.enabled ? 1 : 0)
    for j in 0..<jointCount {
      lanes.c = mix(lanes.c, duties[j])
      lanes.d = mix(lanes.d, pulses[j])
    }
    if !(record.pointee.command.kind == .none) {
      lanes.a = mix(
        lanes.a,
        UInt64(unsafeBitCast(record.pointee.commandResult, to: UInt8.self)) &<< 16
          | UInt64(unsafeBitCast(record.pointee.command.kind, to: UInt8.self)) &<< 8
          | UInt64(unsafeBitCast(record.pointee.command.source, to: UInt8.self)))
      lanes.b = mix(
        lanes.b, UInt64(record.pointee.command.number) &<< 32 | UInt64(record.pointee.command.jointMask))
      lanes.c = mix(lanes.c, record.pointee.command.seconds.bitPattern)
    }
    return mix(mix(mix(lanes.a, lanes.b), lanes.c), lanes.d)
  }

  @_noLocks @inline(__always)
  private func mix(_ lanes: inout Lanes, _ start: UnsafeRawPointer, _ count: Int) {
    let words = start.assumingMemoryBound(to: UInt64.self)
    var a = lanes.a
    var b = lanes.b
    var c = lanes.c
    var d = lanes.d
    var index = 0
    while index &+ 4 <= count {
      a = mix(a, words[index])
      b = mix(b, words[index &+ 1])
      c = mix(c, words[index &+ 2])
      d = mix(d, words[index &+ 3])
      index = index &+ 4
    }
    while index < count {
      a = mix(a, words[index])
      index = index &+ 1
    }
    lanes.a = a
    lanes.b = b
    lanes.c = c
    lanes.d = d
  }

  /// The rotation brings the top bits down: without it the signs of two words that change together would
  /// cancel. The factor is 2⁶⁴ over the golden ratio, made odd.
  @_noLocks
  private func mix(_ hash: UInt64, _ word: UInt64) -> UInt64 {
    ((hash &<< 29 | hash &>> 35) ^ word) &* 0x9E37_79B9_7F4A_7C15
  }
}
