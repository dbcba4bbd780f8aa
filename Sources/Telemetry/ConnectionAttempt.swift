import CMosquitto
import Glibc
import Realtime

/// One attempt to connect, on a thread of its own, because resolver and kernel may block for minutes: the
/// publisher goes on reading its ring meanwhile, and can stop without waiting.
///
/// There is never more than one attempt at a time; an abandoned one cleans up after itself.
final class ConnectionAttempt: Sendable {
  enum Outcome: Sendable {
    case connected(BrokerConnection)
    case failed(BrokerError)
  }

  private enum State: Sendable {
    case running
    case done(Outcome)
    case abandoned
  }

  private let state = Locked(State.running)

  /// - Parameter connect: makes a connection whose socket stands.
  init(connect: @escaping @Sendable () throws(BrokerError) -> BrokerConnection) {
    do throws(RealtimeThreadError) {
      let thread = try Publisher.thread("mqtt-connect") { [self] in
        let outcome: Outcome
        do throws(BrokerError) { outcome = .connected(try connect()) } catch { outcome = .failed(error) }
        finish(outcome)
      }
      thread.leave()
    } catch { finish(.failed(.noThread(error))) }
  }

  private func finish(_ outcome: Outcome) {
    let abandoned = state.withLock { state in
      if case .abandoned = state { return true }
      state = .done(outcome)
      return false
    }
    // Nobody waits for it: say goodbye, so that the broker sends no will for a session never used.
    if abandoned, case .connected(let connection) = outcome { connection.disconnect() }
  }

  /// The outcome once there is one.
  func poll() -> Outcome? {
    state.withLock { state in
      if case .done(let outcome) = state { return outcome }
      return nil
    }
  }

  /// Ends the connection, now or when it comes.
  func abandon() {
    let unused = state.withLock { state -> BrokerConnection? in
      defer { state = .abandoned }
      if case .done(.connected(let connection)) = state { return connection }
      return nil
    }
    unused?.disconnect()
  }
}
