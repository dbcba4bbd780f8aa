/// What a host wrote to NCMD. It may ask for a birth and for nothing else: a hand's commands have one way
/// (docs/telemetry.md, Commands), with identifiers, expiry and replies, which Sparkplug has not.
package struct SparkplugCommand: Sendable, Equatable {
  /// A birth is asked for in a few dozen bytes; who writes more than this is refused as a whole.
  package static let maximumBytes = 4096

  /// Whether it asks for a birth.
  package var asksForBirth = false
  /// Metrics that it would write, which are refused.
  package var refusedMetrics = 0

  /// Reads a payload of at most `maximumBytes`. Throws what is wrong with it, and where.
  package init(decoding bytes: [UInt8]) throws(ProtobufError) {
    guard bytes.count <= Self.maximumBytes else {
      throw ProtobufError(offset: Self.maximumBytes, problem: "more than \(Self.maximumBytes) bytes")
    }
    var payload = ProtobufReader(bytes[...])
    while let (field, value) = try payload.next() {
      // Fields of a later version of the specification are passed over, as protocol buffers demand.
      guard field == SparkplugPayload.PayloadField.metrics else { continue }
      guard case .bytes(let metric) = value else {
        throw ProtobufError(offset: 0, problem: "metrics are no messages")
      }
      if try Self.isRebirth(metric) { asksForBirth = true } else { refusedMetrics += 1 }
    }
  }

  private static func isRebirth(_ bytes: ArraySlice<UInt8>) throws(ProtobufError) -> Bool {
    var metric = ProtobufReader(bytes)
    var name: String?
    var isTrue = false
    while let (field, value) = try metric.next() {
      switch (field, value) {
      case (SparkplugPayload.MetricField.name, .bytes(let text)): name = String(decoding: text, as: UTF8.self)
      case (SparkplugPayload.MetricField.boolean, .varint(let flag)): isTrue = flag == 1
      default: continue
      }
    }
    return name == SparkplugPayload.rebirth && isTrue
  }
}
