import Devices
import HandModel

/// What `motorhand check` finds of a board on this machine. It writes to no chip and claims no line. Opening
/// a bus sets the time-out and the retries of its adapter (`LinuxI2CBus`), which stay until reboot.
package struct MachineReport: Codable, Sendable {
  /// What was found of a part.
  package enum State: String, Codable, Sendable {
    case found
    case missing
    case busy
    case denied
    case unsuitable
    /// Cannot be seen without writing to a chip; the daemon's self-test does that.
    case unseen
  }
  /// Something that the board file names.
  package struct Part: Codable, Sendable, Equatable {
    /// Kind and name, such as `AS5600 index-proximal`.
    package var part: String
    /// Where the board file puts it.
    package var place: String
    package var state: State
    /// What was found.
    package var found: String
    /// What to do; empty when there is nothing to be done.
    package var remedy: String
  }

  package private(set) var parts: [Part] = []

  /// Whether the hand can be started: nothing is missing, busy, denied or unsuitable.
  package var isComplete: Bool { parts.allSatisfy { $0.state == .found || $0.state == .unseen } }

  /// Looks for everything that the board names.
  package init(board: Board, in tree: SystemTree = .machine) {
    for (index, spec) in board.buses.enumerated() { addBus(index, spec, board, in: tree) }
    let inventory = GPIOChip.all(in: tree)
    for use in board.lineUses {
      addLine(use.spec, use.purpose, stopsHand: use.role.stopsHand, among: inventory, in: tree)
    }
    for spec in board.pwmChips { addPWMChip(spec, board, in: tree) }
    for bus in board.buses {
      guard let lines = bus.recovery else { continue }
      for (line, wire) in [(lines.clock, "SCL"), (lines.data, "SDA")] {
        // The adapter holds the line until recovery unbinds it. A strict pin controller shows it as held.
        addLine(line, "\(wire) of \(bus.name), for recovery", isShared: true, among: inventory, in: tree)
      }
    }
  }

  // MARK: Buses and chips

  private mutating func addBus(_ index: Int, _ spec: BusSpec, _ board: Board, in tree: SystemTree) {
    let bus: LinuxI2CBus
    do throws(HardwareError) {
      bus = try LinuxI2CBus(name: spec.name, device: spec.device, in: tree)
    } catch {
      add("bus \(spec.name)", spec.device, error)
      for chip in board.chips(on: index) {
        parts.append(
          Part(
            part: chip.name, place: chip.place(on: spec.name), state: .missing,
            found: "bus \(spec.name) cannot be used", remedy: ""))
      }
      return
    }
    if let clock = bus.adapter.deviceTreeClockHertz(in: tree), clock != spec.clockHertz {
      parts.append(
        Part(
          part: "bus \(spec.name)", place: spec.device, state: .unsuitable,
          found: "\(bus.adapter) is set to \(clock) Hz, the board file counts on \(spec.clockHertz) Hz",
          remedy: "set its clock by the configuration lines at the top of the board file, or correct clock_hz"
        ))
    } else {
      parts.append(
        Part(
          part: "bus \(spec.name)", place: spec.device, state: .found, found: bus.adapter.description,
          remedy: ""))
    }
    for chip in board.chips(on: index) { parts.append(probe(chip, bus, spec, in: tree)) }
  }

  private func probe(_ chip: ChipPlace, _ bus: LinuxI2CBus, _ spec: BusSpec, in tree: SystemTree) -> Part {
    var part = Part(
      part: chip.name, place: chip.place(on: spec.name), state: .found, found: "answers", remedy: "")
    guard chip.port == nil else {
      part.state = .unseen
      part.found = "behind a multiplexer, which would have to be written to; the daemon's self-test looks"
      return part
    }
    do throws(I2CError) {
      // A read without a register: no chip takes it for a command. Not a zero-length transfer, because
      // DesignWare adapters refuse those.
      _ = try bus.readByte(I2CAddress(chip.address))
    } catch {
      part.found = error.description
      switch error.failure {
      case .nack:
        part.state = .missing
        part.remedy = "check its power, wires, pull-ups and address straps (motorhand scan shows who answers)"
      case .addressClaimed:
        part.state = .busy
        part.remedy =
          "echo \(bus.adapter.number)-\(hex4(chip.address)) > /sys/bus/i2c/drivers/\(error.kernelDriver ?? "NAME")/unbind "
          + "as root, or move the chip to another address"
      case .arbitrationLost, .busFault, .busError:
        part.state = .unsuitable
        part.remedy = "free the bus: motorhand recover BOARD \(spec.name)"
      }
    }
    return part
  }

  private func hex4(_ address: UInt8) -> String {
    let digits = String(address, radix: 16)
    return String(repeating: "0", count: 4 - digits.count) + digits
  }

  // MARK: Lines

  private mutating func addLine(
    _ spec: LineSpec, _ purpose: String, isShared: Bool = false, stopsHand: Bool = false,
    among inventory: GPIOChip.Inventory, in tree: SystemTree
  ) {
    let place = "\(spec.chip) \(spec.line)"
    do throws(HardwareError) {
      let location = try GPIOLocation.find(spec, among: inventory, in: tree)
      if stopsHand { try location.requireImmediate(spec) }
      var part = Part(
        part: purpose, place: place, state: .found, found: "\(location.node) offset \(location.offset)",
        remedy: "")
      // A running daemon holds its own lines.
      if let consumer = location.consumer, !isShared, !consumer.hasPrefix(GPIOLine.consumerPrefix) {
        part.state = .busy
        part.found += ", held by \(consumer)"
        part.remedy = "end that program or remove its overlay, or choose another line"
      }
      parts.append(part)
    } catch {
      add(purpose, place, error)
    }
  }

  private mutating func addPWMChip(_ spec: PWMChipSpec, _ board: Board, in tree: SystemTree) {
    guard case .sysfs(let device) = spec.chip else { return }
    let part = "PWM chip \(spec.name)"
    do throws(HardwareError) {
      let chip = try PWMChip.find(device, part: part, in: tree)
      let outputs = board.kernelOutputs.filter { board.pwmChips[$0.chip] == spec }
      if let beyond = outputs.first(where: { $0.channel >= chip.channelCount }) {
        throw HardwareError(
          .missing, part: part, found: "no channel \(beyond.channel), only 0 to \(chip.channelCount - 1)",
          remedy: "correct channel")
      }
      parts.append(
        Part(
          part: part, place: device, state: .found,
          found: "\(chip.devicePath), \(chip.channelCount) channels", remedy: ""))
    } catch {
      add(part, device, error)
    }
  }

  private mutating func add(_ part: String, _ place: String, _ error: HardwareError) {
    let state: State =
      switch error.kind {
      case .missing: .missing
      case .busy: .busy
      case .denied: .denied
      case .unsuitable: .unsuitable
      }
    parts.append(Part(part: part, place: place, state: state, found: error.found, remedy: error.remedy))
  }
}
