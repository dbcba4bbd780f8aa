/// A board: which chips sit on which bus, which joint uses which chip, how fast the loop runs.
/// Read from YAML by `Board.init(yaml:file:)`; every value here has been validated, and every reference
/// between entries is an index into the array that it names.
package struct Board: Sendable, Equatable {
  /// Whether the chips are simulated or those of a Linux machine.
  package enum Platform: String, Sendable, CaseIterable { case simulated, linux }

  /// For people.
  package var name: String
  package var platform: Platform
  package var control: ControlSettings
  /// At least one. Other entries name a bus by its index here.
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
  /// Output, active = the drives may move.
  package var driveEnable: LineSpec
  /// Input, active = stop.
  package var eStopLine: LineSpec
  /// Which ticks are recorded, where nobody says otherwise.
  package var recordingMode: RecordingMode

  package init(
    name: String, platform: Platform, control: ControlSettings, buses: [BusSpec],
    multiplexers: [MultiplexerSpec], encoders: [EncoderSpec], currentSensors: [CurrentSensorSpec],
    forceSensors: [ForceSensorSpec], imus: [IMUSpec] = [], pwmChips: [PWMChipSpec], joints: [JointWiring],
    driveEnable: LineSpec, eStopLine: LineSpec, recordingMode: RecordingMode = .full
  ) {
    self.name = name
    self.platform = platform
    self.control = control
    self.buses = buses
    self.multiplexers = multiplexers
    self.encoders = encoders
    self.currentSensors = currentSensors
    self.forceSensors = forceSensors
    self.imus = imus
    self.pwmChips = pwmChips
    self.joints = joints
    self.driveEnable = driveEnable
    self.eStopLine = eStopLine
    self.recordingMode = recordingMode
  }
}

/// Rates, windows and budgets of the control loop.
package struct ControlSettings: Sendable, Equatable {
  /// Tick rate, 10...10 000 Hz.
  package var rateHertz: Int
  /// Window of Λ and of both budgets: 0.1 to 10 s, at most 100 000 ticks.
  package var windowTicks: Int
  /// Uncertified ticks allowed within the window before a fault; 0 to the window.
  package var uncertifiedBudgetTicks: Int
  /// A streamed set-point older than this faults the hand; one tick to 10 s.
  package var commandTimeoutNanoseconds: Int64
  /// A joint's encoder sample older than this faults the hand; one tick to 1 s.
  package var staleSampleNanoseconds: Int64
  /// Deadline misses allowed within the window before a fault; 0 to the window.
  package var overrunBudgetTicks: Int

  /// Time between two ticks; the rate divides a second into whole nanoseconds.
  package var periodNanoseconds: Int64 { 1_000_000_000 / Int64(rateHertz) }

  package init(
    rateHertz: Int, windowTicks: Int, uncertifiedBudgetTicks: Int, commandTimeoutNanoseconds: Int64,
    staleSampleNanoseconds: Int64, overrunBudgetTicks: Int
  ) {
    self.rateHertz = rateHertz
    self.windowTicks = windowTicks
    self.uncertifiedBudgetTicks = uncertifiedBudgetTicks
    self.commandTimeoutNanoseconds = commandTimeoutNanoseconds
    self.staleSampleNanoseconds = staleSampleNanoseconds
    self.overrunBudgetTicks = overrunBudgetTicks
  }
}

/// An I2C bus.
package struct BusSpec: Sendable, Equatable {
  /// Unique; for messages.
  package var name: String
  /// Linux: identity of the adapter. Simulated boards leave it empty.
  package var device: String
  /// Clock of the wire, 10 kHz to 1 MHz.
  package var clockHertz: Int
  /// Software and driver time a transfer, t_sw (docs/hardware.md).
  package var transferOverheadNanoseconds: Int64
  /// The bus's own wires as GPIO lines, for `motorhand recover`; nil where the board cannot give them.
  package var recovery: BusRecoveryLines? = nil

  package init(
    name: String, device: String, clockHertz: Int, transferOverheadNanoseconds: Int64,
    recovery: BusRecoveryLines? = nil
  ) {
    self.name = name
    self.device = device
    self.clockHertz = clockHertz
    self.transferOverheadNanoseconds = transferOverheadNanoseconds
    self.recovery = recovery
  }
}

/// SCL and SDA as GPIO lines, driven as open drains while the adapter is unbound.
package struct BusRecoveryLines: Sendable, Equatable {
  /// SCL.
  package var clock: LineSpec
  /// SDA.
  package var data: LineSpec

  package init(clock: LineSpec, data: LineSpec) {
    self.clock = clock
    self.data = data
  }
}

/// A TCA9548A.
package struct MultiplexerSpec: Sendable, Equatable {
  /// Unique; for messages.
  package var name: String
  /// Index into `Board.buses`.
  package var bus: Int
  /// 7 bits: 0x70...0x77.
  package var address: UInt8

  package init(name: String, bus: Int, address: UInt8) {
    self.name = name
    self.bus = bus
    self.address = address
  }
}

/// Which branch of which multiplexer a chip sits behind.
package struct MultiplexerPort: Sendable, Equatable {
  /// Index into `Board.multiplexers`.
  package var multiplexer: Int
  /// 0...7.
  package var channel: UInt8

  package init(multiplexer: Int, channel: UInt8) {
    self.multiplexer = multiplexer
    self.channel = channel
  }
}

/// A PWM chip: one on an I2C bus, or one of the kernel's.
package struct PWMChipSpec: Sendable, Equatable {
  /// Which chip, and where it is.
  package enum Chip: Sendable, Equatable {
    /// `oscillatorHertz` is the chip's own as calibrated; 25 MHz nominal.
    case pca9685(bus: Int, address: UInt8, oscillatorHertz: Double)
    /// `device` is the end of the chip's device path; empty on simulated boards.
    case sysfs(device: String)
  }
  /// Unique; for messages.
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

  package init(name: String, chip: Chip, frequencyHertz: Double) {
    self.name = name
    self.chip = chip
    self.frequencyHertz = frequencyHertz
  }
}

/// A GPIO line, by identity.
package struct LineSpec: Sendable, Equatable {
  /// The resistor inside the pin.
  package enum Bias: String, Sendable, CaseIterable { case none, pullUp = "pull-up", pullDown = "pull-down" }
  /// Chip label (Linux) or empty (simulated).
  package var chip: String
  /// The line's name; on Linux also its number on the chip where no line has that name.
  package var line: String
  /// Whether a low level means active.
  package var activeLow: Bool
  package var bias: Bias

  package init(chip: String, line: String, activeLow: Bool, bias: Bias) {
    self.chip = chip
    self.line = line
    self.activeLow = activeLow
    self.bias = bias
  }
}

/// Which chips a joint uses.
package struct JointWiring: Sendable, Equatable {
  /// For example `index-proximal`; unique.
  package var name: String
  /// The finger that it is declared to belong to; nil for a joint of none, such as a wrist.
  package var finger: String?
  /// Index into `Board.encoders`.
  package var encoder: Int
  /// Index into `Board.currentSensors`; nil for a joint without one.
  package var currentSensor: Int?
  /// The motor's bridge or the servo.
  package var actuator: ActuatorWiring

  package init(
    name: String, finger: String? = nil, encoder: Int, currentSensor: Int? = nil, actuator: ActuatorWiring
  ) {
    self.name = name
    self.finger = finger
    self.encoder = encoder
    self.currentSensor = currentSensor
    self.actuator = actuator
  }
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

  /// How an H-bridge takes duty and direction.
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
