import HandModel

/// One value of the state message: what the birth message says of it. The encoder walks the same tables,
/// so what is announced is what is sent.
struct Channel: Sendable {
  enum Kind: String { case number = "double", text = "string", flag = "bool", wide = "int64-string" }

  var name: String
  /// SI unit symbol; empty for words, flags and pure numbers.
  var unit: String
  var kind: Kind
  var lower: Double?
  var upper: Double?
  /// Index into the joint list for a joint's channel.
  var joint: Int?
}

/// The values sent for each joint.
enum JointChannel: String, CaseIterable {
  case setpoint, position, velocity, innovation, memory, torque, current, force, slope, lipschitz, distance
  case age, flags, certificate

  var unit: String {
    switch self {
    case .setpoint, .position, .innovation: "rad"
    case .velocity: "rad/s"
    case .memory: "rad·s"
    case .torque: "N·m"
    case .current: "A"
    case .force: "N"
    case .age: "s"
    case .slope, .lipschitz, .distance, .flags, .certificate: ""
    }
  }

  func channel(joint index: Int, of calibration: JointCalibration, named name: String) -> Channel {
    let limits = calibration.limits
    var channel = Channel(
      name: "\(name).\(rawValue)", unit: unit, kind: self == .certificate ? .text : .number, joint: index)
    switch self {
    case .setpoint, .position: (channel.lower, channel.upper) = (limits.lowerRadians, limits.upperRadians)
    case .velocity: (channel.lower, channel.upper) = (-limits.radiansPerSecond, limits.radiansPerSecond)
    case .torque:
      // Of a servo the law commands no torque but a correction of its angle.
      switch calibration.drive {
      case .motor(let drive):
        (channel.lower, channel.upper) = (-drive.torqueLimitNewtonMetres, drive.torqueLimitNewtonMetres)
      case .servo(let servo):
        channel.unit = "rad"
        (channel.lower, channel.upper) = (-servo.correctionRadians, servo.correctionRadians)
      }
    case .current:
      if limits.currentAmperes.isFinite {
        (channel.lower, channel.upper) = (-limits.currentAmperes, limits.currentAmperes)
      }
    case .slope: (channel.lower, channel.upper) = (0, 1)
    case .innovation, .memory, .force, .lipschitz, .distance, .age, .flags, .certificate: break
    }
    return channel
  }

  func write(_ record: borrowing JointRecord, into json: inout JSONWriter) {
    switch self {
    case .setpoint: json.micro(record.setpointRadians)
    case .position: json.micro(record.positionRadians)
    case .velocity: json.micro(record.velocityRadiansPerSecond)
    case .innovation: json.micro(record.innovationRadians)
    case .memory: json.micro(record.memoryRadianSeconds)
    case .torque: json.micro(record.torqueNewtonMetres)
    case .current: json.micro(record.currentAmperes)
    case .force: json.micro(record.forceNewtons)
    case .slope: json.micro(record.slope)
    // L lies within 10⁻³ of 1: all its digits go out.
    case .lipschitz: json.number(record.lipschitz)
    case .distance: json.micro(record.distance)
    case .age: json.seconds(nanoseconds: Int64(record.sampleAgeNanoseconds))
    case .flags: json.integer(Int64(record.flags))
    case .certificate: json.string(record.certificate.name)
    }
  }
}

/// The values sent once for the hand.
enum HandChannel: String, CaseIterable {
  case seq, t
  case wallNanoseconds = "t_ns"
  case monotonicNanoseconds = "mono_ns"
  case clockSynced = "clock_synced"
  case dt
  case wakeUp = "wake_up"
  case compute, overruns, state, mode
  case modeGauge = "mode_gauge"
  case fault
  case faultJoint = "fault_joint"
  case outputs
  case eStopLine = "e_stop_line"
  case certificate, lipschitz, rate
  case windowProduct = "window_product"
  case uncertifiedTicks = "uncertified_ticks"
  case command, psi, gamma
  case energyIntegral = "energy_integral"
  case accelerationX = "acceleration_x"
  case accelerationY = "acceleration_y"
  case accelerationZ = "acceleration_z"
  case rotationX = "rotation_x"
  case rotationY = "rotation_y"
  case rotationZ = "rotation_z"

  /// The channels of a hand on this board: the inertial ones only where there is such a sensor.
  static func all(on board: Board) -> [HandChannel] {
    allCases.filter { !board.imus.isEmpty || !$0.isInertial }
  }

  private var isInertial: Bool {
    switch self {
    case .accelerationX, .accelerationY, .accelerationZ, .rotationX, .rotationY, .rotationZ: true
    default: false
    }
  }

  var channel: Channel {
    switch self {
    case .seq, .overruns: Channel(name: rawValue, unit: "", kind: .wide)
    case .wallNanoseconds, .monotonicNanoseconds: Channel(name: rawValue, unit: "ns", kind: .wide)
    case .t, .dt, .wakeUp, .compute: Channel(name: rawValue, unit: "s", kind: .number)
    case .clockSynced, .outputs, .eStopLine: Channel(name: rawValue, unit: "", kind: .flag)
    case .state, .mode, .fault, .faultJoint, .certificate: Channel(name: rawValue, unit: "", kind: .text)
    case .modeGauge: Channel(name: rawValue, unit: "", kind: .number, lower: 0, upper: 3)
    case .lipschitz, .windowProduct: Channel(name: rawValue, unit: "", kind: .number, lower: 0, upper: 1)
    case .rate: Channel(name: rawValue, unit: "1/s", kind: .number)
    case .uncertifiedTicks, .command: Channel(name: rawValue, unit: "", kind: .number)
    case .psi: Channel(name: rawValue, unit: "N·m", kind: .number)
    case .gamma: Channel(name: rawValue, unit: "rad", kind: .number)
    case .energyIntegral: Channel(name: rawValue, unit: "N·m·rad·s", kind: .number)
    case .accelerationX, .accelerationY, .accelerationZ: Channel(name: rawValue, unit: "m/s²", kind: .number)
    case .rotationX, .rotationY, .rotationZ: Channel(name: rawValue, unit: "rad/s", kind: .number)
    }
  }

  func write(
    _ record: borrowing TickRecord, jointNames: [String], clockSynced: Bool, into json: inout JSONWriter
  ) {
    switch self {
    case .seq: json.wide(record.sequence)
    case .t: json.seconds(nanoseconds: record.wallNanoseconds)
    case .wallNanoseconds: json.wide(record.wallNanoseconds)
    case .monotonicNanoseconds: json.wide(record.deadlineNanoseconds &+ record.wakeUpNanoseconds)
    case .clockSynced: json.bool(clockSynced)
    case .dt: json.seconds(nanoseconds: record.dtNanoseconds)
    case .wakeUp: json.seconds(nanoseconds: record.wakeUpNanoseconds)
    case .compute: json.seconds(nanoseconds: record.previousComputeNanoseconds)
    case .overruns: json.wide(record.overruns)
    case .state: json.string(record.state.name)
    case .mode: json.string(record.mode.name)
    case .modeGauge: json.integer(Int64(record.mode.rawValue))
    case .fault: json.string(record.fault.name)
    case .faultJoint: json.jointName(record.faultJoint, of: jointNames)
    case .outputs: json.bool(record.outputsEnabled)
    case .eStopLine: json.bool(record.eStopLineActive)
    case .certificate: json.string(record.certificate.name)
    case .lipschitz: json.number(record.lipschitz)
    case .rate: json.number(record.ratePerSecond)
    case .windowProduct: json.number(record.windowProduct)
    case .uncertifiedTicks: json.integer(Int64(record.uncertifiedTicks))
    case .command: json.integer(Int64(record.commandNumber))
    case .psi: json.number(record.psi)
    case .gamma: json.number(record.gamma)
    case .energyIntegral: json.number(record.energyIntegral)
    case .accelerationX: json.micro(record.inertial.accelerationMetresPerSecondSquared.x)
    case .accelerationY: json.micro(record.inertial.accelerationMetresPerSecondSquared.y)
    case .accelerationZ: json.micro(record.inertial.accelerationMetresPerSecondSquared.z)
    case .rotationX: json.micro(record.inertial.rotationRadiansPerSecond.x)
    case .rotationY: json.micro(record.inertial.rotationRadiansPerSecond.y)
    case .rotationZ: json.micro(record.inertial.rotationRadiansPerSecond.z)
    }
  }
}

extension JSONWriter {
  /// The joint's name, or null when the index names none (255 = no joint).
  mutating func jointName(_ index: UInt8, of names: [String]) {
    Int(index) < names.count ? string(names[Int(index)]) : null()
  }
}
