import Realtime
import Synchronization
import Wire
import HandModel

/// Waits for what came of stops, on a thread of its own: whoever read a stop goes on reading.
///
/// All stops that have come when a wait begins share it, also those that are asked after only while it goes
/// on. A stop that nobody asks after is waited for too: the last resort, the drive-enable line released
/// without the loop, comes with the waiting.
package final class StopWaiter: Sendable {
  /// Remote stops that wait for their answer. They share one wait, so that more come only in a flood of
  /// stops, in which the first answers say all there is to say. The socket's stops are bounded by what its
  /// connections may ask.
  package static let remoteCapacity = 32
  /// Longer than a stop is waited for.
  private static let endNanoseconds: Int64 = 700_000_000

  /// Called once, on the waiter's thread, with what the stop came to.
  package typealias Completion = @Sendable (CommandReply) -> Void

  private struct Asked {
    let source: CommandSource
    /// Stops requested when it was asked: its own is among them.
    let stopCount: UInt32
    let completion: Completion
  }

  private struct Requests {
    var asked: [Asked] = []
    var isEnding = false

    var remote: Int { asked.count { $0.source == .mqtt } }
  }

  private let stopCount: @Sendable () -> UInt32
  private let awaitStop: @Sendable () -> CommandReply
  private let requests = Locked(Requests())
  private let isRequested = Atomic(false)
  private let bell = Semaphore()
  private let thread = Locked<RealtimeThread?>(nil)

  /// - Parameters:
  ///   - stopCount: stops requested so far.
  ///   - awaitStop: waits, bounded, until the stops requested by then are seen to have done their work.
  package init(
    stopCount: @escaping @Sendable () -> UInt32, awaitStop: @escaping @Sendable () -> CommandReply
  ) {
    self.stopCount = stopCount
    self.awaitStop = awaitStop
  }

  /// Starts the thread that waits.
  package func start() throws(RealtimeThreadError) {
    let started = try RealtimeThread(name: "stops", policy: .normal) { [self] in run() }
    thread.withLock { $0 = started }
  }

  /// Answers what was asked, then ends the thread. What is asked later is not taken.
  package func stop() {
    requests.withLock { $0.isEnding = true }
    bell.signal()
    _ = thread.withLock { $0 }?.join(by: MonotonicClock().now() + Self.endNanoseconds)
  }

  /// A stop was requested. Wait-free: called inside the callback that read it.
  package func requested() {
    isRequested.store(true, ordering: .releasing)
    bell.signal()
  }

  /// Has a requested stop answered.
  /// - Returns: false when too many remote ones wait or the end has come; then `completion` is not called.
  package func whenStopped(_ source: CommandSource, _ completion: @escaping Completion) -> Bool {
    let isTaken = requests.withLock { requests in
      guard !requests.isEnding, source != .mqtt || requests.remote < Self.remoteCapacity else { return false }
      requests.asked.append(Asked(source: source, stopCount: stopCount(), completion: completion))
      return true
    }
    if isTaken { bell.signal() }
    return isTaken
  }

  private func run() {
    while true {
      bell.wait()
      let isEnding = requests.withLock { $0.isEnding }
      let isRequested = isRequested.exchange(false, ordering: .acquiringAndReleasing)
      let wanted = stopCount()
      if isRequested || requests.withLock({ !$0.asked.isEmpty }) {
        let reply = awaitStop()
        for asked in take(until: wanted) { asked.completion(reply) }
      }
      if isEnding { return }
    }
  }

  /// Who asks after stops up to this count; the others have rung for a wait of their own.
  private func take(until wanted: UInt32) -> [Asked] {
    requests.withLock { requests in
      let isWaitedFor = { (asked: Asked) in Int32(bitPattern: wanted &- asked.stopCount) >= 0 }
      defer { requests.asked.removeAll(where: isWaitedFor) }
      return requests.asked.filter(isWaitedFor)
    }
  }
}
