/// Finds what a mistyped word was probably meant to be.
package enum Suggestion {
  /// Words longer than this are not compared: the distance costs the product of both lengths.
  private static let longestWord = 64

  /// The candidate nearest to `word`, or nil when none is near. Up to a third of the letters, but at least
  /// two, may differ; or only the unit after an underscore is missing. Of equally near ones the first.
  package static func nearest(to word: String, among candidates: [String]) -> String? {
    guard !word.isEmpty, word.utf8.count <= longestWord else { return nil }
    if let complete = candidates.first(where: { $0.hasPrefix(word + "_") }) { return complete }
    let allowed = max(2, word.count / 3)
    var best: (distance: Int, candidate: String)?
    for candidate in candidates where candidate.utf8.count <= longestWord {
      let distance = editDistance(word.lowercased(), candidate.lowercased())
      guard distance <= allowed, distance < candidate.count else { continue }
      if best == nil || distance < best!.distance { best = (distance, candidate) }
    }
    return best?.candidate
  }

  /// Levenshtein's distance: insertions, deletions and replacements, one row kept.
  package static func editDistance(_ first: String, _ second: String) -> Int {
    let first = Array(first)
    let second = Array(second)
    var row = Array(0...second.count)
    for (i, letter) in first.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, other) in second.enumerated() {
        let replaced = diagonal + (letter == other ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(replaced, row[j] + 1, row[j + 1] + 1)
      }
    }
    return row[second.count]
  }
}
