import Devices
import HandModel
import PrimalLogic
import Realtime

/// One bus at work: owns the drivers of its chips, samples them by the schedule, lets its actuators be written.
///
/// Used by one thread only. A dead chip makes its joint's samples old, a dead bus all of them; neither ever
/// reaches the loop but as age and flags.
package final class BusWorker: @unchecked Sendable {
  // Safety of @unchecked: everything but the two mailboxes belongs to the bus's one thread.

  package let schedule: BusSchedule
  package let bus: any I2CBus
  /// To the loop.
  package let samples = LatestValue<BusSamples>(BusSamples())
  /// The actuators on this bus, if there are any.
  package let actuators: ActuatorWorker?

  private struct Encoder {
    var driver: AngleEncoder
    var joint: Int
    var multiplexer: (index: Int, channel: UInt8)?
  }
  private enum SlowReading {
    case current(CurrentSensor, joint: Int)
    case force(ADS1115, input: UInt8, newtonsPerVolt: Double, joint: Int)
    /// A converter that needs no waiting.
    case immediateForce(ADS7830, input: UInt8, newtonsPerVolt: Double, joint: Int)
    case inertial(MPU6050)
  }
  /// A chip that is asked in its turn whether it is well.
  private enum Health {
    case encoder(AngleEncoder, joint: Int)
    case current(CurrentSensor, joint: Int)
    case inertial(MPU6050)
    /// Index into the chips of `actuators`.
    case pwm(Int)
  }
  private struct HealthCheck {
    var chip: Health
    var multiplexer: (index: Int, channel: UInt8)?
  }
  private struct Slow {
    var reading: SlowReading
    var multiplexer: (index: Int, channel: UInt8)?
  }

  /// Health is read at 10 Hz in turn: magnets move and chips brown out in seconds, not in ticks.
  private static let healthHertz = 10

  private var encoders: [Encoder] = []
  private var slow: [Slow] = []
  private var health: [HealthCheck] = []
  /// Joints (bit j) whose encoder, and whose current sensor, was not well when last asked.
  private var unhealthyEncoders: UInt16 = 0
  private var unhealthyCurrents: UInt16 = 0
  private var isInertialAwake = true
  private let selector: MultiplexerSelector
  private var current = BusSamples()
  private var slowTurn = 0
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
    // At the slowest rates every other cycle still goes to the readings.
    healthCycles = max(board.control.rateHertz / Self.healthHertz, 2)
    var localIndex: [Int: Int] = [:]
    var multiplexers: [TCA9548A] = []
    for (index, spec) in board.multiplexers.enumerated() where spec.bus == schedule.bus {
      localIndex[index] = multiplexers.count
      multiplexers.append(TCA9548A(name: spec.name, bus: bus, address: spec.address))
    }
    selector = MultiplexerSelector(multiplexers)
    func local(_ port: MultiplexerPort?) -> (index: Int, channel: UInt8)? {
      port.flatMap { port in localIndex[port.multiplexer].map { ($0, port.channel) } }
    }
    for slot in schedule.encoders {
      let spec = board.encoders[slot.encoder]
      encoders.append(
        Encoder(
          driver: AngleEncoder(spec, bus: bus), joint: slot.joint, multiplexer: local(slot.port)))
    }
    for entry in schedule.slow {
      switch entry {
      case .current(let sensor, let joint):
        let spec = board.currentSensors[sensor]
        let driver = try CurrentSensor(spec, bus: bus)
        current.servesCurrent |= 1 << UInt16(joint)
        slow.append(Slow(reading: .current(driver, joint: joint), multiplexer: local(spec.port)))
      case .force(let sensor, let joint):
        let spec = board.forceSensors[sensor]
        current.servesForce |= 1 << UInt16(joint)
        let reading: SlowReading =
          switch spec.chip {
          case .ads1115:
            .force(
              ADS1115(name: spec.name, bus: bus, address: spec.address), input: spec.input,
              newtonsPerVolt: spec.newtonsPerVolt, joint: joint)
          case .ads7830:
            .immediateForce(
              ADS7830(
                name: spec.name, bus: bus, address: spec.address,
                externalReferenceVolts: spec.externalReferenceVolts), input: spec.input,
              newtonsPerVolt: spec.newtonsPerVolt, joint: joint)
          }
        slow.append(Slow(reading: reading, multiplexer: local(spec.port)))
      case .inertial(let sensor):
        let spec = board.imus[sensor]
        current.servesInertial = true
        slow.append(
          Slow(
            reading: .inertial(MPU6050(name: spec.name, bus: bus, address: spec.address)),
            multiplexer: local(spec.port)))
      case .encoderHealth, .currentHealth, .inertialHealth, .pwmHealth: break
      }
    }
    for encoder in encoders where encoder.driver.reportsHealth {
      health.append(
        HealthCheck(chip: .encoder(encoder.driver, joint: encoder.joint), multiplexer: encoder.multiplexer))
    }
    for entry in slow {
      switch entry.reading {
      case .current(let driver, let joint):
        health.append(HealthCheck(chip: .current(driver, joint: joint), multiplexer: entry.multiplexer))
      case .inertial(let driver):
        health.append(HealthCheck(chip: .inertial(driver), multiplexer: entry.multiplexer))
      case .force, .immediateForce: break
      }
    }
    for chip in actuators?.chips.indices ?? 0..<0 { health.append(HealthCheck(chip: .pwm(chip))) }
  }

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
        try select(encoder.multiplexer)
        try encoder.driver.configure()
        noteEncoder(of: encoder.joint, isUsable: try encoder.driver.readIsUsable())
      }
    }
    for entry in slow {
      attempt { () throws(DeviceError) in
        try select(entry.multiplexer)
        switch entry.reading {
        case .current(let driver, _): try driver.configure()
        case .force: break
        case .immediateForce(let driver, _, _, _): readyAt = max(readyAt, try driver.configure())
        case .inertial(let driver):
          try driver.identify()
          readyAt = max(readyAt, try driver.configure())
        }
      }
    }
    bus.settle()
    if readyAt > clock.now() { clock.sleep(until: readyAt) }
    return failures
  }

  private func select(_ multiplexer: (index: Int, channel: UInt8)?) throws(DeviceError) {
    guard let multiplexer else { return }
    try selector.select(multiplexer.index, channel: multiplexer.channel)
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
      if cycle % healthCycles == 0 { readHealth() } else { readSlow() }
    }
    // As after a failed reading of its own (`readSlow`): the sensor is not asked on a bus that has failed.
    if current.busFailed { current.inertial = InertialSample() }
    bus.settle()
  }

  private func read(_ encoder: Encoder) {
    do throws(DeviceError) {
      let counts = try retrying { () throws(DeviceError) in
        try select(encoder.multiplexer)
        return try encoder.driver.readAngle()
      }
      current.encoders[encoder.joint].counts = counts
      current.encoders[encoder.joint].isValid = true
      current.encoders[encoder.joint].failures = 0
      current.encoders[encoder.joint].number &+= 1
      current.encoders[encoder.joint].timeNanoseconds = bus.timeNanoseconds
    } catch {
      // A failed read never becomes a value: the last sample stays and grows old.
      let failures = current.encoders[encoder.joint].failures
      current.encoders[encoder.joint].failures = failures == .max ? .max : failures + 1
      note(error)
    }
  }

  /// Once again after lost arbitration, the only class of error that repetition mends.
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
    // What a multiplexer has selected is unknown after any failed transfer.
    selector.forgetSelections()
    switch error.i2cFailure {
    case .busFault, .arbitrationLost: current.busFailed = true
    case .nack, .busError, .addressClaimed, nil: break
    }
  }

  private func readSlow() {
    guard !slow.isEmpty else { return }
    slowTurn = (slowTurn + 1) % slow.count
    let entry = slow[slowTurn]
    do throws(DeviceError) {
      try select(entry.multiplexer)
      switch entry.reading {
      case .current(let driver, let joint):
        current.currentsAmperes[joint] = wholeMicro(try driver.readAmperes())
      case .force(let driver, let input, let newtonsPerVolt, let joint):
        // One transfer a turn: start a conversion in one, read it in the next.
        if driver.isDue(at: bus.timeNanoseconds) {
          current.forcesNewtons[joint] = wholeMicro(
            ADS1115.volts(try driver.readConversion()) * newtonsPerVolt)
        } else {
          try driver.startConversion(input: input)
        }
      case .immediateForce(let driver, let input, let newtonsPerVolt, let joint):
        current.forcesNewtons[joint] = wholeMicro(try driver.readVolts(input: input) * newtonsPerVolt)
      case .inertial(let driver):
        let sample = try driver.readSample()
        current.inertial = isInertialAwake ? sample : InertialSample()
      }
    } catch {
      // Nothing acts on the inertial sensor and nothing ages its samples: better none than an old one.
      if case .inertial = entry.reading { current.inertial = InertialSample() }
      note(error)
    }
  }

  private func readHealth() {
    guard !health.isEmpty else { return }
    healthTurn = (healthTurn + 1) % health.count
    let check = health[healthTurn]
    do throws(DeviceError) {
      try select(check.multiplexer)
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
    let bit: UInt16 = 1 << UInt16(joint)
    unhealthyEncoders = isUsable ? unhealthyEncoders & ~bit : unhealthyEncoders | bit
    current.unhealthyJoints = unhealthyEncoders | unhealthyCurrents
  }

  private func noteCurrent(of joint: Int, isUsable: Bool) {
    let bit: UInt16 = 1 << UInt16(joint)
    unhealthyCurrents = isUsable ? unhealthyCurrents & ~bit : unhealthyCurrents | bit
    current.unhealthyJoints = unhealthyEncoders | unhealthyCurrents
  }

  // MARK: - Actuating

  /// The actuating part of one cycle; tells the loop when it is over.
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

  /// All actuators of this bus off; also the last thing that a stopping daemon does.
  package func switchOff() {
    guard let actuators else { return }
    do throws(DeviceError) { try actuators.switchOff() } catch { note(error) }
    bus.settle()
  }
}
