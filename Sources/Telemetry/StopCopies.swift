import HandModel
import Realtime

/// The two copies of each stop: one on the stop's own connection, one on that of the commands, whose filter
/// holds the stop's topic too. The first acts.
///
/// The second may come much later, behind a flood or held back by the broker's socket. It must not stop a
/// hand that was reset and armed meanwhile, and commands that come before it on its connection were sent
/// before the stop.
final class StopCopies: Sendable {
  enum Connection: Sendable { case stops, commands }

  /// A copy that comes later than this acts again: by then it is safer to believe that it is a stop of its
  /// own. So long, too, commands are refused when the broker dropped the copy that they wait for.
  static let lifetimeNanoseconds: Int64 = 2_000_000_000
  /// More are sent in a flood of stops only; those beyond act twice.
  static let capacity = 64

  private struct Seen {
    var body: [UInt8]
    var nanoseconds: Int64
    var connection: Connection
  }

  /// First copies whose second is still to come.
  private let open = Locked<[Seen]>([])

  /// Takes in a copy; whether it is the first, which acts.
  func isFirst(_ body: [UInt8], on connection: Connection) -> Bool {
    withOpen { open, now in
      if let index = open.firstIndex(where: { $0.connection != connection && $0.body == body }) {
        open.remove(at: index)
        return false
      }
      if open.count < Self.capacity {
        open.append(Seen(body: body, nanoseconds: now, connection: connection))
      }
      return true
    }
  }

  /// Whether the connection of the commands is still to bring the copy of a stop that acted: what it brings
  /// before is older than that stop.
  var areCommandsOlder: Bool {
    withOpen { open, _ in open.contains { $0.connection == .stops } }
  }

  /// A connection was lost, and the copies on their way with it.
  func forget() { open.withLock { $0.removeAll(keepingCapacity: true) } }

  private func withOpen<Result>(_ body: (inout [Seen], Int64) -> Result) -> Result {
    let now = MonotonicClock().now()
    return open.withLock { open in
      open.removeAll { now - $0.nanoseconds > Self.lifetimeNanoseconds }
      return body(&open, now)
    }
  }
}
