/// Whole objects at once, for what is written seldom.
extension JSONWriter {
  /// The text of one value.
  package static func text(_ write: (inout JSONWriter) -> Void) -> String {
    var writer = JSONWriter(capacity: 256)
    write(&writer)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  /// Writes an object with the members that `members` writes.
  package mutating func object(_ members: (inout JSONWriter) -> Void) {
    beginObject()
    members(&self)
    endObject()
  }

  /// Writes a list with the value that `write` writes for each item, in their order.
  package mutating func array<Item>(_ items: [Item], _ write: (inout JSONWriter, Item) -> Void) {
    beginArray()
    for item in items { write(&self, item) }
    endArray()
  }

  /// A text, escaped as JSON demands.
  package mutating func member(_ name: String, _ value: String) {
    key(name)
    string(value)
  }

  /// A text, or null.
  package mutating func member(_ name: String, _ value: String?) {
    key(name)
    string(value)
  }

  /// `true` or `false`.
  package mutating func member(_ name: String, _ value: Bool) {
    key(name)
    bool(value)
  }

  /// The shortest text that reads back to the same number; null when it is not finite.
  package mutating func member(_ name: String, _ value: Double) {
    key(name)
    number(value)
  }

  /// For whole numbers that by their nature stay below 2⁵³, beyond which JavaScript loses digits. A value out
  /// of the range of Int64 is written as the nearer end of that range.
  package mutating func member(_ name: String, _ value: some BinaryInteger) {
    key(name)
    integer(Int64(clamping: value))
  }

  /// An object as a member.
  package mutating func member(_ name: String, _ members: (inout JSONWriter) -> Void) {
    key(name)
    object(members)
  }
}
