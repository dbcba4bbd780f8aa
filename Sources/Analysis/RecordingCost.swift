import HandModel
import Recording

/// What recording a hand takes of the card, by what was measured of recordings in virtual time
/// (`swift test --filter RecordingCostTests` compares it with new ones).
package struct RecordingCost: Sendable, Equatable, Codable {
  // Blocks: of 15 motors through grasps at 1 kHz, 214 B a tick; 5 servos that hardly move take 35. Rows, in
  // pages of 4 KiB: 1,397 B with 15 joints and 518 with 5.
  private static let blockBytesPerTick = 20.0
  private static let blockBytesPerTickAndJoint = 13.0
  private static let rowBytes = 80.0
  private static let rowBytesPerJoint = 88.0
  private static let secondsADay = 86_400.0

  /// What the board file asks for.
  package var mode: RecordingMode
  /// What recordings may take before the oldest are deleted, unless told otherwise.
  package var keptBytes: UInt64
  /// Bytes of a day's files with all ticks of a hand that moves all day.
  package var fullBytesADay: Double
  /// Hours of this that are kept.
  package var fullHours: Double
  /// Bytes of a day's files in mode `events` in which nothing happens; with events all the time as full.
  package var eventsBytesADay: Double
  /// Hours of this that are kept.
  package var eventsHours: Double

  /// - Parameter board: with its rate, joints and mode.
  package init(_ board: Board) {
    let (rate, joints) = (Double(board.control.rateHertz), Double(board.joints.count))
    let rows = Double(board.recordedRowsPerSecond) * (Self.rowBytes + Self.rowBytesPerJoint * joints)
    let blocks = rate * (Self.blockBytesPerTick + Self.blockBytesPerTickAndJoint * joints)
    mode = board.recordingMode
    keptBytes = RecorderOptions().keepBytes ?? 0
    fullBytesADay = (rows + blocks) * Self.secondsADay
    eventsBytesADay = rows * Self.secondsADay
    fullHours = Double(keptBytes) / fullBytesADay * 24
    eventsHours = Double(keptBytes) / eventsBytesADay * 24
  }

  /// One line.
  package var text: String {
    func gigabytes(_ bytes: Double) -> Double { (bytes / 1e8).rounded() / 10 }
    func line(_ bytes: Double, _ hours: Double) -> String {
      "\(gigabytes(bytes)) GB a day, \(Int(hours)) h in \(gigabytes(Double(keptBytes))) GB"
    }
    let own = mode == .full ? "full" : "events"
    return "recording: \(line(fullBytesADay, fullHours)) with all ticks; "
      + "\(line(eventsBytesADay, eventsHours)) with events alone, while nothing happens; the board says \(own)"
  }
}
