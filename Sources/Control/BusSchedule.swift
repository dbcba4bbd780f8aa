import Devices
import HandModel

/// The static cyclic table of one bus: what is transferred in which order each tick, and what it costs.
///
/// Encoders are read every tick, ordered by multiplexer and channel; slower readings share one round-robin
/// slot; PWM chips are written every tick. The budget follows docs/hardware.md (bus time budget).
package struct BusSchedule: Sendable, Equatable {
  /// A reading that shares the round-robin slot. Payloads are indices of the board.
  package enum Slow: Sendable, Equatable {
    /// The current of a joint's motor.
    case current(sensor: Int, joint: Int)
    /// The contact force at a joint's fingertip.
    case force(sensor: Int, joint: Int)
    /// A sample of the hand's inertial sensor.
    case inertial(sensor: Int)
    /// What an encoder's chip says of its magnet and its measurement.
    case encoderHealth(encoder: Int)
    /// Whether a current sensor has kept its calibration and its range.
    case currentHealth(sensor: Int)
    /// Whether an inertial sensor is still awake.
    case inertialHealth(sensor: Int)
    /// Whether a PWM chip has kept its configuration.
    case pwmHealth(chip: Int)
  }

  /// An encoder that is read in every cycle. Indices of the board.
  package struct EncoderSlot: Sendable, Equatable {
    /// Index of the encoder.
    package var encoder: Int
    /// Index of the joint whose angle it measures.
    package var joint: Int
    /// Nil where it is on the bus itself.
    package var port: MultiplexerPort?
  }

  /// Channels of a PWM chip that one block write carries in every cycle.
  package struct PWMSlot: Sendable, Equatable {
    /// Index of the board.
    package var chip: Int
    /// First channel of the block, from 0.
    package var firstChannel: Int
    /// Channels of the block, 1 to `PCA9685.channelsPerBlock`.
    package var channelCount: Int
    /// Joint of each channel from `firstChannel` on; nil = unused, written as off.
    package var joints: [Int?]
  }

  /// Index of the board.
  package var bus: Int
  /// In the order of reading.
  package var encoders: [EncoderSlot] = []
  /// One of them a cycle, in turn.
  package var slow: [Slow] = []
  /// In the order of writing.
  package var pwm: [PWMSlot] = []
  /// Wire and software time of the sampling part of a cycle.
  package var samplingNanoseconds: Int64 = 0
  /// Wire and software time of the actuating part of a cycle.
  package var actuatingNanoseconds: Int64 = 0

  /// Both parts together.
  package var cycleNanoseconds: Int64 { samplingNanoseconds + actuatingNanoseconds }
}

/// One line of a bus's arithmetic: how often, what, how long.
package struct BusCost: Sendable, Equatable {
  /// What is transferred, in words for people.
  package var what: String
  /// Transfers a cycle.
  package var count: Int
  /// Bits of one on the wire.
  package var bits: Int
  /// Wire and software time of one.
  package var nanosecondsEach: Int64
  package var nanoseconds: Int64 { nanosecondsEach * Int64(count) }
}

/// The schedule of all buses of a board with its arithmetic.
package struct BusPlan: Sendable, Equatable {
  /// Above this share of the period a schedule is refused: the rest is for retries and for a clock that is
  /// slower than set (docs/hardware.md).
  package static let largestLoad = 0.7

  /// One a bus, in the board's order; its arithmetic likewise.
  package var schedules: [BusSchedule]
  package var costs: [[BusCost]]
  package var periodNanoseconds: Int64

  /// Plans every bus of the board. One that cannot serve the board's rate gets a schedule too: see
  /// `overloaded`.
  package init(_ board: Board) {
    periodNanoseconds = board.control.periodNanoseconds
    schedules = board.buses.indices.map { BusSchedule(bus: $0) }
    costs = board.buses.map { _ in [] }
    for (joint, wiring) in board.joints.enumerated() {
      let encoder = board.encoders[wiring.encoder]
      schedules[encoder.bus].encoders.append(
        .init(encoder: wiring.encoder, joint: joint, port: encoder.port))
    }
    for (joint, wiring) in board.joints.enumerated() {
      guard let sensor = wiring.currentSensor else { continue }
      schedules[board.currentSensors[sensor].bus].slow.append(.current(sensor: sensor, joint: joint))
    }
    for (sensor, spec) in board.forceSensors.enumerated() {
      schedules[spec.bus].slow.append(.force(sensor: sensor, joint: spec.joint))
    }
    for (sensor, spec) in board.imus.enumerated() {
      schedules[spec.bus].slow += [.inertial(sensor: sensor), .inertialHealth(sensor: sensor)]
    }
    for wiring in board.joints where board.encoders[wiring.encoder].chip.reportsHealth {
      let bus = board.encoders[wiring.encoder].bus
      schedules[bus].slow.append(.encoderHealth(encoder: wiring.encoder))
    }
    for wiring in board.joints {
      guard let sensor = wiring.currentSensor else { continue }
      schedules[board.currentSensors[sensor].bus].slow.append(.currentHealth(sensor: sensor))
    }
    for (chip, spec) in board.pwmChips.enumerated() {
      guard let bus = spec.bus else { continue }
      schedules[bus].slow.append(.pwmHealth(chip: chip))
      schedules[bus].pwm += Self.pwmSlots(chip: chip, board)
    }
    for bus in schedules.indices {
      schedules[bus].encoders.sort { Self.order($0.port) < Self.order($1.port) }
      price(bus, board)
    }
  }

  /// Ticks from one reading of the joint's current to the next: the round of its bus. 0 = it has no sensor.
  package func currentReadingTicks(joint: Int) -> Int {
    for schedule in schedules {
      for case .current(_, joint) in schedule.slow { return schedule.slow.count }
    }
    return 0
  }

  private static func order(_ port: MultiplexerPort?) -> Int {
    port.map { ($0.multiplexer + 1) * 8 + Int($0.channel) } ?? 0
  }

  private static func pwmSlots(chip: Int, _ board: Board) -> [BusSchedule.PWMSlot] {
    var jointOfChannel = [Int?](repeating: nil, count: 16)
    for (joint, wiring) in board.joints.enumerated() {
      for output in wiring.actuator.outputs where output.chip == chip {
        jointOfChannel[output.channel] = joint
      }
    }
    guard let first = jointOfChannel.firstIndex(where: { $0 != nil }),
      let last = jointOfChannel.lastIndex(where: { $0 != nil })
    else { return [] }
    return stride(from: first, through: last, by: PCA9685.channelsPerBlock).map { start in
      let count = min(PCA9685.channelsPerBlock, last - start + 1)
      return .init(
        chip: chip, firstChannel: start, channelCount: count,
        joints: Array(jointOfChannel[start..<start + count]))
    }
  }

  private mutating func price(_ bus: Int, _ board: Board) {
    let spec = board.buses[bus]
    func cost(_ what: String, _ count: Int, bits: Int) -> BusCost {
      let wire = Int64((Double(bits) * 1e9 / Double(spec.clockHertz)).rounded(.up))
      return BusCost(
        what: what, count: count, bits: bits, nanosecondsEach: wire + spec.transferOverheadNanoseconds)
    }
    var lines: [BusCost] = []
    let schedule = schedules[bus]
    // One channel in use is selected once and stays selected; several are selected anew each cycle.
    let ports = Self.distinct(schedule.encoders.compactMap(\.port))
    let allPorts = Self.distinct(ports + schedule.slow.compactMap { Self.port(of: $0, board) })
    let multiplexers = Set(allPorts.map(\.multiplexer)).count
    if allPorts.count > 1, !ports.isEmpty {
      lines.append(cost("multiplexer select", ports.count, bits: TransferBits.sendByte))
      // Before another multiplexer is opened, the one before is closed.
      if multiplexers > 1 {
        lines.append(cost("multiplexer close", multiplexers, bits: TransferBits.sendByte))
      }
    }
    if !schedule.encoders.isEmpty {
      lines.append(cost("encoder read word", schedule.encoders.count, bits: TransferBits.readWordData))
    }
    // One reading a cycle, in turn: the dearest of them, with its selection, must fit.
    let readings = schedule.slow.map { entry in
      let (what, count, bits) = Self.transfers(of: entry, board)
      let select = cost("select for round-robin", multiplexers > 1 ? 2 : 1, bits: TransferBits.sendByte)
      return (allPorts.count > 1 && Self.port(of: entry, board) != nil ? [select] : [])
        + [cost("round-robin \(what)", count, bits: bits)]
    }
    func sum(_ costs: [BusCost]) -> Int64 { costs.reduce(0) { $0 + $1.nanoseconds } }
    lines += readings.max { sum($0) < sum($1) } ?? []
    schedules[bus].samplingNanoseconds = sum(lines)
    for slot in schedule.pwm {
      let line = cost(
        "PWM block of \(slot.channelCount) channels", 1,
        bits: TransferBits.writeBlock(4 * slot.channelCount))
      schedules[bus].actuatingNanoseconds += line.nanoseconds
      lines.append(line)
    }
    costs[bus] = lines
  }

  private static func distinct(_ ports: [MultiplexerPort]) -> [MultiplexerPort] {
    ports.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }

  /// The multiplexer's channel that the reading's chip is behind; nil where it is on the bus itself.
  package static func port(of slow: BusSchedule.Slow, _ board: Board) -> MultiplexerPort? {
    switch slow {
    case .current(let sensor, _): board.currentSensors[sensor].port
    case .force(let sensor, _): board.forceSensors[sensor].port
    case .inertial(let sensor), .inertialHealth(let sensor): board.imus[sensor].port
    case .encoderHealth(let encoder): board.encoders[encoder].port
    case .currentHealth(let sensor): board.currentSensors[sensor].port
    case .pwmHealth: nil
    }
  }

  /// What one turn of a reading transfers: the words for it, how many transfers, and the bits of each.
  private static func transfers(
    of slow: BusSchedule.Slow, _ board: Board
  ) -> (what: String, count: Int, bits: Int) {
    switch slow {
    case .current: ("read word", 1, TransferBits.readWordData)
    case .force(let sensor, _):
      switch board.forceSensors[sensor].chip {
      // Starting a conversion, the other half of its turns, is a shorter word.
      case .ads1115: ("read word", 1, TransferBits.readWordData)
      case .ads7830: ("read byte", 1, TransferBits.readByteData)
      }
    case .inertial:
      ("read block of \(MPU6050.sampleBytes)", 1, TransferBits.readBlock(MPU6050.sampleBytes))
    case .encoderHealth, .inertialHealth, .pwmHealth: ("read byte", 1, TransferBits.readByteData)
    case .currentHealth(let sensor):
      switch board.currentSensors[sensor].chip {
      case .ina226: ("read word", 1, TransferBits.readWordData)
      case .ina219: ("read word", 2, TransferBits.readWordData)
      }
    }
  }

  /// Share of the period that a bus is busy.
  package func load(_ bus: Int) -> Double {
    Double(schedules[bus].cycleNanoseconds) / Double(periodNanoseconds)
  }

  /// Highest rate in Hz at which every bus stays within `largestLoad`.
  package var highestRateHertz: Double {
    let slowest = schedules.map(\.cycleNanoseconds).max() ?? 0
    return slowest == 0 ? .infinity : Self.largestLoad * 1e9 / Double(slowest)
  }

  /// Buses that cannot serve the board's rate.
  package var overloaded: [Int] { schedules.indices.filter { load($0) > Self.largestLoad } }
}
