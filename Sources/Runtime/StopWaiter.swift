import HandModel
import Realtime

/// Requests stops at once, and waits on a thread of its own for what they came to: whoever reads them never waits.
package final class StopWaiter: Sendable {
  private struct Requests {
    var completions: [@Sendable (CommandReply) -> Void] = []
    /// A stop that nobody asks after is waited for too: the last resort comes with the waiting.
    var hasAny = false
    var isEnding = false
  }

  private let port: CommandPort
  private let requests = SharedState(Requests())
  private let bell = Semaphore()
  private let thread = SharedState<RealtimeThread?>(nil)

  package init(port: CommandPort) { self.port = port }

  package func start() throws(RealtimeThreadError) {
    let started = try RealtimeThread(name: "stops", policy: .normal) { [self] in run() }
    thread.withLock { $0 = started }
  }

  /// Answers what was requested, then ends the thread.
  package func stop() {
    requests.withLock { $0.isEnding = true }
    bell.signal()
    _ = thread.withLock { $0 }?.join(by: MonotonicClock().now() + CommandPort.endNanoseconds)
  }

  /// Stops the hand.
  /// - Parameter completion: told, on the waiter's thread, whether the outputs were seen off.
  package func request(
    _ source: CommandSource, completion: (@Sendable (CommandReply) -> Void)? = nil
  ) {
    port.requestStop(source)
    requests.withLock {
      $0.hasAny = true
      if let completion { $0.completions.append(completion) }
    }
    bell.signal()
  }

  private func run() {
    while true {
      bell.wait()
      let taken = requests.withLock { requests in
        defer {
          requests.completions = []
          requests.hasAny = false
        }
        return requests
      }
      if taken.hasAny {
        let reply = port.awaitStop()
        for completion in taken.completions { completion(reply) }
      }
      if taken.isEnding { return }
    }
  }
}
