import HandModel
import Realtime
import Synchronization
import Telemetry
import Wire

/// Commands to hands, and what became of them.
package final class HandCommands: Sendable {
  /// For the hand's answer: it gives a command up after a second, and the broker lies between.
  static let defaultSeconds = 5.0
  /// Commands that wait for their answers.
  private static let most = 1000

  /// What became of a command.
  package enum Outcome: Sendable, Equatable {
    /// The hand's own answer.
    case answered(CommandReply)
    /// Nobody is subscribed to the hand's commands.
    case unheard
    /// The broker did not take it, or too many wait.
    case failed(String)
    /// No answer came in time. It may have been executed.
    case silent
  }

  private struct Waiting {
    var continuation: CheckedContinuation<Outcome, Never>
    var timer: Task<Void, Never>
  }

  private let waiting = Mutex<[String: Waiting]>([:])
  private let seconds: Double

  /// - Parameter seconds: for the hand's answer.
  package init(seconds: Double = HandCommands.defaultSeconds) { self.seconds = seconds }

  /// Sends a command and waits for what becomes of it.
  /// - Parameters:
  ///   - members: of the command's body, as `docs/telemetry.md` has them; an `id` gives way to one of our
  ///     own.
  package func send(
    verb: String, _ members: [JSONValue.Member], to handID: String, over link: MessageLink
  ) async -> Outcome {
    let id = "gateway-\(Secret.make().prefix(22))"
    let body = [.init(key: "id", value: .string(id))] + members.filter { $0.key != "id" && $0.key != "verb" }
    let payload = JSONValue.object(body).encoded()
    guard payload.count <= CommandParser.maximumBytes else {
      return .failed("the command has \(payload.count) bytes, expected at most \(CommandParser.maximumBytes)")
    }
    return await withCheckedContinuation { continuation in
      let timer = Task { [seconds, weak self] in
        try? await Task.sleep(for: .seconds(seconds))
        if !Task.isCancelled { self?.finish(id, .silent) }
      }
      let hasRoom = waiting.withLock { waiting in
        guard waiting.count < Self.most || verb == CommandParser.Verb.stop.rawValue else { return false }
        waiting[id] = Waiting(continuation: continuation, timer: timer)
        return true
      }
      guard hasRoom else {
        timer.cancel()
        continuation.resume(returning: .failed("\(Self.most) commands wait for their answers"))
        return
      }
      link.publish(topic: Topics(handID: handID).command(verb: verb), payload: payload) {
        [weak self] outcome in
        switch outcome {
        case .taken: break
        case .unheard: self?.finish(id, .unheard)
        case .failed(let reason): self?.finish(id, .failed(reason))
        }
      }
    }
  }

  /// Takes what a hand says of a command, ours or another's.
  package func take(_ reply: ReplyMessage) {
    guard let id = reply.id else { return }
    finish(id, .answered(reply.reply))
  }

  private func finish(_ id: String, _ outcome: Outcome) {
    guard let found = waiting.withLock({ $0.removeValue(forKey: id) }) else { return }
    found.timer.cancel()
    found.continuation.resume(returning: outcome)
  }
}
