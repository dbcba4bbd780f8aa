import Devices
import HandModel
import Realtime

/// A whole hand without hardware: every bus, chip, line and joint that a board and a calibration name.
///
/// The runtime drives it with the drivers it would use on real chips. Each bus, with the chips on it, belongs
/// to one thread at a time, hence unchecked; joints and lines may be used from any thread.
package final class SimulatedHand: Hardware, @unchecked Sendable {
  /// In the board's order.
  package let buses: [SimulatedBus]
  /// In the board's order.
  package let joints: [SimulatedJoint]
  /// Active = outputs live: it enables the PWM chips' outputs and the bridges.
  package let driveEnable: SimulatedLine
  /// Active = stop. At rest its button is closed and the line inactive, whatever its bias.
  package let eStopLine: SimulatedLine
  /// In the board's order, as all chips here.
  package let encoders: [SimulatedChip]
  /// In the board's order.
  package let multiplexers: [SimulatedTCA9548A]
  /// In the board's order.
  package let currentSensors: [SimulatedChip]
  /// The PWM chips that are on a bus.
  package let pwmChips: [SimulatedPCA9685]
  /// Nil when the board names none.
  package let imu: SimulatedMPU6050?

  private let board: Board
  private let bridgeFaults: [SimulatedBridgeFault]
  private let servos: [SimulatedServo?]
  private let channels: [PWMOutput: SimulatedPWMChannel]
  private let lines: [LineKey: SimulatedLine]

  /// - Parameters:
  ///   - seed: chooses the encoders' noise; equal seeds and equal calls give equal runs to the bit.
  ///   - clock: the runtime's clock.
  package init(board: Board, calibration: Calibration, seed: UInt64, clock: any TimeSource) {
    precondition(board.joints.count == calibration.joints.count, "a calibration has one entry a joint")
    let specs = [board.driveEnable, board.eStopLine] + board.joints.flatMap(\.actuator.lines)
    var lines: [LineKey: SimulatedLine] = [:]
    for spec in specs where lines[LineKey(spec)] == nil {
      lines[LineKey(spec)] = SimulatedLine(spec, clock: clock)
    }
    self.lines = lines
    let driveEnable = lines[LineKey(board.driveEnable)]!
    self.driveEnable = driveEnable
    eStopLine = lines[LineKey(board.eStopLine)]!
    eStopLine.release()
    self.board = board

    let start = calibration.poses.first { $0.name == "open" }
    func radians(_ index: Int) -> Double {
      let limits = calibration.joints[index].limits
      return start?.radians[index] ?? min(max(0, limits.lowerRadians), limits.upperRadians)
    }
    let motions = calibration.couplings.map { coupling in
      Locked(
        FingerMotion(
          coupling.joints.map { (calibration.joints[$0], radians($0)) }, stiffness: coupling.stiffness,
          driveEnable: driveEnable, timeNanoseconds: clock.now()))
    }
    let joints = calibration.joints.enumerated().map { index, joint in
      for (coupling, motion) in zip(calibration.couplings, motions) {
        guard let member = coupling.joints.firstIndex(of: index) else { continue }
        return SimulatedJoint(joint, index: index, seed: seed, motion: motion, member: member)
      }
      return SimulatedJoint(
        joint, index: index, seed: seed, radians: radians(index), driveEnable: driveEnable, clock: clock)
    }
    self.joints = joints

    buses = board.buses.map {
      SimulatedBus(
        name: $0.name, clockHertz: $0.clockHertz,
        transferOverheadNanoseconds: $0.transferOverheadNanoseconds, clock: clock)
    }
    multiplexers = board.multiplexers.map { SimulatedTCA9548A(address: $0.address) }
    encoders = board.encoders.enumerated().map { index, spec in
      let joint = board.joints.firstIndex { $0.encoder == index }.map { joints[$0] }
      let counts: @Sendable (Int64) -> UInt16 = { now in joint?.encoderCounts(at: now) ?? 0 }
      return switch spec.chip {
      case .as5600, .as5600L: SimulatedAS5600(address: spec.address, angle: counts)
      case .as5048B: SimulatedAS5048B(address: spec.address, angle: counts)
      case .mt6701: SimulatedMT6701(address: spec.address, angle: counts)
      }
    }
    currentSensors = board.currentSensors.enumerated().map { index, spec in
      let jointIndex = board.joints.firstIndex { $0.currentSensor == index }
      let joint = jointIndex.map { joints[$0] }
      let volts = jointIndex.map { calibration.joints[$0].drive.supplyVolts } ?? 0
      let amperes: @Sendable (Int64) -> Double = { now in joint?.currentReading(at: now) ?? 0 }
      return switch spec.chip {
      case .ina226:
        SimulatedINA226(
          address: spec.address, shuntOhms: spec.shuntOhms, current: amperes, busVolts: { _ in volts })
      case .ina219:
        SimulatedINA219(
          address: spec.address, shuntOhms: spec.shuntOhms, current: amperes, busVolts: { _ in volts })
      }
    }
    imu = board.imus.first.map { SimulatedMPU6050(address: $0.address) }
    let chips = board.pwmChips.map { spec -> SimulatedPCA9685? in
      guard case .pca9685(_, let address, let oscillatorHertz) = spec.chip else { return nil }
      return SimulatedPCA9685(address: address, oscillatorHertz: oscillatorHertz)
    }
    pwmChips = chips.compactMap(\.self)
    let faults = board.joints.map { wiring in
      SimulatedBridgeFault(line: wiring.actuator.faultLine.map { lines[LineKey($0)]! })
    }
    bridgeFaults = faults
    var servos: [SimulatedServo?] = []
    var channels: [PWMOutput: SimulatedPWMChannel] = [:]
    for (index, wiring) in board.joints.enumerated() {
      let loads: [any PWMLoad]
      var servo: SimulatedServo?
      switch (wiring.actuator, calibration.joints[index].drive) {
      case (.servo, .servo(let parameters)):
        let twin = SimulatedServo(joints[index], parameters)
        servo = twin
        loads = [twin]
      case (.motor(.phaseEnable(_, let direction), _), _):
        loads = [
          SimulatedPhaseEnable(joints[index], direction: lines[LineKey(direction)]!, fault: faults[index])
        ]
      case (.motor(.tb6612(_, let in1, let in2), _), _):
        loads = [
          SimulatedTB6612(joints[index], in1: lines[LineKey(in1)]!, in2: lines[LineKey(in2)]!)
        ]
      case (.motor(.drv8833, _), _):
        let bridge = SimulatedDRV8833(joints[index], fault: faults[index])
        loads = [bridge.input(0), bridge.input(1)]
      case (.servo, .motor): preconditionFailure("a joint is calibrated for the drive that its board wires")
      }
      servos.append(servo)
      for (output, load) in zip(wiring.actuator.outputs, loads) {
        if let chip = chips[output.chip] {
          chip.connect(load, channel: output.channel)
        } else {
          channels[output] = SimulatedPWMChannel(
            name: "\(board.pwmChips[output.chip].name) channel \(output.channel)", load: load, clock: clock)
        }
      }
    }
    self.servos = servos
    self.channels = channels
    for (index, spec) in board.multiplexers.enumerated() { buses[spec.bus].attach(multiplexers[index]) }
    for (index, spec) in board.pwmChips.enumerated() {
      if let bus = spec.bus, let chip = chips[index] { buses[bus].attach(chip) }
    }
    for (index, spec) in board.encoders.enumerated() {
      attach(encoders[index], bus: spec.bus, port: spec.port)
    }
    for (index, spec) in board.currentSensors.enumerated() {
      attach(currentSensors[index], bus: spec.bus, port: spec.port)
    }
    attachForceSensors(board)
    if let imu, let spec = board.imus.first { attach(imu, bus: spec.bus, port: spec.port) }
  }

  /// The direction line of a joint behind a phase/enable bridge.
  package func directionLine(_ joint: Int) -> SimulatedLine {
    guard case .motor(.phaseEnable(_, let direction), _) = board.joints[joint].actuator else {
      preconditionFailure("joint \(joint) has no direction line")
    }
    return lines[LineKey(direction)]!
  }

  /// The protection of a joint's bridge.
  package func bridgeFault(_ joint: Int) -> SimulatedBridgeFault { bridgeFaults[joint] }

  /// Whether a joint's servo goes on holding its last angle without pulses.
  package func setHoldsWithoutPulses(_ holds: Bool, joint: Int) { servos[joint]?.holdsWithoutPulses = holds }

  /// The line that the board means, or nil if the board given at initialisation does not name it.
  package func line(for spec: LineSpec) -> SimulatedLine? { lines[LineKey(spec)] }

  package func bus(_ index: Int) -> any I2CBus { buses[index] }

  package func line(_ spec: LineSpec) -> any DigitalLine {
    guard let line = line(for: spec) else { preconditionFailure("the board names no line \(spec.line)") }
    return line
  }

  package func pwmChannel(chip: Int, channel: Int) -> any PWMChannel {
    guard let found = simulatedChannel(chip: chip, channel: channel) else {
      preconditionFailure("no joint of the board uses channel \(channel) of PWM chip \(chip)")
    }
    return found
  }

  /// The channel of a kernel's chip that a joint uses, or nil.
  package func simulatedChannel(chip: Int, channel: Int) -> SimulatedPWMChannel? {
    channels[PWMOutput(chip: chip, channel: channel)]
  }

  private func attach(_ chip: SimulatedChip, bus: Int, port: MultiplexerPort?) {
    if let port {
      multiplexers[port.multiplexer].attach(chip, channel: Int(port.channel))
    } else {
      buses[bus].attach(chip)
    }
  }

  /// Sensors that share an address behind one port are inputs of one converter.
  private func attachForceSensors(_ board: Board) {
    var remaining = board.forceSensors
    while let first = remaining.first {
      let isOnSameChip = { (spec: ForceSensorSpec) in
        spec.bus == first.bus && spec.port == first.port && spec.address == first.address
      }
      var inputs: [@Sendable (Int64) -> Double] = Array(
        repeating: { _ in 0 }, count: first.chip.inputCount)
      for spec in remaining where isOnSameChip(spec) {
        let joint = joints[spec.joint]
        inputs[Int(spec.input)] = { now in
          joint.forceSensorVolts(at: now, newtonsPerVolt: spec.newtonsPerVolt)
        }
      }
      let chip =
        switch first.chip {
        case .ads1115: SimulatedADS1115(address: first.address, inputs: inputs)
        case .ads7830:
          SimulatedADS7830(
            address: first.address, inputs: inputs, externalReferenceVolts: first.externalReferenceVolts)
        }
      attach(chip, bus: first.bus, port: first.port)
      remaining.removeAll(where: isOnSameChip)
    }
  }

  /// What identifies a line. Bias and polarity do not.
  private struct LineKey: Hashable {
    let chip: String
    let line: String

    init(_ spec: LineSpec) {
      chip = spec.chip
      line = spec.line
    }
  }
}

extension DriveCalibration {
  /// Supply voltage that a power monitor measures. A servo's is taken as the 5 V that every hobby
  /// servo runs on.
  fileprivate var supplyVolts: Double {
    switch self {
    case .motor(let drive): drive.motor.supplyVolts
    case .servo: 5
    }
  }
}
