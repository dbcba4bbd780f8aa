import Devices
import HandModel
import Realtime

/// An MPU6050 (register map RM-MPU-6000A rev. 4.2) over a motion. Interrupts, FIFO, auxiliary bus, self-test,
/// low pass and cycle mode are not simulated; their registers hold what is written.
package final class SimulatedMPU6050: SimulatedChip {
  private enum Register {
    static let sampleRateDivider = 0x19
    static let configuration = 0x1A
    static let gyroscopeConfiguration = 0x1B
    static let accelerometerConfiguration = 0x1C
    static let interruptStatus = 0x3A
    static let firstOutput = 0x3B
    static let lastOutput = 0x48
    static let powerManagement1 = 0x6B
    static let identity = 0x75
    static let count = 0x76
  }

  private static let deviceReset: UInt8 = 1 << 7
  private static let sleep: UInt8 = 1 << 6
  /// 25 °C: (25 − 36.53) · 340 (§4.18).
  private static let roomTemperature: Int16 = -3920

  /// At rest, the z axis up.
  package static let rest = InertialSample(
    accelerationMetresPerSecondSquared: Vector3(x: 0, y: 0, z: MPU6050.standardGravity),
    rotationRadiansPerSecond: Vector3(x: 0, y: 0, z: 0))

  private let motion = Locked(rest)
  private var registers = InlineArray<118, UInt8>(repeating: 0)
  /// The three accelerations, the temperature and the three rates of the last sample.
  private var outputs = InlineArray<14, UInt8>(repeating: 0)
  private var sampleStart: Int64 = 0
  private var pointer: UInt8 = 0
  private var expectsPointer = false

  /// A chip just powered on: asleep.
  package init(address: UInt8 = MPU6050.defaultAddress) {
    super.init(address: address)
    reset(at: 0)
  }

  /// Moves the hand; from any thread.
  package func setMotion(_ sample: InertialSample) {
    motion.withLock { $0 = sample }
  }

  /// What DEVICE_RESET and a brown-out leave: every register as at power-on, asleep. The chip's
  /// own thread only.
  package func reset(at now: Int64) {
    registers = InlineArray(repeating: 0)
    outputs = InlineArray(repeating: 0)
    registers[Register.powerManagement1] = Self.sleep
    registers[Register.identity] = 0x68
    sampleStart = now
  }

  override func beginWrite(to address: UInt8, at now: Int64) { expectsPointer = true }

  /// The outputs of one transfer are of one instant (§4.17).
  override func beginRead(at now: Int64) { update(now) }

  override func receive(_ byte: UInt8, at now: Int64) -> Bool {
    if expectsPointer {
      expectsPointer = false
      pointer = byte
      return true
    }
    update(now)
    let register = Int(pointer)
    pointer &+= 1
    switch register {
    case Register.interruptStatus...Register.lastOutput, Register.identity, Register.count...: break
    case Register.powerManagement1 where byte & Self.deviceReset != 0: reset(at: now)
    case Register.powerManagement1:
      // A chip that wakes begins its samples anew.
      if registers[register] & Self.sleep != 0, byte & Self.sleep == 0 { sampleStart = now }
      registers[register] = byte
    default: registers[register] = byte
    }
    return true
  }

  override func send(at now: Int64) -> UInt8 {
    let register = Int(pointer)
    pointer &+= 1
    switch register {
    case Register.firstOutput...Register.lastOutput: return outputs[register - Register.firstOutput]
    case Register.count...: return 0
    default: return registers[register]
    }
  }

  /// Takes over the sample that was due last. While asleep the outputs stay as they are.
  private func update(_ now: Int64) {
    guard registers[Register.powerManagement1] & Self.sleep == 0 else { return }
    // §4.2: 8 kHz without the low pass (DLPF_CFG 0 and 7), else 1 kHz, divided by 1 + SMPLRT_DIV.
    let filter = registers[Register.configuration] & 0b111
    let base: Int64 = filter == 0 || filter == 7 ? 125_000 : 1_000_000
    let period = base * (1 + Int64(registers[Register.sampleRateDivider]))
    let samples = (now - sampleStart) / period
    guard samples > 0 else { return }
    sampleStart += samples * period
    let sample = motion.withLock { $0 }
    // Each step of AFS_SEL and FS_SEL halves the sensitivity (§4.17, §4.19).
    let accelerometerRange = Double(1 << Int(registers[Register.accelerometerConfiguration] >> 3 & 0b11))
    let perGravity = 16_384 / accelerometerRange
    let perMetre = perGravity / MPU6050.standardGravity
    let sensitivities: InlineArray<4, Double> = [131, 65.5, 32.8, 16.4]
    let perDegree = sensitivities[Int(registers[Register.gyroscopeConfiguration] >> 3 & 0b11)]
    let perRadian = perDegree * 180 / .pi
    store(sample.accelerationMetresPerSecondSquared.x * perMetre, 0)
    store(sample.accelerationMetresPerSecondSquared.y * perMetre, 2)
    store(sample.accelerationMetresPerSecondSquared.z * perMetre, 4)
    store(Double(Self.roomTemperature), 6)
    store(sample.rotationRadiansPerSecond.x * perRadian, 8)
    store(sample.rotationRadiansPerSecond.y * perRadian, 10)
    store(sample.rotationRadiansPerSecond.z * perRadian, 12)
  }

  private func store(_ counts: Double, _ offset: Int) {
    let value = Int16(min(max(counts.rounded(), -32768), 32767))
    outputs[offset] = UInt8(truncatingIfNeeded: value >> 8)
    outputs[offset + 1] = UInt8(truncatingIfNeeded: value)
  }
}
