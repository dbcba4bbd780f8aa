/// A value that every interface writes as one word: MQTT, control socket, recordings, journal. The words are
/// listed in docs/words.md.
package protocol InterfaceWord: CaseIterable, Sendable {
  /// For machines: letters, digits and hyphens, the same in every version.
  var id: String { get }
  /// For people. The id itself, unless it needs more words.
  var name: String { get }
}

extension InterfaceWord {
  /// The id, where it is a word for people.
  package var name: String { id }

  /// The value with this id; nil when there is none.
  package init?(id: String) {
    guard let value = Self.allCases.first(where: { $0.id == id }) else { return nil }
    self = value
  }
}
