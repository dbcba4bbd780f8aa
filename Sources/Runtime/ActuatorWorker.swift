import Control
import Devices
import HandModel
import PrimalLogic
import Realtime

/// Drives the actuators of one I2C bus, or those on the kernel's PWM chips: turns the loop's commands into
/// pulses and line levels. Used by one thread only.
///
/// A motor's output is written every cycle. A servo's is written on change only, as writing the same pulse
/// again has no effect. All outputs are kept as pulse lengths, so that one rounding rule serves them all
/// (docs/hardware.md).
package final class ActuatorWorker: @unchecked Sendable {
  // Safety of @unchecked: everything but the two mailboxes belongs to one thread.

  /// From the loop.
  package let commands = TripleBuffer<ActuatorCommand>(ActuatorCommand())
  /// To the loop.
  package let status = TripleBuffer<ActuatorStatus>(ActuatorStatus())

  /// Above this duty a bridge is not reversed at once. It coasts for a cycle first, so that the motor current
  /// decays before the direction changes.
  private static let largestReversalDuty = 0.1
  /// After this many cycles without a newer command the actuators are switched off: the loop is
  /// dead or stuck.
  private static let largestCommandAgeCycles = 5
  /// After this many failed writes in a row the actuators count as failed.
  private static let largestWriteFailures = 3
  /// How often failed actuators are configured again. Often enough that a reset works soon after a plug is
  /// back; seldom enough for a bus on which nobody answers.
  private static let recoveryHertz = 10

  /// Where the pulses of an output are kept: index into `pulses`.
  private typealias Output = Int
  private enum Kind {
    case servo(Output)
    case phaseEnable(Output, direction: any DigitalLine)
    case tb6612(Output, in1: any DigitalLine, in2: any DigitalLine)
    case drv8833(in1: Output, in2: Output)
  }
  private struct Joint {
    var index: Int
    var kind: Kind
    var faultLine: (any DigitalLine)?
    var periodNanoseconds: Int64
    /// Signed duty of the last cycle.
    var applied = 0.0
  }
  /// Neighbouring channels of a PCA9685 that are written in one transfer.
  private struct Block {
    var chip: PCA9685
    var firstChannel: Int
    var firstOutput: Output
    var channelCount: Int
    var periodNanoseconds: Int64
    /// Whether a motor is in the block.
    var isWrittenAlways: Bool
    /// The duties that the chip is known to have.
    var written = InlineArray<8, UInt16>(repeating: 0)
    var isKnown = false
  }
  private struct Channel {
    var channel: any PWMChannel
    var device: DeviceName
    var output: Output
    var periodNanoseconds: Int64
    var isWrittenAlways: Bool
    var writtenNanoseconds: Int64 = -1
    var isRunning = false
  }

  /// The PWM chips on the worker's bus, whose health the bus reads in turn.
  package private(set) var chips: [PCA9685] = []
  private var joints: [Joint] = []
  private var blocks: [Block] = []
  private var channels: [Channel] = []
  private var pulses: [Int64] = []
  private var command = ActuatorCommand()
  private var commandAge = 0
  private var isDriving = false
  private var writeFailures = 0
  /// Of a bridge's line in this cycle.
  private var lineFailure: DeviceError?
  private let recoveryCycles: Int
  private var cyclesToRecovery = 0
  private var current = ActuatorStatus()

  /// The actuators of PWM chips on `bus`, by its schedule; nil where it has none.
  package init?(
    schedule: BusSchedule, board: Board, bus: any I2CBus, hardware: any Hardware
  ) throws(DeviceError) {
    var outputs: [PWMOutput: Output] = [:]
    for slot in schedule.pwm {
      let spec = board.pwmChips[slot.chip]
      guard case .pca9685(_, let address, let oscillatorHertz) = spec.chip else { continue }
      if blocks.last?.chip.name != spec.name {
        chips.append(
          try PCA9685(
            name: spec.name, bus: bus, address: address, oscillatorHertz: oscillatorHertz,
            frequencyHertz: spec.frequencyHertz))
      }
      blocks.append(
        Block(
          chip: chips[chips.count - 1], firstChannel: slot.firstChannel, firstOutput: pulses.count,
          channelCount: slot.channelCount, periodNanoseconds: spec.periodNanoseconds,
          isWrittenAlways: slot.joints.contains { $0.map { !board.joints[$0].actuator.isServo } ?? false }))
      for channel in slot.firstChannel..<slot.firstChannel + slot.channelCount {
        outputs[PWMOutput(chip: slot.chip, channel: channel)] = pulses.count
        pulses.append(0)
      }
    }
    guard !blocks.isEmpty else { return nil }
    recoveryCycles = Self.recoveryCycles(board)
    addJoints(board, outputs, hardware)
  }

  /// The actuators on the kernel's PWM chips; nil where the board has none.
  package init?(local board: Board, hardware: any Hardware) {
    var outputs: [PWMOutput: Output] = [:]
    for wiring in board.joints {
      let spec = board.pwmChips[wiring.actuator.pwmChip]
      guard case .sysfs = spec.chip else { continue }
      for output in wiring.actuator.outputs {
        outputs[output] = pulses.count
        channels.append(
          Channel(
            channel: hardware.pwmChannel(chip: output.chip, channel: output.channel),
            device: DeviceName(chip: "PWM", name: "\(spec.name) channel \(output.channel)"),
            output: pulses.count, periodNanoseconds: spec.periodNanoseconds,
            isWrittenAlways: !wiring.actuator.isServo))
        pulses.append(0)
      }
    }
    guard !channels.isEmpty else { return nil }
    recoveryCycles = Self.recoveryCycles(board)
    addJoints(board, outputs, hardware)
  }

  private static func recoveryCycles(_ board: Board) -> Int {
    max(board.control.rateHertz / recoveryHertz, 1)
  }

  private func addJoints(_ board: Board, _ outputs: [PWMOutput: Output], _ hardware: any Hardware) {
    for (index, wiring) in board.joints.enumerated() {
      let own = wiring.actuator.outputs.compactMap { outputs[$0] }
      guard own.count == wiring.actuator.outputs.count else { continue }
      let kind: Kind
      var faultLine: LineSpec?
      switch wiring.actuator {
      case .servo: kind = .servo(own[0])
      case .motor(let bridge, let line):
        faultLine = line
        switch bridge {
        case .phaseEnable(_, let direction):
          kind = .phaseEnable(own[0], direction: hardware.line(direction))
        case .tb6612(_, let in1, let in2):
          kind = .tb6612(own[0], in1: hardware.line(in1), in2: hardware.line(in2))
        case .drv8833: kind = .drv8833(in1: own[0], in2: own[1])
        }
      }
      joints.append(
        Joint(
          index: index, kind: kind, faultLine: faultLine.map { hardware.line($0) },
          periodNanoseconds: board.pwmChips[wiring.actuator.pwmChip].periodNanoseconds))
    }
  }

  // MARK: - Start and health

  /// Brings chips and channels into their working state with every output off. Raises `readyAt` to the time
  /// from which they may be used. Returns every failure found.
  package func configure(readyAt: inout Int64) -> [DeviceError] {
    var failures: [DeviceError] = []
    for chip in chips {
      do throws(DeviceError) { readyAt = max(readyAt, try chip.configure()) } catch { failures.append(error) }
    }
    for index in channels.indices {
      do throws(DeviceError) { try start(index) } catch { failures.append(error) }
    }
    lineFailure = nil
    restLines()
    if let lineFailure { failures.append(lineFailure) }
    return failures
  }

  /// Reads one chip's health. The next `actuate` reports what it finds to the loop.
  package func checkHealth(_ chip: Int) throws(DeviceError) {
    do throws(DeviceError) {
      try chips[chip].checkHealth()
    } catch {
      if case .readBackMismatch = error {
        current.chipFailed = true
        status.write(current)
      }
      throw error
    }
  }

  // MARK: - One cycle

  /// Writes the newest command, or switches off when there is none, and reports to the loop. Throws the
  /// failures that count as failures of the bus.
  package func actuate() throws(DeviceError) {
    defer { publish() }
    try write()
  }

  /// Reports to the loop whether the actuators are well, and which command they have.
  func publish() { status.write(current) }

  /// Writes the newest command, or switches off when there is none.
  func write() throws(DeviceError) {
    commandAge = commands.take(into: &command) ? 0 : commandAge + 1
    watchFaultLines()
    guard command.enabled && commandAge <= Self.largestCommandAgeCycles else {
      if isDriving {
        // If switching off failed, outputs may still be on: the actuators must not be armed. `recover`
        // switches them off.
        do throws(DeviceError) { try switchOff() } catch {
          current.chipFailed = true
          throw error
        }
      } else if current.chipFailed {
        try recover()
      }
      // Off because the loop said so, not because the loop is silent.
      if !command.enabled && !current.chipFailed { current.appliedSequence = command.sequence }
      return
    }
    isDriving = true
    do throws(DeviceError) {
      lineFailure = nil
      for index in joints.indices { prepare(index) }
      for index in blocks.indices { try write(block: index) }
      for index in channels.indices { try write(channel: index) }
      for index in joints.indices { finish(index) }
      if let lineFailure { throw lineFailure }
      writeFailures = 0
      current.appliedSequence = command.sequence
    } catch {
      writeFailures += 1
      if writeFailures >= Self.largestWriteFailures { current.chipFailed = true }
      throw error
    }
  }

  /// Configures every chip and channel again, with all outputs off. The actuators are well again when all of
  /// them accepted it. This happens only while nothing is driven: the transfers take the time of the writes
  /// that are then not made.
  private func recover() throws(DeviceError) {
    cyclesToRecovery -= 1
    guard cyclesToRecovery <= 0 else { return }
    cyclesToRecovery = recoveryCycles
    var readyAt: Int64 = 0
    if let failure = configure(readyAt: &readyAt).first { throw failure }
    for chip in chips { try chip.checkHealth() }
    writeFailures = 0
    current.chipFailed = false
  }

  private func watchFaultLines() {
    for index in joints.indices {
      guard let line = joints[index].faultLine else { continue }
      let bit: JointMask = 1 << JointMask(joints[index].index)
      if line.isActive { current.failedJoints |= bit } else { current.failedJoints &= ~bit }
    }
  }

  /// Computes the joint's pulses for this cycle, and lowers the lines that must be low before the
  /// pulses change.
  private func prepare(_ index: Int) {
    let joint = joints[index].index
    if case .servo(let output) = joints[index].kind {
      pulses[output] = command.pulseNanoseconds[joint]
      return
    }
    let asked = command.duty[joint]
    // Written so that NaN becomes duty 0.
    var duty = asked.magnitude > 0 ? min(max(asked, -1), 1) : 0
    let applied = joints[index].applied
    let coasts = (duty < 0) != (applied < 0) && duty != 0 && applied.magnitude > Self.largestReversalDuty
    if coasts { duty = 0 }
    // Lines are set before pulses. If a line does not follow, the joint gets no duty.
    var follows = true
    switch joints[index].kind {
    case .servo, .drv8833: break
    case .phaseEnable(_, let direction):
      if duty != 0 { follows = drive(direction, duty < 0) }
    case .tb6612(_, let in1, let in2):
      // Both lines low is coasting. `finish` raises the line of the new direction once the new
      // duty is written.
      if duty < 0 || coasts { follows = drive(in1, false) }
      if duty > 0 || coasts { follows = drive(in2, false) && follows }
    }
    if !follows { duty = 0 }
    joints[index].applied = duty
    let pulse = Int64((duty.magnitude * Double(joints[index].periodNanoseconds)).rounded())
    switch joints[index].kind {
    case .servo: break
    case .phaseEnable(let output, _), .tb6612(let output, _, _):
      pulses[output] = pulse
    case .drv8833(let in1, let in2):
      // Slow decay: one input stays high, and the other is low for the driven part of the period. The mean
      // voltage is then duty · supply, as the motor's model assumes. Both inputs low is coasting.
      let high = joints[index].periodNanoseconds
      pulses[in1] = coasts ? 0 : (duty < 0 ? high - pulse : high)
      pulses[in2] = coasts ? 0 : (duty < 0 ? high : high - pulse)
    }
  }

  private func finish(_ index: Int) {
    guard case .tb6612(_, let in1, let in2) = joints[index].kind else { return }
    if joints[index].applied > 0 { _ = drive(in1, true) }
    if joints[index].applied < 0 { _ = drive(in2, true) }
  }

  /// Drives a bridge's line. A failure counts as a failed write of this cycle.
  private func drive(_ line: any DigitalLine, _ active: Bool) -> Bool {
    if line.setActive(active) { return true }
    lineFailure = .line(line.device)
    return false
  }

  private func write(block index: Int) throws(DeviceError) {
    let count = blocks[index].channelCount
    var counts = InlineArray<8, UInt16>(repeating: 0)
    var isNew = blocks[index].isWrittenAlways || !blocks[index].isKnown
    for channel in 0..<count {
      counts[channel] = PCA9685.counts(
        pulseNanoseconds: pulses[blocks[index].firstOutput + channel],
        periodNanoseconds: blocks[index].periodNanoseconds)
      if counts[channel] != blocks[index].written[channel] { isNew = true }
    }
    guard isNew else { return }
    // After a failed transfer the chip's registers are unknown.
    blocks[index].isKnown = false
    try blocks[index].chip.setDuty(
      first: blocks[index].firstChannel, counts: counts.span.extracting(0..<count))
    blocks[index].written = counts
    blocks[index].isKnown = true
  }

  private func write(channel index: Int) throws(DeviceError) {
    let pulse = pulses[channels[index].output]
    guard channels[index].isWrittenAlways || pulse != channels[index].writtenNanoseconds else { return }
    if !channels[index].isRunning { try start(index) }
    channels[index].writtenNanoseconds = -1
    do throws(PWMError) { try channels[index].channel.setPulse(nanoseconds: pulse) } catch {
      throw .output(channels[index].device, error)
    }
    channels[index].writtenNanoseconds = pulse
  }

  private func start(_ index: Int) throws(DeviceError) {
    do throws(PWMError) {
      try channels[index].channel.start(periodNanoseconds: channels[index].periodNanoseconds)
    } catch {
      throw .output(channels[index].device, error)
    }
    channels[index].isRunning = true
  }

  /// Switches every output of this worker off. A daemon that stops does this last. Tries all outputs, then
  /// throws the last failure.
  package func switchOff() throws(DeviceError) {
    isDriving = false
    var failure: DeviceError?
    for index in joints.indices { joints[index].applied = 0 }
    for index in blocks.indices { blocks[index].isKnown = false }
    for chip in chips {
      do throws(DeviceError) { try chip.allOff() } catch { failure = error }
    }
    for index in channels.indices {
      channels[index].isRunning = false
      channels[index].writtenNanoseconds = -1
      do throws(PWMError) { try channels[index].channel.stop() } catch {
        failure = .output(channels[index].device, error)
      }
    }
    lineFailure = nil
    restLines()
    failure = failure ?? lineFailure
    if let failure { throw failure }
  }

  /// Bridges with two direction lines coast while both are down.
  private func restLines() {
    for joint in joints {
      guard case .tb6612(_, let in1, let in2) = joint.kind else { continue }
      _ = drive(in1, false)
      _ = drive(in2, false)
    }
  }
}
