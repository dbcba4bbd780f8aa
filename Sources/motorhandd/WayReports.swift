import Telemetry
import Wire

/// Tells in the journal whether commands and stops reach the hand over MQTT, each change once.
struct WayReports {
  /// A start takes so long to connect, subscribe and hear itself, also at the second attempt.
  private static let graceNanoseconds: Int64 = 10_000_000_000

  private let startedAt: Int64
  private var commands: CommandWay.State?
  private var stops: CommandWay.State?

  init(now: Int64) { startedAt = now }

  /// - Parameters:
  ///   - now: of the monotonic clock.
  ///   - report: told of each change.
  mutating func observe(
    _ status: PublisherStatus, now: Int64, report: (_ text: String, _ message: JournalMessage) -> Void
  ) {
    let isStarting = now - startedAt < Self.graceNanoseconds
    observe(status.commandWay, "commands", status.broker, isStarting, &commands, report)
    observe(status.stopWay, "stops", status.broker, isStarting, &stops, report)
  }

  private func observe(
    _ way: CommandWay, _ what: String, _ broker: String, _ isStarting: Bool,
    _ reported: inout CommandWay.State?, _ report: (String, JournalMessage) -> Void
  ) {
    let isUp = way.state == .up
    guard way.state != reported, way.state != .asking, isUp || reported != nil || !isStarting else { return }
    reported = way.state
    if isUp {
      report(
        "\(what) over MQTT arrive, from \(broker)\(way.error.isEmpty ? "" : "; but \(way.error)")",
        .commandsHeard)
    } else {
      let fact = way.state == .unproved ? "are not seen to arrive" : "do not arrive"
      report("\(what) over MQTT \(fact): \(way.error)", .commandsDeaf)
    }
  }
}
