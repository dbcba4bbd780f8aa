import Control
import Devices
import HandModel
import PrimalLogic
import Realtime

/// Runs one bus: owns the drivers of its chips, samples them by the schedule, and writes its actuators.
///
/// Used by one thread only. A dead chip makes its joint's samples old, and a dead bus makes all of its
/// samples old. The loop sees nothing of either but ages and flags.
package final class BusWorker: @unchecked Sendable {
  // Safety of @unchecked: everything but the two mailboxes belongs to the bus's one thread.

  package let schedule: BusSchedule
  package let bus: any I2CBus
  /// To the loop.
  package let samples = TripleBuffer<BusSamples>(BusSamples())
  /// The actuators on this bus, if there are any.
  package let actuators: ActuatorWorker?

  private struct Encoder {
    var driver: AngleEncoder
    var joint: Int
    var branch: MultiplexerBranch?
  }

  /// One health check every 100 ms, the chips in turn: magnets move and chips brown out in
  /// seconds, not in ticks.
  private static let healthHertz = 10

  private var encoders: [Encoder] = []
  private var readings: [RoundRobinReading] = []
  private var health: [ChipHealth] = []
  /// Joints (bit j) whose encoder, and whose current sensor, was not well when last asked.
  private var unhealthyEncoders: JointMask = 0
  private var unhealthyCurrents: JointMask = 0
  private var isInertialAwake = true
  private let selector: MultiplexerSelector
  private var current = BusSamples()
  private var readingTurn = 0
  private var healthTurn = 0
  private var cycle = 0
  private let healthCycles: Int

  /// - Parameter hardware: opened, with the lines that the bus's actuators need.
  package init(
    schedule: BusSchedule, board: Board, bus: any I2CBus, hardware: any Hardware
  ) throws(DeviceError) {
    self.schedule = schedule
    self.bus = bus
    actuators = try ActuatorWorker(schedule: schedule, board: board, bus: bus, hardware: hardware)
    // Even at the slowest rates every other cycle is left to the slow readings.
    healthCycles = max(board.control.rateHertz / Self.healthHertz, 2)
    var localIndex: [Int: Int] = [:]
    var multiplexers: [TCA9548A] = []
    for (index, spec) in board.multiplexers.enumerated() where spec.bus == schedule.bus {
      localIndex[index] = multiplexers.count
      multiplexers.append(TCA9548A(name: spec.name, bus: bus, address: spec.address))
    }
    selector = MultiplexerSelector(multiplexers)
    func branch(_ port: MultiplexerPort?) -> MultiplexerBranch? {
      port.flatMap { port in
        localIndex[port.multiplexer].map { MultiplexerBranch(index: $0, channel: port.channel) }
      }
    }
    for slot in schedule.encoders {
      let spec = board.encoders[slot.encoder]
      encoders.append(
        Encoder(
          driver: AngleEncoder(spec, bus: bus), joint: slot.joint, branch: branch(slot.port)))
    }
    for item in schedule.slow {
      guard let sensor = try RoundRobinReading.Sensor(item, board: board, bus: bus) else { continue }
      sensor.claim(in: &current)
      readings.append(
        RoundRobinReading(sensor: sensor, branch: branch(BusPlan.port(of: item, board))))
    }
    for encoder in encoders where encoder.driver.reportsHealth {
      health.append(ChipHealth(chip: .encoder(encoder.driver, joint: encoder.joint), branch: encoder.branch))
    }
    health += readings.compactMap(\.health)
    for chip in actuators?.chips.indices ?? 0..<0 { health.append(ChipHealth(chip: .pwm(chip), branch: nil)) }
  }

  /// Whether the bus has PWM chips.
  package var drivesActuators: Bool { actuators != nil }

  // MARK: - Start

  /// Brings every chip of the bus into its working state; returns every failure found, none if all is well.
  package func configure(clock: any TimeSource) -> [DeviceError] {
    var failures: [DeviceError] = []
    func attempt(_ body: () throws(DeviceError) -> Void) {
      do throws(DeviceError) { try body() } catch { failures.append(error) }
    }
    var readyAt = clock.now()
    if let actuators { failures += actuators.configure(readyAt: &readyAt) }
    for encoder in encoders {
      attempt { () throws(DeviceError) in
        try select(encoder.branch)
        try encoder.driver.configure()
        noteEncoder(of: encoder.joint, isUsable: try encoder.driver.readIsUsable())
      }
    }
    for reading in readings {
      attempt { () throws(DeviceError) in
        try select(reading.branch)
        readyAt = max(readyAt, try reading.sensor.configure())
      }
    }
    bus.settle()
    if readyAt > clock.now() { clock.sleep(until: readyAt) }
    return failures
  }

  private func select(_ branch: MultiplexerBranch?) throws(DeviceError) {
    guard let branch else { return }
    try selector.select(branch.index, channel: branch.channel)
  }

  // MARK: - Sampling

  /// The sampling part of one cycle; publishes what it found.
  package func sample() {
    read()
    publish()
  }

  /// Hands what was read to the loop.
  func publish() { samples.write(current) }

  /// Reads the chips whose turn it is.
  func read() {
    cycle += 1
    current.busFailed = false
    for encoder in encoders where !current.busFailed { read(encoder) }
    if !current.busFailed {
      if cycle % healthCycles == 0 { readHealth() } else { readNextSensor() }
    }
    // As after a failed reading of its own (`readNextSensor`): the sensor is not asked on a bus that has
    // failed.
    if current.busFailed { current.inertial = InertialSample() }
    bus.settle()
  }

  private func read(_ encoder: Encoder) {
    do throws(DeviceError) {
      let counts = try retrying { () throws(DeviceError) in
        try select(encoder.branch)
        return try encoder.driver.readAngle()
      }
      current.encoders[encoder.joint].counts = counts
      current.encoders[encoder.joint].isValid = true
      current.encoders[encoder.joint].failures = 0
      current.encoders[encoder.joint].number &+= 1
      current.encoders[encoder.joint].timeNanoseconds = bus.timeNanoseconds
    } catch {
      // A failed read produces no value: the last sample stays and grows old.
      let failures = current.encoders[encoder.joint].failures
      current.encoders[encoder.joint].failures = failures == .max ? .max : failures + 1
      note(error)
    }
  }

  /// Repeats once after lost arbitration, the only error that a repetition mends.
  private func retrying<Value>(_ body: () throws(DeviceError) -> Value) throws(DeviceError) -> Value {
    do throws(DeviceError) {
      return try body()
    } catch {
      guard error.i2cFailure == .arbitrationLost else { throw error }
      current.errors &+= 1
      return try body()
    }
  }

  private func note(_ error: DeviceError) {
    current.errors &+= 1
    // After any failed transfer the multiplexers' selections are unknown.
    selector.forgetSelections()
    switch error.i2cFailure {
    case .busFault, .arbitrationLost: current.busFailed = true
    case .nack, .busError, .addressClaimed, nil: break
    }
  }

  private func readNextSensor() {
    guard !readings.isEmpty else { return }
    readingTurn = (readingTurn + 1) % readings.count
    let reading = readings[readingTurn]
    do throws(DeviceError) {
      try select(reading.branch)
      try reading.sensor.read(into: &current, at: bus.timeNanoseconds)
      if !isInertialAwake { current.inertial = InertialSample() }
    } catch {
      // Nothing acts on the inertial sensor and nothing ages its samples: better none than an old one.
      if case .inertial = reading.sensor { current.inertial = InertialSample() }
      note(error)
    }
  }

  private func readHealth() {
    guard !health.isEmpty else { return }
    healthTurn = (healthTurn + 1) % health.count
    let check = health[healthTurn]
    do throws(DeviceError) {
      try select(check.branch)
      switch check.chip {
      case .encoder(let driver, let joint):
        noteEncoder(of: joint, isUsable: try driver.readIsUsable())
      case .current(let driver, let joint):
        noteCurrent(of: joint, isUsable: try driver.readIsUsable())
      case .inertial(let driver):
        isInertialAwake = try driver.readIsUsable()
      case .pwm(let chip): try actuators?.checkHealth(chip)
      }
    } catch {
      note(error)
    }
  }

  private func noteEncoder(of joint: Int, isUsable: Bool) {
    let bit: JointMask = 1 << JointMask(joint)
    unhealthyEncoders = isUsable ? unhealthyEncoders & ~bit : unhealthyEncoders | bit
    current.unhealthyJoints = unhealthyEncoders | unhealthyCurrents
  }

  private func noteCurrent(of joint: Int, isUsable: Bool) {
    let bit: JointMask = 1 << JointMask(joint)
    unhealthyCurrents = isUsable ? unhealthyCurrents & ~bit : unhealthyCurrents | bit
    current.unhealthyJoints = unhealthyEncoders | unhealthyCurrents
  }

  // MARK: - Actuating

  /// The actuating part of one cycle. Reports to the loop when it is over.
  package func actuate() {
    write()
    actuators?.publish()
  }

  /// Writes what the actuators were told.
  func write() {
    guard let actuators else { return }
    do throws(DeviceError) { try actuators.write() } catch { note(error) }
    bus.settle()
  }

  /// Switches all actuators of this bus off. A daemon that stops does this last.
  package func switchOff() {
    guard let actuators else { return }
    do throws(DeviceError) { try actuators.switchOff() } catch { note(error) }
    bus.settle()
  }
}
