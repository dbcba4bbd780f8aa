import HandModel
import PrimalLogic

extension Board {
  /// Reads a board from the text of its YAML file. `file` is the name that errors carry.
  ///
  /// Throws all errors of the file at once; docs/board-file.md has keys, units and limits.
  package init(yaml: String, file: String) throws(ConfigurationErrors) {
    let diagnostics = ConfigurationDiagnostics(file: file)
    guard let root = YAMLDocument.compose(yaml, diagnostics),
      let reader = MappingReader([(root, "")], diagnostics)
    else {
      try diagnostics.throwIfAny()
      preconditionFailure("a document that cannot be read has been reported")
    }
    guard FileKind.board.accepts(reader) else {
      try diagnostics.throwIfAny()
      preconditionFailure("what is not accepted has been reported")
    }
    var board = BoardFileReader(reader: reader)
    self = board.read()
    reader.finish()
    board.placements.check()
    board.lines.check()
    try diagnostics.throwIfAny()
  }
}

/// Turns the mappings of a board file into a `Board`, resolving names to indices.
struct BoardFileReader {
  let reader: MappingReader
  var placements = ChipPlacements()
  var lines = LineUses()
  private var isLinux = false
  private var busNames: [String?] = []
  private var multiplexerNames: [String?] = []
  private var multiplexerBuses: [Int?] = []

  private enum MultiplexerChip: String, CaseIterable { case tca9548a = "TCA9548A" }
  private enum PWMChip: String, CaseIterable { case pca9685 = "PCA9685", sysfs }

  init(reader: MappingReader) {
    self.reader = reader
  }

  mutating func read() -> Board {
    let name = reader.name("name") ?? ""
    let platform: Board.Platform = reader.choice("platform") ?? .simulated
    isLinux = platform == .linux
    let control = reader.section("control").map(readControl)
    let buses = readBuses()
    let multiplexers = readMultiplexers()
    let encoders = readEncoders()
    let currentSensors = readCurrentSensors()
    // Joints come before the force sensors of the file, which name them.
    let forceReaders = reader.list("force_sensors", count: 0...Board.FileLimits.chips)
    let imus = readIMUs()
    let pwmChips = readPWMChips()
    let jointReaders = reader.list("joints", count: 1...maximumJoints)
    let jointNames = uniqueNames(of: jointReaders, kind: "joint")
    let forceSensors = readForceSensors(forceReaders, jointNames: jointNames)
    let joints = readJoints(
      jointReaders, names: jointNames, encoders: encoders, currentSensors: currentSensors, pwmChips: pwmChips)
    let driveEnable = readDriveEnable()
    let eStopLine = readLine(reader, key: "e_stop_line", use: "the e-stop line", restsActive: true)
    let recordingMode = reader.has("recording") ? reader.section("recording").map(readRecording) : nil
    return Board(
      name: name, platform: platform, control: control ?? Self.noControl, buses: buses,
      multiplexers: multiplexers, encoders: encoders, currentSensors: currentSensors,
      forceSensors: forceSensors, imus: imus, pwmChips: pwmChips, joints: joints, driveEnable: driveEnable,
      eStopLine: eStopLine, recordingMode: recordingMode ?? .full)
  }

  private func readRecording(_ section: MappingReader) -> RecordingMode {
    defer { section.finish() }
    return section.choice("mode") ?? .full
  }

  // MARK: Control

  /// Stands in for a control section that could not be read.
  private static let noControl = ControlSettings(
    rateHertz: 1, windowTicks: 1, uncertifiedBudgetTicks: 0, commandTimeoutNanoseconds: 0,
    staleSampleNanoseconds: 0, overrunBudgetTicks: 0)

  private func readControl(_ section: MappingReader) -> ControlSettings {
    var settings = Self.noControl
    var isWindowKnown = false
    let rate = section.integer("rate_hz", in: Board.FileLimits.rateHertz)
    if let rate {
      if 1_000_000_000 % rate != 0 {
        section.report(
          "rate_hz", found: "\(rate)",
          expected: "a divisor of 1000000000, so that a period is whole nanoseconds")
      }
      settings.rateHertz = rate
    }
    if let seconds = section.number("window_seconds", Board.FileLimits.windowSeconds), let rate {
      let ticks = (seconds * Double(rate)).rounded()
      // A relative tolerance, because 0.7 s · 1000 Hz is not 700 in binary.
      if abs(ticks - seconds * Double(rate)) > 1e-9 * ticks || ticks < 1 {
        section.report(
          "window_seconds", found: "\(seconds)", expected: "a whole number of ticks at \(rate) Hz")
      }
      settings.windowTicks = max(1, Int(ticks))
      isWindowKnown = true
    }
    // Without a window, any budget passes that the longest window could hold: the window's own
    // error is reported.
    let budget = 0...(isWindowKnown ? settings.windowTicks : Board.FileLimits.windowTicks)
    settings.uncertifiedBudgetTicks =
      section.integer("uncertified_budget_ticks", in: budget) ?? 0
    settings.overrunBudgetTicks = section.integer("overrun_budget_ticks", in: budget) ?? 0
    settings.commandTimeoutNanoseconds = nanoseconds(
      section, "command_timeout_ms", Board.FileLimits.timeoutMilliseconds, rate: rate)
    settings.staleSampleNanoseconds = nanoseconds(
      section, "stale_sample_ms", Board.FileLimits.staleMilliseconds, rate: rate)
    section.finish()
    return settings
  }

  /// A time-out in milliseconds, at least one tick: a shorter one would have passed in every tick.
  private func nanoseconds(
    _ section: MappingReader, _ key: String, _ range: NumberRange, rate: Int?
  ) -> Int64 {
    guard let milliseconds = section.number(key, range) else { return 0 }
    if let rate, milliseconds * Double(rate) < 1000 {
      section.report(key, found: "\(milliseconds)", expected: "at least one tick (\(1000 / Double(rate)) ms)")
    }
    return Int64((milliseconds * 1e6).rounded())
  }

  // MARK: Chips

  /// The names of a list's entries, nil where wrong; a name used before is reported.
  private func uniqueNames(of readers: [MappingReader], kind: String) -> [String?] {
    var names: [String?] = []
    for reader in readers {
      let name = reader.name("name")
      if let name, names.contains(name) {
        reader.report("name", found: "\(name) again", expected: "a name no other \(kind) has")
      }
      names.append(name)
    }
    return names
  }

  private mutating func readBuses() -> [BusSpec] {
    let readers = reader.list("buses", count: Board.FileLimits.buses)
    busNames = uniqueNames(of: readers, kind: "bus")
    return zip(readers, busNames).map { reader, name in
      let overhead = reader.number("transfer_overhead_us", Board.FileLimits.overheadMicroseconds) ?? 0
      let bus = BusSpec(
        name: name ?? "", device: reader.text("device", required: isLinux) ?? "",
        clockHertz: reader.integer("clock_hz", in: Board.FileLimits.clockHertz) ?? 1,
        transferOverheadNanoseconds: Int64((overhead * 1000).rounded()),
        recovery: readRecovery(reader, bus: name ?? "a bus"))
      reader.finish()
      return bus
    }
  }

  private mutating func readRecovery(_ reader: MappingReader, bus: String) -> BusRecoveryLines? {
    guard reader.has("recovery"), let section = reader.section("recovery") else { return nil }
    let lines = BusRecoveryLines(
      clock: readLine(section, key: "scl_line", use: "SCL of \(bus)"),
      data: readLine(section, key: "sda_line", use: "SDA of \(bus)"))
    section.finish()
    return lines
  }

  private func readBus(_ reader: MappingReader) -> Int? {
    reader.reference("bus", to: busNames, kind: "a bus")
  }

  private mutating func readMultiplexers() -> [MultiplexerSpec] {
    let readers = reader.list("multiplexers", count: 0...Board.FileLimits.chips)
    multiplexerNames = uniqueNames(of: readers, kind: "multiplexer")
    return zip(readers, multiplexerNames).map { reader, name in
      let _: MultiplexerChip? = reader.choice("chip")
      let bus = readBus(reader)
      let address = reader.integer("address", in: MultiplexerSpec.addresses, hexadecimal: true)
      reader.finish()
      multiplexerBuses.append(bus)
      placements.add(.multiplexer, reader, name: name, bus: bus, address: address)
      return MultiplexerSpec(name: name ?? "", bus: bus ?? 0, address: UInt8(address ?? 0))
    }
  }

  /// `multiplexer` and `channel`, both or neither. `isKnown` is false when there is a port but a wrong one.
  private func readPort(
    _ reader: MappingReader, bus: Int?
  ) -> (port: MultiplexerPort?, isKnown: Bool) {
    let isBehindMultiplexer = reader.has("multiplexer")
    let hasChannel = reader.has("channel")
    guard isBehindMultiplexer || hasChannel else { return (nil, true) }
    let multiplexer = reader.reference("multiplexer", to: multiplexerNames, kind: "a multiplexer")
    let channel = reader.integer("channel", in: 0...7)
    guard let multiplexer, let channel else { return (nil, false) }
    if let bus, let other = multiplexerBuses[multiplexer], other != bus {
      reader.report(
        "multiplexer", found: "\(multiplexerNames[multiplexer] ?? "") on bus \(busNames[other] ?? "")",
        expected: "a multiplexer on the chip's own bus \(busNames[bus] ?? "")")
    }
    return (MultiplexerPort(multiplexer: multiplexer, channel: UInt8(channel)), true)
  }

  private mutating func readEncoders() -> [EncoderSpec] {
    let readers = reader.list("encoders", count: 1...Board.FileLimits.chips)
    return zip(readers, uniqueNames(of: readers, kind: "encoder")).map { reader, name in
      let chip: EncoderChip? = reader.choice("chip")
      let bus = readBus(reader)
      let (port, isPortKnown) = readPort(reader, bus: bus)
      // Without a known chip the widest range passes: the chip's own error is reported.
      let addresses = (chip ?? .as5600L).addresses
      let address = reader.integer("address", in: addresses, hexadecimal: true)
      reader.finish()
      placements.add(.encoder, reader, name: name, bus: isPortKnown ? bus : nil, port: port, address: address)
      return EncoderSpec(
        name: name ?? "", chip: chip ?? .as5600, bus: bus ?? 0, port: port, address: UInt8(address ?? 0))
    }
  }

  private mutating func readCurrentSensors() -> [CurrentSensorSpec] {
    let readers = reader.list("current_sensors", count: 0...Board.FileLimits.chips)
    return zip(readers, uniqueNames(of: readers, kind: "current sensor")).map { reader, name in
      let chip: CurrentSensorChip? = reader.choice("chip")
      let bus = readBus(reader)
      let (port, isPortKnown) = readPort(reader, bus: bus)
      let address = reader.integer("address", in: (chip ?? .ina226).addresses, hexadecimal: true)
      let shunt = reader.number("shunt_ohms", Board.FileLimits.shuntOhms)
      let amperes = reader.number("maximum_amperes", Board.FileLimits.amperes)
      // 1 µV is less than any chip resolves: 0.1 Ω times 3.2 A is not 320 mV in binary.
      if let chip, let shunt, let amperes, shunt * amperes > chip.shuntFullScaleVolts + 1e-6 {
        let measurable = chip.shuntFullScaleVolts / shunt
        reader.report(
          "maximum_amperes", found: "\(amperes)",
          expected: "at most \(measurable) A, the \(chip.rawValue)'s full scale of "
            + "\(chip.shuntFullScaleVolts * 1000) mV over \(shunt) ohms")
      }
      reader.finish()
      placements.add(
        .currentSensor, reader, name: name, bus: isPortKnown ? bus : nil, port: port, address: address)
      return CurrentSensorSpec(
        name: name ?? "", chip: chip ?? .ina226, bus: bus ?? 0, port: port, address: UInt8(address ?? 0),
        shuntOhms: shunt ?? 1, maximumAmperes: amperes ?? 1)
    }
  }

  private mutating func readForceSensors(
    _ readers: [MappingReader], jointNames: [String?]
  ) -> [ForceSensorSpec] {
    var usedJoints: Set<Int> = []
    return zip(readers, uniqueNames(of: readers, kind: "force sensor")).map { reader, name in
      let chip: ForceSensorChip? = reader.choice("chip")
      let bus = readBus(reader)
      let (port, isPortKnown) = readPort(reader, bus: bus)
      let address = reader.integer("address", in: (chip ?? .ads7830).addresses, hexadecimal: true)
      let inputs = (chip ?? .ads7830).inputCount
      let input = reader.integer("input", in: 0...inputs - 1)
      let scale = reader.number("newtons_per_volt", Board.FileLimits.newtonsPerVolt)
      var reference: Double?
      if chip == .ads7830, reader.has("external_reference_volts") {
        reference = reader.number("external_reference_volts", Board.FileLimits.referenceVolts)
      }
      let joint = reader.reference("joint", to: jointNames, kind: "a joint")
      if let joint, !usedJoints.insert(joint).inserted {
        reader.report(
          "joint", found: "\(jointNames[joint] ?? "") again", expected: "a joint without another force sensor"
        )
      }
      reader.finish()
      placements.add(
        .converter(chip, input: input, referenceVolts: reference), reader, name: name,
        bus: isPortKnown ? bus : nil, port: port, address: address)
      return ForceSensorSpec(
        name: name ?? "", chip: chip ?? .ads1115, bus: bus ?? 0, port: port, address: UInt8(address ?? 0),
        input: UInt8(input ?? 0), newtonsPerVolt: scale ?? 1, joint: joint ?? 0,
        externalReferenceVolts: reference)
    }
  }

  private mutating func readIMUs() -> [IMUSpec] {
    let readers = reader.list("imus", count: 0...1)
    return readers.map { reader in
      let name = reader.name("name")
      let chip: IMUChip? = reader.choice("chip")
      let bus = readBus(reader)
      let (port, isPortKnown) = readPort(reader, bus: bus)
      let address = reader.integer("address", in: (chip ?? .mpu6050).addresses, hexadecimal: true)
      reader.finish()
      placements.add(.imu, reader, name: name, bus: isPortKnown ? bus : nil, port: port, address: address)
      return IMUSpec(
        name: name ?? "", chip: chip ?? .mpu6050, bus: bus ?? 0, port: port, address: UInt8(address ?? 0))
    }
  }

  private mutating func readPWMChips() -> [PWMChipSpec] {
    let readers = reader.list("pwm_chips", count: 1...Board.FileLimits.chips)
    return zip(readers, uniqueNames(of: readers, kind: "PWM chip")).map { reader, name in
      defer { reader.finish() }
      let kind: PWMChip? = reader.choice("chip")
      if kind == .sysfs {
        let device = reader.text("device", required: isLinux)
        let frequency = reader.number("frequency_hz", Board.FileLimits.sysfsHertz)
        return PWMChipSpec(
          name: name ?? "", chip: .sysfs(device: device ?? ""), frequencyHertz: frequency ?? 1)
      }
      let bus = readBus(reader)
      let address = reader.integer("address", in: PCA9685Facts.addresses, hexadecimal: true)
      let frequency = reader.number("frequency_hz", Board.FileLimits.pwmHertz)
      let oscillator = reader.number("oscillator_hz", Board.FileLimits.oscillatorHertz)
      if let frequency, let oscillator {
        let prescale = PCA9685Facts.prescale(oscillatorHertz: oscillator, frequencyHertz: frequency)
        let possible = PCA9685Facts.prescales
        if !possible.contains(prescale) {
          reader.report(
            "frequency_hz", found: "\(frequency) (prescale \(Int(prescale)))",
            expected: "a prescale value from \(Int(possible.lowerBound)) to \(Int(possible.upperBound)) "
              + "at this oscillator")
        }
      }
      placements.add(.pwm, reader, name: name, bus: bus, address: address)
      return PWMChipSpec(
        name: name ?? "",
        chip: .pca9685(bus: bus ?? 0, address: UInt8(address ?? 0), oscillatorHertz: oscillator ?? 1),
        frequencyHertz: frequency ?? 1)
    }
  }

  // MARK: Lines

  /// `kill_line` names the line by what its rest does, and invites to set it active to stop: the opposite of
  /// what it does.
  private mutating func readDriveEnable() -> LineSpec {
    let old = "kill_line"
    guard reader.has(old) else {
      return readLine(reader, key: "drive_enable", use: "the drive-enable line", restsActive: false)
    }
    reader.report(
      old, found: old, expected: "drive_enable: the line is active while the outputs may act")
    return LineSpec(chip: "", line: "", activeLow: false, bias: .none)
  }

  /// Reads a line. `restsActive` is what an unconnected wire must read as, where that matters: a drive-enable
  /// line at rest switches off, an e-stop line with a broken wire stops. A bias of `none` leaves it to a
  /// resistor on the board.
  mutating func readLine(
    _ parent: MappingReader, key: String, use: String, restsActive: Bool? = nil
  ) -> LineSpec {
    guard let section = parent.section(key) else {
      return LineSpec(chip: "", line: "", activeLow: false, bias: .none)
    }
    let chip = section.text("chip", required: isLinux)
    let line = section.text("line", required: true)
    let activeLow = section.boolean("active_low", default: false)
    let bias: LineSpec.Bias? = section.choice("bias", default: LineSpec.Bias.none)
    if let restsActive, let activeLow, let bias, bias != .none,
      restsActive != ((bias == .pullUp) != activeLow)
    {
      let safe = restsActive != activeLow ? LineSpec.Bias.pullUp : .pullDown
      section.report(
        "bias", found: bias.rawValue,
        expected:
          "\(safe.rawValue), so that a broken wire of \(use) \(restsActive ? "stops" : "switches off")")
    }
    section.finish()
    if let chip, let line { lines.add(section, chip: chip, line: line, use: use) }
    return LineSpec(
      chip: chip ?? "", line: line ?? "", activeLow: activeLow ?? false, bias: bias ?? .none)
  }
}
