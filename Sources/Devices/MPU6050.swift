import HandModel

/// Driver of the InvenSense MPU6050, an accelerometer and gyroscope (register map RM-MPU-6000A rev. 4.2).
///
/// All values are read in one block. The chip freezes its registers while the bus is busy, so that a block
/// belongs to one instant (§4.17).
package final class MPU6050 {
  /// Address with AD0 low.
  package static let defaultAddress: UInt8 = 0x68
  /// Bytes of one sample: three accelerations, temperature, three rates.
  package static let sampleBytes = 14
  /// AFS_SEL 1: ± 4 g (§4.17), for an arm that moves the hand fast.
  package static let countsPerGravity = 8192.0
  /// FS_SEL 1: ± 500 °/s (§4.19).
  package static let countsPerDegreePerSecond = 65.5
  /// Standard gravity, m/s² (BIPM, SI brochure).
  package static let standardGravity = 9.80665

  /// Register map, section 3.
  enum Register: UInt8 {
    case sampleRateDivider = 0x19
    case configuration = 0x1A
    case gyroscopeConfiguration = 0x1B
    case accelerometerConfiguration = 0x1C
    case accelerometer = 0x3B
    case powerManagement1 = 0x6B
    case identity = 0x75
  }

  static let expectedIdentity: UInt8 = 0x68
  /// CLKSEL 1, awake: the gyroscope's oscillator is steadier than the chip's own (register 107).
  static let awake: UInt8 = 0x01

  /// The gyroscope's start from sleep (product specification).
  static let startNanoseconds: Int64 = 30_000_000

  private let port: DevicePort

  /// Sends nothing. `name` is the chip's name in the board file, for messages.
  package init(name: String, bus: any I2CBus, address: UInt8 = MPU6050.defaultAddress) {
    port = DevicePort(
      device: DeviceName(chip: "MPU6050", name: name), bus: bus, address: I2CAddress(address))
  }

  /// Refuses any chip but an MPU6050: WHO_AM_I holds 0x68 whatever AD0 says (register 117).
  package func identify() throws(DeviceError) {
    let found = try port.readRegister(Register.identity.rawValue)
    guard found == Self.expectedIdentity else {
      throw .wrongIdentity(
        port.device, register: Register.identity.rawValue, expected: UInt16(Self.expectedIdentity),
        found: UInt16(found))
    }
  }

  /// Wakes the chip and sets 1 kHz, 94 Hz low pass (DLPF_CFG 2: 3 ms late, §4.3), ± 4 g and ± 500 °/s; each
  /// is read back. Returns the time, on the bus's clock, from which samples have these ranges and the
  /// gyroscope runs.
  package func configure() throws(DeviceError) -> Int64 {
    // Awake first: a sleeping chip's other registers are not promised to take writes.
    try port.writeAndVerify(Register.powerManagement1.rawValue, Self.awake)
    try port.writeAndVerify(Register.sampleRateDivider.rawValue, 0)
    try port.writeAndVerify(Register.configuration.rawValue, 2)
    try port.writeAndVerify(Register.gyroscopeConfiguration.rawValue, 1 << 3)
    try port.writeAndVerify(Register.accelerometerConfiguration.rawValue, 1 << 3)
    return port.bus.timeNanoseconds + Self.startNanoseconds
  }

  /// Acceleration and rate of one instant; one block transfer.
  package func readSample() throws(DeviceError) -> InertialSample {
    var bytes = InlineArray<14, UInt8>(repeating: 0)
    var span = bytes.mutableSpan
    try port.readBlock(Register.accelerometer.rawValue, into: &span)
    func counts(_ offset: Int) -> Double {
      Double(Int16(bitPattern: UInt16(bytes[offset]) << 8 | UInt16(bytes[offset + 1])))
    }
    let acceleration = Self.standardGravity / Self.countsPerGravity
    let rate = Double.pi / 180 / Self.countsPerDegreePerSecond
    // Bytes 6 and 7 are the temperature.
    return InertialSample(
      accelerationMetresPerSecondSquared: Vector3(
        x: counts(0) * acceleration, y: counts(2) * acceleration, z: counts(4) * acceleration),
      rotationRadiansPerSecond: Vector3(x: counts(8) * rate, y: counts(10) * rate, z: counts(12) * rate))
  }

  /// Whether the chip is awake. After a brown-out it sleeps and repeats its last values. One byte transfer.
  package func readIsUsable() throws(DeviceError) -> Bool {
    try port.readRegister(Register.powerManagement1.rawValue) == Self.awake
  }
}
