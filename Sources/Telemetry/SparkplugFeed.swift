import HandModel
import Realtime
import Wire

/// What the Sparkplug connection has done so far. Counters run from the start.
package struct SparkplugStatus: Sendable, Equatable {
  /// Whether the connection stands and hosts' requests for births arrive.
  package var way = CommandWay()
  /// Births sent: one a connection, and one each time that a host asked.
  package var births: UInt64 = 0
  /// Messages of data sent.
  package var data: UInt64 = 0
  /// Samples that were due while there was no connection, while the socket was behind, or that a newer one
  /// overtook.
  package var dropped: UInt64 = 0
  /// Metrics that hosts would have written, and messages that could not be read.
  package var refused: UInt64 = 0
}

/// Carries samples from the publisher's thread to that of `SparkplugLink`, and the status back. The publisher
/// never waits: a sample that was not taken is replaced by the next.
final class SparkplugFeed: Sendable {
  let wakeUp = WakeUp()
  private let newest = TripleBuffer(TickRecord())
  /// Every so many ticks a sample is due.
  let decimation: UInt64
  private let report = Locked(SparkplugStatus())

  init(_ options: PublisherOptions, rateHertz: Int) {
    decimation = UInt64(max(1, (Double(rateHertz) / options.sparkplugHertz).rounded()))
  }

  /// The publisher's thread: takes note of the next tick.
  func note(_ record: borrowing TickRecord) {
    guard record.sequence % decimation == 0 else { return }
    newest.write(copy record)
    wakeUp.ring()
  }

  /// The link's thread: copies the newest sample if it came since the last call; otherwise returns false.
  func take(into record: inout TickRecord) -> Bool { newest.take(into: &record) }

  var status: SparkplugStatus {
    get { report.withLock { $0 } }
    set { report.withLock { $0 = newValue } }
  }
}
