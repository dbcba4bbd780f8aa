extension StateMessage {
  /// A number of a sample by its key, without reading the rest: who hears a thousand hands has no time for
  /// all.
  /// - Returns: nil where the key is missing, or its value is no finite number.
  package static func number(_ key: String, in bytes: [UInt8]) -> Double? {
    let wanted = Array("\"\(key)\":".utf8)
    var place = 0
    while place + wanted.count < bytes.count {
      guard let next = bytes[place...].firstIndex(of: UInt8(ascii: "\"")), next + wanted.count <= bytes.count
      else {
        return nil
      }
      // In a text a quotation mark has a backslash before it, so that this is a key.
      let isKey = next > 0 && (bytes[next - 1] == UInt8(ascii: ",") || bytes[next - 1] == UInt8(ascii: "{"))
      if isKey, bytes[next..<next + wanted.count].elementsEqual(wanted) {
        let value = bytes[(next + wanted.count)...].prefix {
          $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "}")
        }
        return value.count <= longestNumber ? Double(numberText: Array(value)) : nil
      }
      place = next + 1
    }
    return nil
  }

  /// Of a Double in any form.
  private static let longestNumber = 32
}
