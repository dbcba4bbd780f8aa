import Devices
import HandModel

/// A whole hand without hardware: every bus, chip, line and joint that a board and a calibration name.
///
/// The runtime drives it with the drivers it would use on real chips. Each bus, with the chips on it, belongs
/// to one thread at a time, hence unchecked; joints and lines may be used from any thread.
package final class SimulatedHand: Hardware, @unchecked Sendable {
  /// In the board's order.
  package let buses: [SimulatedBus]
  /// In the board's order.
  package let joints: [SimulatedJoint]
  /// Active = outputs live: enables the PWM chips' outputs and the bridges.
  package let killLine: SimulatedLine
  /// Active = stop. At rest its button is closed and the line inactive, whatever its bias.
  package let eStopLine: SimulatedLine
  /// Chips in the order of the board's encoders, multiplexers, current sensors and PWM chips.
  package let encoders: [SimulatedChip]
  package let multiplexers: [SimulatedTCA9548A]
  package let currentSensors: [SimulatedChip]
  package let pwmChips: [SimulatedPCA9685]
  /// Nil when the board names none.
  package let imu: SimulatedMPU6050?

  private let directionLines: [SimulatedLine]
  private let lines: [LineKey: SimulatedLine]

  /// - Parameters:
  ///   - seed: chooses the encoders' noise; equal seeds and equal calls give equal runs to the bit.
  ///   - clock: the runtime's clock.
  package init(board: Board, calibration: Calibration, seed: UInt64, clock: any TimeSource) {
    precondition(board.joints.count == calibration.joints.count, "a calibration has one entry a joint")
    let specs = [board.killLine, board.eStopLine] + board.joints.map(\.actuator.directionLine)
    var lines: [LineKey: SimulatedLine] = [:]
    for spec in specs where lines[LineKey(spec)] == nil {
      lines[LineKey(spec)] = SimulatedLine(spec, clock: clock)
    }
    self.lines = lines
    let killLine = lines[LineKey(board.killLine)]!
    self.killLine = killLine
    eStopLine = lines[LineKey(board.eStopLine)]!
    eStopLine.release()
    let directionLines = board.joints.map { lines[LineKey($0.actuator.directionLine)]! }
    self.directionLines = directionLines

    let start = calibration.poses.first { $0.name == "open" }
    let joints = calibration.joints.enumerated().map { index, joint in
      SimulatedJoint(
        joint, index: index, seed: seed,
        radians: start?.radians[index]
          ?? min(max(0, joint.limits.lowerRadians), joint.limits.upperRadians),
        killLine: killLine, directionLine: directionLines[index], clock: clock)
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
      let volts = jointIndex.map { calibration.joints[$0].motor.supplyVolts } ?? 0
      let amperes: @Sendable (Int64) -> Double = { now in joint?.motorAmperes(at: now) ?? 0 }
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
    pwmChips = board.pwmChips.map {
      SimulatedPCA9685(address: $0.address, oscillatorHertz: $0.oscillatorHertz)
    }
    for (index, spec) in board.multiplexers.enumerated() { buses[spec.bus].attach(multiplexers[index]) }
    for (index, spec) in board.pwmChips.enumerated() { buses[spec.bus].attach(pwmChips[index]) }
    for (index, wiring) in board.joints.enumerated() {
      pwmChips[wiring.actuator.pwmChip].connect(joints[index], channel: wiring.actuator.channel)
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

  /// The direction line of a joint; several joints may name the same one.
  package func directionLine(_ joint: Int) -> SimulatedLine { directionLines[joint] }

  /// The line that the board means, or nil if the board given at initialisation does not name it.
  package func line(for spec: LineSpec) -> SimulatedLine? { lines[LineKey(spec)] }

  package func bus(_ index: Int) -> any I2CBus { buses[index] }

  package func line(_ spec: LineSpec) -> any DigitalLine {
    guard let line = line(for: spec) else { preconditionFailure("the board names no line \(spec.line)") }
    return line
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

  /// What tells one line from another: not its bias nor its polarity.
  private struct LineKey: Hashable {
    let chip: String
    let line: String

    init(_ spec: LineSpec) {
      chip = spec.chip
      line = spec.line
    }
  }
}
