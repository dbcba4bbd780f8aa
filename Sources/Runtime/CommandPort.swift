import Glibc
import HandModel
import Realtime
import Synchronization

/// The way of commands into the loop: any thread submits, the tick takes.
///
/// Senders are serialised by a lock that the loop never touches; what crosses to the loop is the newest
/// command in a wait-free mailbox, and an atomic for the stop, which nothing can overwrite.
package final class CommandPort: Sendable {
  /// A tick at the slowest rate (10 Hz) answers within this time; past it the loop is not running.
  package static let answerTimeoutNanoseconds: Int64 = 500_000_000
  /// How often a waiting sender looks for the answer.
  private static let pollNanoseconds: Int64 = 200_000

  private let commands = LatestValue<TickCommand>(TickCommand())
  private let streams = LatestValue<TickCommand>(TickCommand())
  private let senders = SharedState<UInt32>(0)
  /// Bit s set: a stop from source s; a remote one must not hide a local one of the same tick.
  private let stop = Atomic<UInt8>(0)
  /// Number of the last executed command << 8 | its result.
  private let answer = Atomic<UInt64>(0)
  private let latestState = Atomic<UInt8>(HandState.starting.rawValue)

  package init() {}

  /// Hands a command to the loop and waits, bounded, for what became of it. Not for the loop thread.
  package func submit(_ command: Command, source: CommandSource) -> CommandReply {
    if command == .stop { return submitStop(source) }
    return senders.withLock { number in
      number &+= 1
      let tickCommand = TickCommand(command, source: source, number: number)
      if case .stream = command {
        let state = HandState(rawValue: latestState.load(ordering: .acquiring)) ?? .starting
        guard state.outputsLive else { return .refused(reason: CommandResult.notArmed.refusal ?? "") }
        streams.write(tickCommand)
        return .executed
      }
      commands.write(tickCommand)
      let expected = number
      guard wait(until: { UInt32(truncatingIfNeeded: answer.load(ordering: .acquiring) >> 8) == expected })
      else { return .refused(reason: "the control loop did not answer: it is not running") }
      let result = CommandResult(rawValue: UInt8(truncatingIfNeeded: answer.load(ordering: .acquiring)))
      guard let refusal = result?.refusal else { return .executed }
      return .refused(reason: refusal)
    }
  }

  /// Hands a command to the loop without waiting: for a caller that runs the loop itself.
  package func post(_ command: TickCommand) {
    switch command.kind {
    case .stop: stop.bitwiseOr(1 << command.source.rawValue, ordering: .releasing)
    case .stream: streams.write(command)
    default: commands.write(command)
    }
  }

  private func submitStop(_ source: CommandSource) -> CommandReply {
    stop.bitwiseOr(1 << source.rawValue, ordering: .releasing)
    let stopped = wait {
      HandState(rawValue: latestState.load(ordering: .acquiring)) == .eStop
    }
    return stopped
      ? .executed : .refused(reason: "the control loop did not answer: it is not running, outputs are off")
  }

  private func wait(until condition: () -> Bool) -> Bool {
    let clock = MonotonicClock()
    let end = clock.now() + Self.answerTimeoutNanoseconds
    while !condition() {
      let now = clock.now()
      if now > end { return false }
      clock.sleep(until: now + Self.pollNanoseconds)
    }
    return true
  }

  /// Loop thread: takes what has arrived since the last tick.
  func collect(into inputs: UnsafeMutablePointer<TickInputs>) {
    _ = commands.take(into: &inputs.pointee.command)
    _ = streams.take(into: &inputs.pointee.stream)
    let sources = stop.exchange(0, ordering: .acquiringAndReleasing)
    inputs.pointee.stopRequested = sources != 0
    if sources != 0 {
      inputs.pointee.stopSource = sources == 1 << CommandSource.mqtt.rawValue ? .mqtt : .socket
    }
  }

  /// Loop thread: tells senders what the tick did.
  func report(commandNumber: UInt32, result: CommandResult, state: HandState) {
    latestState.store(state.rawValue, ordering: .releasing)
    answer.store(UInt64(commandNumber) << 8 | UInt64(result.rawValue), ordering: .releasing)
  }
}
