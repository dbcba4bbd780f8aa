/// Which ticks a recorder keeps.
package enum RecordingMode: String, Sendable, CaseIterable, Codable {
  /// All of them.
  case full
  /// Some all the time, and all of them around events: for machines that run from a card.
  case events
}
