/// The two kinds of files of a hand, told apart by the list that only one of them must have: whoever gives
/// one for the other reads that, and not a dozen missing keys.
enum FileKind: String {
  case board, calibration

  private var ownKey: String { self == .board ? "buses" : "poses_degrees" }
  private var other: FileKind { self == .board ? .calibration : .board }

  /// False after reporting a file of the other kind.
  func accepts(_ reader: MappingReader) -> Bool {
    guard reader.keys.contains(other.ownKey), !reader.keys.contains(ownKey) else { return true }
    reader.diagnostics.report(
      at: reader.mark, keyPath: "", found: "a \(other.rawValue)", expected: "a \(rawValue)")
    return false
  }
}
