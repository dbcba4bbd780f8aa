/// A board: which chips sit on which bus, which joint uses which chip, how fast the loop runs.
/// Read from YAML by `Board.init(yaml:file:)`; every value here has been validated, and every reference
/// between entries is an index into the array that it names.
package struct Board: Sendable, Equatable {
  package enum Platform: String, Sendable, CaseIterable { case simulated, linux }

  package var name: String
  package var platform: Platform
  package var control: ControlSettings
  package var buses: [BusSpec]
  package var multiplexers: [MultiplexerSpec]
  package var encoders: [EncoderSpec]
  package var currentSensors: [CurrentSensorSpec]
  package var forceSensors: [ForceSensorSpec]
  /// At most one: the hand's own.
  package var imus: [IMUSpec] = []
  package var pwmChips: [PWMChipSpec]
  /// 1...`maximumJoints` joints, in the order of every per-joint array.
  package var joints: [JointWiring]
  package var killLine: LineSpec
  package var eStopLine: LineSpec
}

/// Rates, windows and budgets of the control loop.
package struct ControlSettings: Sendable, Equatable {
  /// Tick rate, 10...10 000 Hz.
  package var rateHertz: Int
  /// Window of Λ and of the uncertified budget.
  package var windowTicks: Int
  /// Uncertified ticks allowed within the window before a fault.
  package var uncertifiedBudgetTicks: Int
  /// A streamed set-point older than this faults the hand.
  package var commandTimeoutNanoseconds: Int64
  /// A joint's encoder sample older than this faults the hand.
  package var staleSampleNanoseconds: Int64
  /// Overruns allowed within the window before a fault.
  package var overrunBudgetTicks: Int

  package var periodNanoseconds: Int64 { 1_000_000_000 / Int64(rateHertz) }
}

package struct BusSpec: Sendable, Equatable {
  package var name: String
  /// Linux: identity of the adapter. Simulated boards leave it empty.
  package var device: String
  package var clockHertz: Int
  /// Software and driver time a transfer, t_sw (docs/hardware.md).
  package var transferOverheadNanoseconds: Int64
  /// The bus's own wires as GPIO lines, for `motorhand recover`; nil where the board cannot give them.
  package var recovery: BusRecoveryLines? = nil
}

/// SCL and SDA as GPIO lines, driven as open drains while the adapter is unbound.
package struct BusRecoveryLines: Sendable, Equatable {
  package var clock: LineSpec
  package var data: LineSpec
}

/// A TCA9548A.
package struct MultiplexerSpec: Sendable, Equatable {
  package var name: String
  package var bus: Int
  package var address: UInt8
}

/// Which branch of which multiplexer a chip sits behind.
package struct MultiplexerPort: Sendable, Equatable {
  package var multiplexer: Int
  /// 0...7.
  package var channel: UInt8
}

package enum EncoderChip: String, Sendable, CaseIterable {
  case as5600 = "AS5600"
  case as5600L = "AS5600L"
  case as5048B = "AS5048B"
  case mt6701 = "MT6701"

  /// Counts in a turn: 12 bits, or 14.
  package var countsPerTurn: Int {
    switch self {
    case .as5600, .as5600L: 4096
    case .as5048B, .mt6701: 16_384
    }
  }

  /// Whether the chip can say anything of its magnet over I2C.
  package var reportsHealth: Bool {
    switch self {
    case .as5600, .as5600L, .as5048B: true
    case .mt6701: false
    }
  }
}

package struct EncoderSpec: Sendable, Equatable {
  package var name: String
  package var chip: EncoderChip
  package var bus: Int
  package var port: MultiplexerPort?
  package var address: UInt8
}

package enum CurrentSensorChip: String, Sendable, CaseIterable {
  case ina226 = "INA226"
  case ina219 = "INA219"

  /// Full scale of the shunt input: INA226 81.92 mV, INA219 320 mV (datasheets, electrical characteristics).
  package var shuntFullScaleVolts: Double {
    switch self {
    case .ina226: 0.08192
    case .ina219: 0.32
    }
  }
}

package struct CurrentSensorSpec: Sendable, Equatable {
  package var name: String
  package var chip: CurrentSensorChip = .ina226
  package var bus: Int
  package var port: MultiplexerPort?
  package var address: UInt8
  package var shuntOhms: Double
  package var maximumAmperes: Double
}

package enum ForceSensorChip: String, Sendable, CaseIterable {
  case ads1115 = "ADS1115"
  case ads7830 = "ADS7830"

  /// Single-ended inputs.
  package var inputCount: Int {
    switch self {
    case .ads1115: 4
    case .ads7830: 8
    }
  }
}

/// One input of an analogue-to-digital converter with a fingertip force sensor.
package struct ForceSensorSpec: Sendable, Equatable {
  package var name: String
  package var chip: ForceSensorChip = .ads1115
  package var bus: Int
  package var port: MultiplexerPort?
  package var address: UInt8
  /// Single-ended input, 0 to the chip's last.
  package var input: UInt8
  package var newtonsPerVolt: Double
  /// Joint (usually distal) that carries the fingertip.
  package var joint: Int
  /// ADS7830: volts at its REF pin; nil = its internal reference.
  package var externalReferenceVolts: Double?
}

package enum IMUChip: String, Sendable, CaseIterable { case mpu6050 = "MPU6050" }

/// The inertial sensor of the hand.
package struct IMUSpec: Sendable, Equatable {
  package var name: String
  package var chip: IMUChip
  package var bus: Int
  package var port: MultiplexerPort?
  package var address: UInt8
}

/// A PWM chip: one on an I2C bus, or one of the kernel's.
package struct PWMChipSpec: Sendable, Equatable {
  package enum Chip: Sendable, Equatable {
    /// `oscillatorHertz` is the chip's own as calibrated; 25 MHz nominal.
    case pca9685(bus: Int, address: UInt8, oscillatorHertz: Double)
    /// `device` is the end of the chip's device path; empty on simulated boards.
    case sysfs(device: String)
  }
  package var name: String
  package var chip: Chip
  /// Wanted PWM frequency: 24...1526 Hz for a PCA9685, 1 Hz...100 kHz for a chip of the kernel's.
  package var frequencyHertz: Double

  /// The bus of a chip that sits on one.
  package var bus: Int? {
    if case .pca9685(let bus, _, _) = chip { bus } else { nil }
  }

  /// Wanted time between two pulses.
  package var periodNanoseconds: Int64 { Int64((1e9 / frequencyHertz).rounded()) }
}

/// A GPIO line, by identity.
package struct LineSpec: Sendable, Equatable {
  package enum Bias: String, Sendable, CaseIterable { case none, pullUp = "pull-up", pullDown = "pull-down" }
  /// Chip label (Linux) or empty (simulated).
  package var chip: String
  package var line: String
  package var activeLow: Bool
  package var bias: Bias

  package init(chip: String, line: String, activeLow: Bool, bias: Bias) {
    self.chip = chip
    self.line = line
    self.activeLow = activeLow
    self.bias = bias
  }
}

package struct JointWiring: Sendable, Equatable {
  /// For example `index-proximal`; unique.
  package var name: String
  package var encoder: Int
  package var currentSensor: Int?
  package var actuator: ActuatorWiring
}

/// One output of a PWM chip.
package struct PWMOutput: Sendable, Hashable {
  /// Index into `Board.pwmChips`.
  package var chip: Int
  /// 0...15.
  package var channel: Int

  package init(chip: Int, channel: Int) {
    self.chip = chip
    self.channel = channel
  }
}

/// What turns a joint (docs/hardware.md, actuators).
package enum ActuatorWiring: Sendable, Equatable {
  /// A DC motor behind an H-bridge, commanded by duty cycle. `faultLine` is the bridge's nFAULT.
  case motor(Bridge, faultLine: LineSpec?)
  /// A hobby servo, commanded by the length of its pulses.
  case servo(PWMOutput)

  package enum Bridge: Sendable, Equatable {
    /// Duty on one output, direction on a line: active = torque towards smaller angles. The bridge takes the
    /// direction over together with the next duty.
    case phaseEnable(PWMOutput, direction: LineSpec)
    /// Duty on PWM, direction by two lines; IN1 active = torque towards larger angles.
    case tb6612(PWMOutput, in1: LineSpec, in2: LineSpec)
    /// Duty on either of two outputs of one chip.
    case drv8833(in1: PWMOutput, in2: PWMOutput)
  }

  /// The PWM outputs it uses.
  package var outputs: [PWMOutput] {
    switch self {
    case .servo(let output): [output]
    case .motor(.phaseEnable(let output, _), _), .motor(.tb6612(let output, _, _), _): [output]
    case .motor(.drv8833(let in1, let in2), _): [in1, in2]
    }
  }

  /// The lines it uses.
  package var lines: [LineSpec] {
    switch self {
    case .servo: []
    case .motor(.phaseEnable(_, let direction), let fault): [direction] + [fault].compactMap(\.self)
    case .motor(.tb6612(_, let in1, let in2), let fault): [in1, in2] + [fault].compactMap(\.self)
    case .motor(.drv8833, let fault): [fault].compactMap(\.self)
    }
  }

  /// The PWM chip it hangs on: all outputs of a joint are of one chip.
  package var pwmChip: Int { outputs[0].chip }

  /// nFAULT, where it is wired.
  package var faultLine: LineSpec? {
    if case .motor(_, let line) = self { line } else { nil }
  }

  package var isServo: Bool {
    if case .servo = self { true } else { false }
  }
}
