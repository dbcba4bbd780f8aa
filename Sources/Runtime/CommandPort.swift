import Control
import Glibc
import HandModel
import Realtime
import Synchronization

/// The way of commands into the loop: any thread submits, the tick takes.
///
/// A command crosses in a wait-free mailbox and is taken by the tick or withdrawn by its sender, never both:
/// what was answered as refused cannot act later. A stop is an atomic bit that nothing can overwrite or
/// delay.
package final class CommandPort: Sendable {
  /// A tick at the slowest rate (10 Hz) answers within this time; past it the loop is not running.
  package static let answerTimeoutNanoseconds: Int64 = 500_000_000
  /// How long the end of a thread is waited for that serves senders: a command in its hands takes up to the
  /// answer's time-out. One that stands still is left behind.
  static let endNanoseconds: Int64 = 700_000_000
  /// A set-point that waited longer than this for a tick is not what its sender wants any more.
  static let streamLifetimeNanoseconds: Int64 = 500_000_000
  /// How often a waiting sender looks for the answer.
  private static let pollNanoseconds: Int64 = 200_000
  /// Besides two ticks, what a stop waits before the drive-enable line is released without the loop: the
  /// longest that machines in the field were seen to stand still in ordinary operation.
  static let stopPatienceNanoseconds: Int64 = 30_000_000

  static let notRunning = "the control loop did not answer: it is not running"

  private struct SetPoint: BitwiseCopyable, Sendable {
    var command = TickCommand()
    var offeredNanoseconds = Int64.max
  }

  /// What a stop falls back on when the loop does not take it.
  private struct LastResort {
    var patienceNanoseconds = CommandPort.answerTimeoutNanoseconds
    var releaseOutputs: @Sendable () -> Bool = { false }
  }

  private let commands = TripleBuffer<TickCommand>(TickCommand())
  /// Number of the command that waits to be taken; 0 = none. Whoever exchanges it for 0, tick or sender,
  /// decides.
  private let waiting = Atomic<UInt32>(0)
  private let streams = TripleBuffer<SetPoint>(SetPoint())
  private let numbers = Atomic<UInt32>(0)
  private let senders = Locked<Void>(())
  private let streamers = Locked<Void>(())
  private let lastResort = Locked(LastResort())
  /// Bit s set: a stop from source s; a remote one must not hide a local one of the same tick.
  private let stop = Atomic<UInt8>(0)
  private let stops = Atomic<UInt32>(0)
  /// Number of the last handled command << 8 | its result.
  private let answer = Atomic<UInt64>(0)
  private let latestState = Atomic<UInt8>(HandState.starting.rawValue)
  /// Stops that the present tick has taken; the loop thread's own.
  nonisolated(unsafe) private var takenStops: UInt32 = 0
  /// Stops that a tick took which ended with the outputs off.
  private let servedStops = Atomic<UInt32>(0)

  package init() {}

  /// Names what a stop does when the loop does not take it in time. Before any stop comes.
  /// - Parameter releaseOutputs: switches the outputs off without the loop, from any thread; whether they
  ///   were seen
  ///   off.
  func fallBack(periodNanoseconds: Int64, releaseOutputs: @escaping @Sendable () -> Bool) {
    lastResort.withLock {
      $0 = LastResort(
        patienceNanoseconds: 2 * periodNanoseconds + Self.stopPatienceNanoseconds,
        releaseOutputs: releaseOutputs)
    }
  }

  // MARK: - Senders

  /// Hands a command to the loop and waits, bounded, for what became of it. Not for the loop thread.
  package func submit(_ command: Command, source: CommandSource) -> CommandReply {
    switch command {
    case .stop:
      requestStop(source)
      return awaitStop()
    case .stream: return stream(command, source)
    default: return senders.withLock { _ in ask(command, source) }
    }
  }

  private func ask(_ command: Command, _ source: CommandSource) -> CommandReply {
    let number = nextNumber()
    post(TickCommand(command, source: source, number: number))
    let isAnswered = { [self] in
      UInt32(truncatingIfNeeded: answer.load(ordering: .acquiring) >> 8) == number
    }
    if !wait(Self.answerTimeoutNanoseconds, until: isAnswered) {
      guard !withdraw(number) else {
        return .refused(reason: Self.notRunning)
      }
      // The tick has it: what it comes to is known when that tick ends.
      guard wait(Self.answerTimeoutNanoseconds, until: isAnswered) else {
        return .unconfirmed(
          reason: "the control loop took the command and stands still; whether it acted is not known")
      }
    }
    let result = CommandResult(rawValue: UInt8(truncatingIfNeeded: answer.load(ordering: .acquiring)))
    guard let refusal = result?.refusal else { return .executed }
    return .refused(reason: refusal)
  }

  private func stream(_ command: Command, _ source: CommandSource) -> CommandReply {
    let state = HandState(rawValue: latestState.load(ordering: .acquiring)) ?? .starting
    guard state.outputsLive else { return .refused(reason: CommandResult.notArmed.refusal ?? "") }
    streamers.withLock { _ in
      streams.write(
        SetPoint(
          command: TickCommand(command, source: source, number: nextNumber()),
          offeredNanoseconds: MonotonicClock().now()))
    }
    return .executed
  }

  /// Counts from 1 on: 0 is no command.
  private func nextNumber() -> UInt32 {
    while true {
      let number = numbers.wrappingAdd(1, ordering: .relaxed).newValue
      if number != 0 { return number }
    }
  }

  /// Hands a command to the loop without waiting: for a caller that runs the loop itself and is its only
  /// sender.
  package func post(_ command: TickCommand) {
    switch command.kind {
    case .stop: requestStop(command.source)
    case .stream: streams.write(SetPoint(command: command))
    default:
      waiting.store(command.number, ordering: .releasing)
      commands.write(command)
    }
  }

  /// Whether the command was taken back before a tick had it.
  private func withdraw(_ number: UInt32) -> Bool {
    waiting.compareExchange(expected: number, desired: 0, ordering: .acquiringAndReleasing).exchanged
  }

  // MARK: - Stop

  /// Asks for the stop: wait-free, from any thread, in the callback that read it. The next tick latches it.
  package func requestStop(_ source: CommandSource) {
    // The bit first: a tick that sees the count has seen the bit, or one before it has.
    stop.bitwiseOr(1 << source.rawValue, ordering: .acquiringAndReleasing)
    stops.wrappingAdd(1, ordering: .acquiringAndReleasing)
  }

  /// Stops requested so far. A command that was read at another count is older than a stop, and not what is
  /// wanted after it.
  package var stopCount: UInt32 { stops.load(ordering: .acquiring) }

  /// Whether a stop waits for a tick.
  var isStopPending: Bool { stop.load(ordering: .acquiring) != 0 }

  /// Waits until a requested stop is seen to have done its work. When no tick takes it in time, the outputs
  /// are switched off without the loop; the stop stays requested for it.
  /// - Returns: executed only if outputs were seen off.
  package func awaitStop() -> CommandReply {
    let lastResort = lastResort.withLock { $0 }
    let wanted = stopCount
    // Counted, not the state looked at: somebody else may have reset the hand since.
    let isStopped = { [self] in
      Int32(bitPattern: servedStops.load(ordering: .acquiring) &- wanted) >= 0
    }
    if wait(lastResort.patienceNanoseconds, until: isStopped) { return .executed }
    if lastResort.releaseOutputs() || wait(Self.answerTimeoutNanoseconds, until: isStopped) {
      return .executed
    }
    return .unconfirmed(
      reason: "the control loop did not answer and the outputs were not seen off: cut the hand's supply")
  }

  private func wait(_ nanoseconds: Int64, until condition: () -> Bool) -> Bool {
    let clock = MonotonicClock()
    let end = clock.now() + nanoseconds
    while !condition() {
      let now = clock.now()
      if now > end { return false }
      clock.sleep(until: now + Self.pollNanoseconds)
    }
    return true
  }

  // MARK: - Loop thread

  /// Loop thread: takes what has arrived since the last tick.
  func collect(into inputs: UnsafeMutablePointer<TickInputs>) {
    takenStops = stopCount
    commands.withNewest { command, isNew in
      if isNew && withdraw(command.number) { inputs.pointee.command = copy command }
    }
    streams.withNewest { offer, isNew in
      guard isNew else { return }
      let isOld =
        offer.offeredNanoseconds < .max
        && MonotonicClock().now() - offer.offeredNanoseconds > Self.streamLifetimeNanoseconds
      if !isOld { inputs.pointee.stream = offer.command }
    }
    let sources = stop.exchange(0, ordering: .acquiringAndReleasing)
    inputs.pointee.stopRequested = sources != 0
    if sources != 0 {
      inputs.pointee.stopSource = sources == 1 << CommandSource.mqtt.rawValue ? .mqtt : .socket
    }
  }

  /// Loop thread: tells senders what the tick did.
  /// - Parameters:
  ///   - commandNumber: of the last command that the tick handled.
  ///   - areOutputsOn: as the tick left them.
  func report(commandNumber: UInt32, result: CommandResult, state: HandState, areOutputsOn: Bool) {
    latestState.store(state.rawValue, ordering: .releasing)
    if !areOutputsOn { servedStops.store(takenStops, ordering: .releasing) }
    answer.store(UInt64(commandNumber) << 8 | UInt64(result.rawValue), ordering: .releasing)
  }
}
