import Foundation
import Testing

/// JSON as a dictionary, or a recorded failure.
func json(_ bytes: [UInt8]) throws -> [String: Any] {
  let value = try JSONSerialization.jsonObject(with: Data(bytes))
  return try #require(value as? [String: Any])
}
