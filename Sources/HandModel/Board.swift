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

package enum EncoderChip: String, Sendable, CaseIterable { case as5600 = "AS5600" }

package struct EncoderSpec: Sendable, Equatable {
  package var name: String
  package var chip: EncoderChip
  package var bus: Int
  package var port: MultiplexerPort?
  package var address: UInt8
}

/// An INA226.
package struct CurrentSensorSpec: Sendable, Equatable {
  package var name: String
  package var bus: Int
  package var port: MultiplexerPort?
  package var address: UInt8
  package var shuntOhms: Double
  package var maximumAmperes: Double
}

/// One channel of an ADS1115 with a fingertip force sensor.
package struct ForceSensorSpec: Sendable, Equatable {
  package var name: String
  package var bus: Int
  package var port: MultiplexerPort?
  package var address: UInt8
  /// Single-ended input 0...3.
  package var input: UInt8
  package var newtonsPerVolt: Double
  /// Joint (usually distal) that carries the fingertip.
  package var joint: Int
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
