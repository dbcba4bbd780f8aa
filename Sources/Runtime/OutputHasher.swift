import HandModel

/// Makes 64 bits of everything a tick saw and decided: its record up to the end of the last joint, the
/// command it took with its result, and the duties and pulses of its actuators. Two ticks with one hash are
/// equal to the last bit of every value, but for a chance of 2⁻⁶⁴.
struct OutputHasher: BitwiseCopyable {
  /// 64-bit words at the start of the record that are covered.
  private let wordCount: Int
  private let jointCount: Int
  private let dutyOffset: Int
  private let pulseOffset: Int
  private let commandOffset: Int
  private let targetsOffset: Int

  init(jointCount: Int) {
    guard let joints = MemoryLayout<TickRecord>.offset(of: \.joints),
      let duty = MemoryLayout<ActuatorCommand>.offset(of: \.duty),
      let pulse = MemoryLayout<ActuatorCommand>.offset(of: \.pulseNanoseconds),
      let command = MemoryLayout<TickRecord>.offset(of: \.command),
      let targets = MemoryLayout<TickCommand>.offset(of: \.targets)
    else { preconditionFailure("stored properties have an offset") }
    self.jointCount = jointCount
    wordCount = (joints + jointCount * MemoryLayout<JointRecord>.stride) / MemoryLayout<UInt64>.size
    dutyOffset = duty
    pulseOffset = pulse
    commandOffset = command
    targetsOffset = targets
  }

  /// Four lanes, because each step of one waits for the multiplication before it.
  @_noLocks
  func hash(_ record: UnsafePointer<TickRecord>, _ actuators: UnsafePointer<ActuatorCommand>) -> UInt64 {
    let words = UnsafeRawPointer(record).assumingMemoryBound(to: UInt64.self)
    let duties = UnsafeRawPointer(actuators).advanced(by: dutyOffset).assumingMemoryBound(to: UInt64.self)
    let pulses = UnsafeRawPointer(actuators).advanced(by: pulseOffset).assumingMemoryBound(to: UInt64.self)
    var a: UInt64 = 1
    var b: UInt64 = 2
    var c: UInt64 = 3
    var d: UInt64 = 4
    var index = 0
    while index &+ 4 <= wordCount {
      a = mix(a, words[index])
      b = mix(b, words[index &+ 1])
      c = mix(c, words[index &+ 2])
      d = mix(d, words[index &+ 3])
      index = index &+ 4
    }
    while index < wordCount {
      a = mix(a, words[index])
      index = index &+ 1
    }
    b = mix(b, actuators.pointee.enabled ? 1 : 0)
    for j in 0..<jointCount {
      c = mix(c, duties[j])
      d = mix(d, pulses[j])
    }
    if !(record.pointee.command.kind == .none) {
      let command = UnsafeRawPointer(record).advanced(by: commandOffset)
      let targets = command.advanced(by: targetsOffset).assumingMemoryBound(to: UInt64.self)
      a = mix(
        a,
        UInt64(unsafeBitCast(record.pointee.commandResult, to: UInt8.self)) &<< 16
          | UInt64(unsafeBitCast(record.pointee.command.kind, to: UInt8.self)) &<< 8
          | UInt64(unsafeBitCast(record.pointee.command.source, to: UInt8.self)))
      b = mix(b, UInt64(record.pointee.command.number) &<< 16 | UInt64(record.pointee.command.jointMask))
      c = mix(c, record.pointee.command.seconds.bitPattern)
      for j in 0..<jointCount { d = mix(d, targets[j]) }
    }
    return mix(mix(mix(a, b), c), d)
  }

  /// The rotation brings the top bits down: without it the signs of two words that change together would
  /// cancel. The factor is 2⁶⁴ over the golden ratio, made odd.
  @_noLocks
  private func mix(_ hash: UInt64, _ word: UInt64) -> UInt64 {
    ((hash &<< 29 | hash &>> 35) ^ word) &* 0x9E37_79B9_7F4A_7C15
  }
}
