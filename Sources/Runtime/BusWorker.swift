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
    var driver: AS5600
    var joint: Int
    var multiplexer: (index: Int, channel: UInt8)?
  }
  private enum SlowReading {
    case current(INA226, joint: Int)
    case force(ADS1115, input: UInt8, newtonsPerVolt: Double, joint: Int)
  }
  private struct Slow {
    var reading: SlowReading
    var multiplexer: (index: Int, channel: UInt8)?
  }

  /// Health is read at 5 Hz in turn: magnets move and chips brown out in seconds, not in ticks.
  private static let healthHertz = 5

  private var encoders: [Encoder] = []
  private var slow: [Slow] = []
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
    healthCycles = max(board.control.rateHertz / Self.healthHertz, 1)
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
          driver: AS5600(name: spec.name, bus: bus, address: spec.address), joint: slot.joint,
          multiplexer: local(slot.port)))
    }
    for entry in schedule.slow {
      switch entry {
      case .current(let sensor, let joint):
        let spec = board.currentSensors[sensor]
        let driver = try INA226(
          name: spec.name, bus: bus, address: spec.address, shuntOhms: spec.shuntOhms,
          maximumAmperes: spec.maximumAmperes)
        current.servesCurrent |= 1 << UInt16(joint)
        slow.append(Slow(reading: .current(driver, joint: joint), multiplexer: local(spec.port)))
      case .force(let sensor, let joint):
        let spec = board.forceSensors[sensor]
        current.servesForce |= 1 << UInt16(joint)
        slow.append(
          Slow(
            reading: .force(
              ADS1115(name: spec.name, bus: bus, address: spec.address), input: spec.input,
              newtonsPerVolt: spec.newtonsPerVolt, joint: joint), multiplexer: local(spec.port)))
      case .encoderHealth, .pwmHealth: break
      }
    }
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
        try encoder.driver.configure(slowFilter: .averaging2, fastFilterThreshold: .counts6)
        let magnet = try encoder.driver.readMagnet()
        if !magnet.isUsable { noteHealth(of: encoder.joint, false) }
      }
    }
    for entry in slow {
      attempt { () throws(DeviceError) in
        try select(entry.multiplexer)
        if case .current(let driver, _) = entry.reading {
          try driver.identify()
          try driver.configure()
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
    cycle += 1
    current.busFailed = false
    for encoder in encoders where !current.busFailed { read(encoder) }
    if !current.busFailed {
      if cycle % healthCycles == 0 { readHealth() } else { readSlow() }
    }
    bus.settle()
    samples.write(current)
  }

  private func read(_ encoder: Encoder) {
    do throws(DeviceError) {
      let counts = try retrying { () throws(DeviceError) in
        try select(encoder.multiplexer)
        return try encoder.driver.readRawAngle()
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
        current.currentsAmperes[joint] = try driver.readCurrentAmperes()
      case .force(let driver, let input, let newtonsPerVolt, let joint):
        // One transfer a turn: start a conversion in one, read it in the next.
        if driver.isDue(at: bus.timeNanoseconds) {
          current.forcesNewtons[joint] = ADS1115.volts(try driver.readConversion()) * newtonsPerVolt
        } else {
          try driver.startConversion(input: input)
        }
      }
    } catch {
      note(error)
    }
  }

  private func readHealth() {
    let total = encoders.count + (actuators?.chips.count ?? 0)
    guard total > 0 else { return }
    healthTurn = (healthTurn + 1) % total
    do throws(DeviceError) {
      if healthTurn < encoders.count {
        let encoder = encoders[healthTurn]
        try select(encoder.multiplexer)
        noteHealth(of: encoder.joint, try encoder.driver.readMagnet().isUsable)
      } else {
        try actuators?.checkHealth(healthTurn - encoders.count)
      }
    } catch {
      note(error)
    }
  }

  private func noteHealth(of joint: Int, _ isUsable: Bool) {
    let bit: UInt16 = 1 << UInt16(joint)
    if isUsable { current.unhealthyJoints &= ~bit } else { current.unhealthyJoints |= bit }
  }

  // MARK: - Actuating

  /// The actuating part of one cycle.
  package func actuate() {
    guard let actuators else { return }
    do throws(DeviceError) { try actuators.actuate() } catch { note(error) }
    bus.settle()
  }

  /// All actuators of this bus off; also the last thing that a stopping daemon does.
  package func switchOff() {
    guard let actuators else { return }
    do throws(DeviceError) { try actuators.switchOff() } catch { note(error) }
    bus.settle()
  }
}
