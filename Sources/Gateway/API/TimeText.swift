import Foundation

extension Timestamp {
  private static let format = Date.ISO8601FormatStyle(includingFractionalSeconds: false)

  /// RFC 3339 in UTC with microseconds: `2026-11-30T19:24:00.000001Z`.
  package var text: String {
    let (seconds, rest) = (Int64((Double(microseconds) / 1e6).rounded(.down)), microseconds)
    let fraction = rest - seconds * 1_000_000
    let whole = Date(timeIntervalSince1970: TimeInterval(seconds)).formatted(Self.format)
    let digits = String(fraction)
    return whole.dropLast() + "." + String(repeating: "0", count: max(0, 6 - digits.count)) + digits + "Z"
  }

  /// Reads RFC 3339 with or without a fraction.
  package init?(text: String) {
    guard text.utf8.count <= 40 else { return nil }
    let format = Date.ISO8601FormatStyle(includingFractionalSeconds: text.contains("."))
    guard let date = try? Date(text, strategy: format) else { return nil }
    let microseconds = (date.timeIntervalSince1970 * 1e6).rounded()
    guard microseconds.magnitude < 9e15 else { return nil }
    self.init(microseconds: Int64(microseconds))
  }
}
