import Control
import Devices
import HandModel
import PrimalLogic

/// A branch of one of a bus's multiplexers, which is opened before a chip behind it is spoken to.
struct MultiplexerBranch {
  /// Among the multiplexers of this bus.
  var index: Int
  /// 0...7.
  var channel: UInt8
}

/// A sensor that is read in its turn, one a cycle, and not every tick.
struct RoundRobinReading {
  enum Sensor {
    case current(CurrentSensor, joint: Int)
    case force(ADS1115, input: UInt8, newtonsPerVolt: Double, joint: Int)
    /// A converter that converts within the transfer.
    case immediateForce(ADS7830, input: UInt8, newtonsPerVolt: Double, joint: Int)
    case inertial(MPU6050)
  }

  var sensor: Sensor
  var branch: MultiplexerBranch?

  /// How the chip is asked whether it is well; nil where it cannot say.
  var health: ChipHealth? {
    switch sensor {
    case .current(let driver, let joint): ChipHealth(chip: .current(driver, joint: joint), branch: branch)
    case .inertial(let driver): ChipHealth(chip: .inertial(driver), branch: branch)
    case .force, .immediateForce: nil
    }
  }
}

extension RoundRobinReading.Sensor {
  /// The driver for an entry of the bus's schedule; nil for a question after a chip's health.
  init?(_ item: BusSchedule.Slow, board: Board, bus: any I2CBus) throws(DeviceError) {
    switch item {
    case .current(let sensor, let joint):
      self = .current(try CurrentSensor(board.currentSensors[sensor], bus: bus), joint: joint)
    case .force(let sensor, let joint):
      let spec = board.forceSensors[sensor]
      self =
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
    case .inertial(let sensor):
      let spec = board.imus[sensor]
      self = .inertial(MPU6050(name: spec.name, bus: bus, address: spec.address))
    case .encoderHealth, .currentHealth, .inertialHealth, .pwmHealth: return nil
    }
  }

  /// Says in the bus's samples what it measures.
  func claim(in samples: inout BusSamples) {
    switch self {
    case .current(_, let joint): samples.servesCurrent |= 1 << JointMask(joint)
    case .force(_, _, _, let joint), .immediateForce(_, _, _, let joint):
      samples.servesForce |= 1 << JointMask(joint)
    case .inertial: samples.servesInertial = true
    }
  }

  /// Brings the chip into its working state.
  /// - Returns: when its first reading is ready, on the bus's clock; 0 = at once.
  func configure() throws(DeviceError) -> Int64 {
    switch self {
    case .current(let driver, _):
      try driver.configure()
      return 0
    case .force: return 0
    case .immediateForce(let driver, _, _, _): return try driver.configure()
    case .inertial(let driver):
      try driver.identify()
      return try driver.configure()
    }
  }

  /// One turn.
  /// - Parameter now: on the bus's clock.
  func read(into samples: inout BusSamples, at now: Int64) throws(DeviceError) {
    switch self {
    case .current(let driver, let joint):
      samples.currentsAmperes[joint] = wholeMicro(try driver.readAmperes())
    case .force(let driver, let input, let newtonsPerVolt, let joint):
      // One transfer a turn: start a conversion in one, read it in the next.
      if driver.isDue(at: now) {
        samples.forcesNewtons[joint] = wholeMicro(
          ADS1115.volts(try driver.readConversion()) * newtonsPerVolt)
      } else {
        try driver.startConversion(input: input)
      }
    case .immediateForce(let driver, let input, let newtonsPerVolt, let joint):
      samples.forcesNewtons[joint] = wholeMicro(try driver.readVolts(input: input) * newtonsPerVolt)
    case .inertial(let driver):
      samples.inertial = try driver.readSample()
    }
  }
}
