import HandModel
import PrimalLogic

/// What commands do to a hand.
extension HandController {
  /// Takes the newest command, or the newest set-point.
  @_noLocks
  mutating func obey(
    _ inputs: UnsafePointer<TickInputs>, unready: JointMask, _ record: UnsafeMutablePointer<TickRecord>
  ) {
    // One of the two a tick, because a record holds one: a set-point that comes with a command waits a
    // period.
    if inputs.pointee.command.number != handledCommand {
      handledCommand = inputs.pointee.command.number
      layout.keepCommand(inputs, isStream: false, record, count: jointCount)
      lastResult = execute(inputs, unready: unready)
      record.pointee.commandResult = lastResult
      if lastResult == .executed { memory.executedCommand = handledCommand }
    } else if inputs.pointee.stream.number != handledStream {
      handledStream = inputs.pointee.stream.number
      layout.keepCommand(inputs, isStream: true, record, count: jointCount)
      if memory.machine.state.outputsLive {
        follow(memory.machine.stream(now: inputs.pointee.nowNanoseconds))
        move(inputs, isStream: true)
      } else {
        record.pointee.commandResult = .notArmed
      }
    }
    guard memory.machine.state == .tracking && !memory.machine.isStreaming else { return }
    for j in 0..<jointCount where !joints[j].pointee.trajectory.isFinished { return }
    memory.machine.arrive()
  }

  @_noLocks
  private mutating func execute(_ inputs: UnsafePointer<TickInputs>, unready: JointMask) -> CommandResult {
    var consequence = Consequence.none
    let result: CommandResult
    switch inputs.pointee.command.kind {
    case .none, .stop, .stream: return .executed
    case .arm:
      result = memory.machine.arm(into: .stationKeep, readiness(inputs, unready: unready), &consequence)
    case .nullG:
      result = memory.machine.arm(into: .nullG, readiness(inputs, unready: unready), &consequence)
    case .disarm: result = memory.machine.disarm(&consequence)
    case .reset:
      result = memory.machine.reset(
        readiness(inputs, unready: unready), source: inputs.pointee.command.source,
        now: inputs.pointee.nowNanoseconds, &consequence)
    case .pose:
      guard memory.machine.state.outputsLive else { return .notArmed }
      follow(memory.machine.pose())
      move(inputs, isStream: false)
      return .executed
    }
    follow(consequence)
    return result
  }

  @_noLocks
  private func readiness(_ inputs: UnsafePointer<TickInputs>, unready: JointMask) -> Readiness {
    var areEstimated = true
    var areInRange = true
    for j in 0..<jointCount {
      if !joints[j].pointee.isEstimated { areEstimated = false }
      if joints[j].pointee.isOutOfRange { areInRange = false }
    }
    return Readiness(
      inputs, unready: unready, areActuatorsWell: rules.areActuatorsWell(inputs),
      areJointsEstimated: areEstimated, areJointsInRange: areInRange)
  }

  /// Plans each named joint towards its target.
  @_noLocks
  private mutating func move(_ inputs: UnsafePointer<TickInputs>, isStream: Bool) {
    let mask = isStream ? inputs.pointee.stream.jointMask : inputs.pointee.command.jointMask
    for j in 0..<jointCount where mask & (1 << JointMask(truncatingIfNeeded: j)) != 0 {
      let target = isStream ? inputs.pointee.stream.targets[j] : inputs.pointee.command.targets[j]
      let alarm = rules.target(target, joint: j)
      guard !alarm.isRaised else { return latch(alarm) }
      joints[j].pointee.planSetPoint(
        to: target, seconds: isStream ? 0 : inputs.pointee.command.seconds, keepsSameTarget: isStream)
    }
  }
}
