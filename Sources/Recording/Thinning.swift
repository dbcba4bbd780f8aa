import HandModel

extension Recording {
  /// To what the ticks of a segment were thinned out, by its own description.
  static func thinnedTo(_ meta: [String: String], _ path: String) throws(RecordingError) -> Int? {
    guard meta["recording_mode"] == RecordingMode.events.rawValue else { return nil }
    let found = meta["thinned_to"] ?? "nothing"
    guard let every = Int(found), every > 0 else {
      throw .unreadable(path: path, place: "meta, thinned_to", found: found, expected: "1 or more")
    }
    return every
  }

  /// Whether ticks are missing between two only because they were thinned out.
  func isThinned(_ missing: ClosedRange<UInt64>) -> Bool {
    guard let every = thinnedTo.map(UInt64.init) else { return false }
    return missing.lowerBound % every != 0
      && missing.lowerBound / every == missing.upperBound / every
  }
}
