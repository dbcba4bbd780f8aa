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

/// A PCA9685.
package struct PWMChipSpec: Sendable, Equatable {
  package var name: String
  package var bus: Int
  package var address: UInt8
  /// Wanted PWM frequency, 24...1526 Hz.
  package var frequencyHertz: Double
  /// The chip's own oscillator as calibrated; 25 MHz nominal.
  package var oscillatorHertz: Double
}

/// A GPIO line, by identity.
package struct LineSpec: Sendable, Equatable {
  package enum Bias: String, Sendable, CaseIterable { case none, pullUp = "pull-up", pullDown = "pull-down" }
  /// Chip label (Linux) or empty (simulated).
  package var chip: String
  package var line: String
  package var activeLow: Bool
  package var bias: Bias
}

package struct JointWiring: Sendable, Equatable {
  /// For example `index-proximal`; unique.
  package var name: String
  package var encoder: Int
  package var currentSensor: Int?
  package var actuator: ActuatorWiring
}

/// A phase/enable H-bridge: duty cycle on a PWM channel, direction on a line.
package struct ActuatorWiring: Sendable, Equatable {
  package var pwmChip: Int
  /// 0...15.
  package var channel: Int
  /// Active = torque towards smaller angles (reverse). The bridge takes the direction over together with the
  /// next duty.
  package var directionLine: LineSpec
}
