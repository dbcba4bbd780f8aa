import HandModel

/// Every chip of a board with its place on a bus, checked for two that would answer at the same address.
struct ChipPlacements {
  enum Kind: Equatable {
    case multiplexer, encoder, currentSensor, imu, pwm
    /// One input of a converter; the inputs of one chip share its address, its kind and its reference.
    case converter(ForceSensorChip?, input: Int?, referenceVolts: Double?)
  }
  private struct Placement {
    var kind: Kind
    var reader: MappingReader
    var name: String
    var bus: Int
    var port: MultiplexerPort?
    var address: Int
  }
  private var placements: [Placement] = []

  /// The PCA9685's ALLCALL address after power-up, which is also the TCA9548A's first (docs/hardware.md).
  private static let allCallAddress = 0x70

  /// Adds a chip. One whose place could not be read is left out: that error is reported already.
  mutating func add(
    _ kind: Kind, _ reader: MappingReader, name: String?, bus: Int?, port: MultiplexerPort? = nil,
    address: Int?
  ) {
    guard let bus, let address else { return }
    placements.append(
      Placement(kind: kind, reader: reader, name: name ?? "", bus: bus, port: port, address: address))
  }

  func check() {
    for (index, later) in placements.enumerated() {
      for earlier in placements[..<index] where later.bus == earlier.bus { check(later, earlier) }
      if later.kind == .pwm, later.address == Self.allCallAddress {
        later.reader.report(
          "address", found: "0x70", expected: "another address: 0x70 is the ALLCALL of every PCA9685")
      }
    }
  }

  private func check(_ later: Placement, _ earlier: Placement) {
    for (multiplexer, chip) in [(later, earlier), (earlier, later)]
    where multiplexer.kind == .multiplexer && chip.kind == .pwm
      && multiplexer.address == Self.allCallAddress && chip.address != Self.allCallAddress
    {
      multiplexer.reader.report(
        "address", found: "0x70 on the bus of PCA9685 \(chip.name), whose ALLCALL answers there",
        expected: "a multiplexer strapped to 0x71 or above")
    }
    guard later.address == earlier.address, canMeet(later.port, earlier.port) else { return }
    if case .converter(let chip, let input, let volts) = later.kind,
      case .converter(let otherChip, let other, let otherVolts) = earlier.kind,
      later.port == earlier.port
    {
      if let chip, let otherChip, chip != otherChip {
        later.reader.report(
          "chip", found: chip.rawValue,
          expected: "\(otherChip.rawValue), as \(earlier.name) at the same address has it")
      } else if volts != otherVolts {
        later.reader.report(
          "external_reference_volts", found: volts.map { "\($0)" } ?? "nothing",
          expected: "\(otherVolts.map { "\($0)" } ?? "nothing"), as \(earlier.name) on the same chip has it")
      } else if let input, input == other {
        later.reader.report(
          "input", found: "\(input), used by \(earlier.name)", expected: "an input no other force sensor uses"
        )
      }
      return
    }
    later.reader.report(
      "address",
      found: "0x\(String(later.address, radix: 16)), the address of \(earlier.name) on the same bus",
      expected: "an address of its own, or a multiplexer channel of its own")
  }

  /// Whether two chips can be on the wire at the same time. A chip on the bus itself meets every branch. Two
  /// branches never meet, because one channel of one multiplexer is selected at a time.
  private func canMeet(_ first: MultiplexerPort?, _ second: MultiplexerPort?) -> Bool {
    guard let first, let second else { return true }
    return first == second
  }
}

/// The PWM outputs that joints use, each checked to be used once.
struct OutputUses {
  let chips: [PWMChipSpec]
  private var used: Set<PWMOutput> = []

  init(chips: [PWMChipSpec]) {
    self.chips = chips
  }

  /// Reads the channel of `chip` under `key`.
  mutating func read(_ key: String, _ section: MappingReader, chip: Int?) -> PWMOutput {
    let channel = section.integer(key, in: Board.FileLimits.channels)
    let output = PWMOutput(chip: chip ?? 0, channel: channel ?? 0)
    if let chip, let channel, !used.insert(output).inserted {
      section.report(
        key, found: "\(channel) of \(chips[chip].name) again", expected: "a channel no other joint uses")
    }
    return output
  }

  /// Refuses a chip whose PWM frequency is too high or too low for a servo.
  func checkServoFrame(of chip: Int, _ section: MappingReader) {
    let range = Board.FileLimits.servoHertz
    guard !range.contains(chips[chip].frequencyHertz) else { return }
    section.report(
      "pwm", found: "\(chips[chip].name) at \(chips[chip].frequencyHertz) Hz",
      expected:
        "a chip whose frequency_hz a servo takes: \(Int(range.lowerBound)) to \(Int(range.upperBound))")
  }
}

/// Every GPIO line of a board, checked for one that would serve two purposes.
struct LineUses {
  private struct Use {
    var reader: MappingReader
    var chip: String
    var line: String
    var use: String
  }
  private var uses: [Use] = []

  mutating func add(_ reader: MappingReader, chip: String, line: String, use: String) {
    uses.append(Use(reader: reader, chip: chip, line: line, use: use))
  }

  func check() {
    for (index, later) in uses.enumerated() {
      guard let earlier = uses[..<index].first(where: { $0.chip == later.chip && $0.line == later.line })
      else { continue }
      later.reader.report(
        "line", found: "\(later.line), already \(earlier.use)", expected: "a line of its own for \(later.use)"
      )
    }
  }
}
