import Devices
import HandModel

extension DeviceContract {
  /// One contract a chip, each at an address of its own, so that one bus can carry them all. Ten is the most that
  /// i2c-stub simulates: `modprobe i2c-stub chip_addr=0x06,0x36,0x40,0x41,0x44,0x48,0x4a,0x61,0x68,0x71`.
  package static let all = [
    mt6701, as5600, as5048B, ina226, ina219, ads1115, ads7830, pca9685, mpu6050, tca9548A,
  ]

  private static let as5600 = DeviceContract(
    chip: "AS5600", address: 0x36, source: "ams datasheet v1-06, figures 21 to 23",
    registers: [
      // Watchdog on, hysteresis 1 LSB: must survive a change of the filters.
      .bytes(from: 0x07, [0x20, 0x04]), .bytes(from: 0x0B, [0x20, 0x09, 0xFF]),
      .bytes(from: 0x1A, [0x40, 0x08, 0x00]),
    ]
  ) { bus, findings in
    let chip = AS5600(name: "contract", bus: bus, address: 0x36)
    findings.expect("raw angle", try chip.readRawAngle(), equals: 0x09FF)
    findings.expect(
      "magnet", try chip.readMagnet(),
      equals: MagnetHealth(status: 0x20, automaticGain: 0x40, magnitude: 0x0800))
    try chip.configure(slowFilter: .averaging2, fastFilterThreshold: .counts6)
    // SF = 11, FTH = 001.
    let configuration = try bus.readWordData(I2CAddress(0x36), register: 0x07).byteSwapped
    findings.expect("CONF", configuration, equals: 0x2704)
  }

  private static let as5048B = DeviceContract(
    chip: "AS5048B", address: 0x40, source: "ams datasheet v1-06, I2C register map: 8 bits, then 6",
    registers: [.bytes(from: 0xFA, [0x80, 0x01, 0x4E, 0x08, 0xC8, 0x2A])]
  ) { bus, findings in
    let chip = AS5048B(name: "contract", bus: bus, address: 0x40)
    findings.expect("angle", try chip.readAngle(), equals: 200 * 64 + 42)
    findings.expect(
      "diagnostics", try chip.readDiagnostics(),
      equals: AS5048BDiagnostics(flags: 0x01, automaticGain: 0x80, magnitude: 5000))
    findings.expect("flags", try chip.readFlags(), equals: 0x01)
  }

  private static let mt6701 = DeviceContract(
    chip: "MT6701", address: 0x06,
    source: "MagnTek datasheet: angle 13...6 in 0x03, 5...0 in 0x04 bits 7...2",
    registers: [.bytes(from: 0x03, [0xC8, 0xA8])]
  ) { bus, findings in
    findings.expect(
      "angle", try MT6701(name: "contract", bus: bus, address: 0x06).readAngle(), equals: 200 * 64 + 42)
  }

  private static let tca9548A = DeviceContract(
    chip: "TCA9548A", address: 0x71, source: "TI datasheet SCPS207, control register",
    registers: (0..<8).map { .bytes(from: 1 << $0, [1 << $0]) } + [.bytes(from: 0, [0])]
  ) { bus, findings in
    let chip = TCA9548A(name: "contract", bus: bus, address: 0x71)
    for channel in UInt8(0)..<8 {
      try chip.select(channel)
      findings.expect("control register", try chip.readBack(), equals: 1 << channel)
    }
    try chip.selectNone()
    findings.expect("control register", try chip.readBack(), equals: 0)
  }

  private static let ads1115 = DeviceContract(
    chip: "ADS1115", address: 0x48, source: "TI datasheet SBAS444, configuration register",
    registers: [.word(0x00, 0x4000), .word(0x01, 0x8583)]
  ) { bus, findings in
    let chip = ADS1115(name: "contract", bus: bus, address: 0x48)
    try chip.startConversion(input: 0)
    try findings.eventually("the end of the conversion") { try chip.isConversionReady() }
    let counts = try chip.readConversion()
    findings.expect("counts", counts, equals: 0x4000)
    findings.expect("volts", ADS1115.volts(counts), near: 2.048)
    // OS, AIN0 against ground, ± 4.096 V, single shot, 860 SPS, comparator off.
    let configuration = try bus.readWordData(I2CAddress(0x48), register: 0x01).byteSwapped
    findings.expect("configuration", configuration, equals: 0xC3E3)
  }

  /// Command bytes of CH0 to CH7, single-ended, reference and converter on.
  private static let ads7830Commands: [UInt8] = [0x8C, 0xCC, 0x9C, 0xDC, 0xAC, 0xEC, 0xBC, 0xFC]

  private static let ads7830 = DeviceContract(
    chip: "ADS7830", address: 0x4A, source: "TI datasheet SBAS302, command byte and channel selection",
    registers: ads7830Commands.enumerated().map { .bytes(from: $1, [UInt8(16 * $0)]) }
  ) { bus, findings in
    let chip = ADS7830(name: "contract", bus: bus, address: 0x4A)
    let ready = try chip.configure()
    try findings.eventually("the reference") {
      _ = try chip.readCounts(input: 0)
      return bus.timeNanoseconds >= ready
    }
    for input in UInt8(0)..<8 {
      findings.expect("input \(input)", try chip.readCounts(input: input), equals: 16 * input)
    }
    // 112 of 256 counts of 2.5 V.
    findings.expect("volts", try chip.readVolts(input: 7), near: 1.09375)
  }

  private static let ina226 = DeviceContract(
    chip: "INA226", address: 0x41, source: "TI datasheet SBOS547, design example: 2 mOhm, 10 A, 11.98 V",
    registers: [
      .word(0x00, 0x4127), .word(0x02, 9584), .word(0x04, 10_000), .word(0xFE, 0x5449), .word(0xFF, 0x2260),
    ]
  ) { bus, findings in
    let chip = try INA226(
      name: "contract", bus: bus, address: 0x41, shuntOhms: 0.002, maximumAmperes: 32.768)
    findings.expect("calibration", chip.calibration, equals: 2560)
    try chip.identify()
    try chip.configure()
    try findings.eventually("10 A") { try chip.readCurrentAmperes() == 10 }
    findings.expect("volts", try chip.readBusVolts(), near: 11.98)
    findings.expect("usable", try chip.readIsUsable(), equals: true)
  }

  private static let ina219 = DeviceContract(
    chip: "INA219", address: 0x44, source: "TI datasheet SBOS448F, table 3: 2 mOhm, 10 A, 11.98 V",
    // CNVR besides the table's bus voltage.
    registers: [.word(0x00, 0x399F), .word(0x02, 0x5D98 | 1 << 1), .word(0x04, 0x2710)]
  ) { bus, findings in
    let chip = try INA219(
      name: "contract", bus: bus, address: 0x44, shuntOhms: 0.002, maximumAmperes: 32.768)
    findings.expect("calibration", chip.calibration, equals: 0x5000)
    // 32 V, 80 mV, 12 bits twice, continuous.
    findings.expect("configuration", chip.configuration, equals: 0x299F)
    try chip.identify()
    try chip.configure()
    try findings.eventually("10 A") { try chip.readCurrentAmperes() == 10 }
    findings.expect("volts", try chip.readBusVolts(), near: 11.98)
    findings.expect("usable", try chip.readIsUsable(), equals: true)
  }

  private static let pca9685 = DeviceContract(
    chip: "PCA9685", address: 0x61, source: "NXP data sheet rev. 4, table 4 and equation 1",
    registers: [.bytes(from: 0x00, [0x11, 0x04]), .bytes(from: 0xFE, [0x1E])]
  ) { bus, findings in
    let chip = try PCA9685(name: "contract", bus: bus, address: 0x61, frequencyHertz: 50)
    _ = try chip.configure()
    let counts: InlineArray<3, UInt16> = [308, 0, 4096]
    try chip.setDuty(first: 4, counts: counts.span)
    let address = I2CAddress(0x61)
    // round(25 MHz / (4096 · 50 Hz)) − 1.
    findings.expect("PRE_SCALE", try bus.readByteData(address, register: 0xFE), equals: 121)
    // AI, awake; RESTART (bit 7) is the chip's own.
    findings.expect("MODE1", try bus.readByteData(address, register: 0x00) & 0x7F, equals: 0x20)
    findings.expect("MODE2", try bus.readByteData(address, register: 0x01), equals: 0x04)
    let expected: [UInt8] = [0, 0, 0x34, 0x01, 0, 0, 0, 0x10, 0, 0x10, 0, 0]
    for (offset, value) in expected.enumerated() {
      let register = UInt8(0x06 + 4 * 4 + offset)
      findings.expect(
        "register \(register)", try bus.readByteData(address, register: register), equals: value)
    }
    try chip.checkHealth()
  }

  private static let mpu6050 = DeviceContract(
    chip: "MPU6050", address: 0x68, source: "InvenSense register map rev. 4.2, sections 4.17 to 4.19",
    registers: [
      .bytes(from: 0x6B, [0x40]), .bytes(from: 0x75, [0x68]),
      // + 1 g, − 1 g, 0; 25 °C; + 100 °/s, − 100 °/s, 0.
      .bytes(
        from: 0x3B,
        [0x20, 0x00, 0xE0, 0x00, 0, 0, 0xF0, 0xB0, 0x19, 0x96, 0xE6, 0x6A, 0, 0]),
    ]
  ) { bus, findings in
    let chip = MPU6050(name: "contract", bus: bus, address: 0x68)
    try chip.identify()
    let ready = try chip.configure()
    try findings.eventually("the first sample") {
      _ = try chip.readSample()
      return bus.timeNanoseconds >= ready
    }
    let sample = try chip.readSample()
    findings.expect("x", sample.accelerationMetresPerSecondSquared.x, near: 9.80665)
    findings.expect("y", sample.accelerationMetresPerSecondSquared.y, near: -9.80665)
    findings.expect("z", sample.accelerationMetresPerSecondSquared.z, near: 0)
    findings.expect("x rate", sample.rotationRadiansPerSecond.x, near: 100 * Double.pi / 180)
    findings.expect("y rate", sample.rotationRadiansPerSecond.y, near: -100 * Double.pi / 180)
    findings.expect("z rate", sample.rotationRadiansPerSecond.z, near: 0)
    findings.expect("awake", try chip.readIsUsable(), equals: true)
  }
}
