import HandModel

/// A `state` message as its readers see it: values in the order of the channels that the hand's birth
/// announces.
package struct StateMessage: Sendable, Equatable {
  /// What its key `schema` says.
  package static let schema = "motorhand.state/2"

  /// A value; nil where the message says null.
  package enum Value: Sendable, Equatable {
    /// A real number.
    case number(Double?)
    /// A whole number that JavaScript holds exactly.
    case integer(Int64?)
    /// A word or a name.
    case text(String?)
    /// Yes or no.
    case flag(Bool?)
    /// A whole number of 64 bits, text on the wire.
    case wide(Int64?)
  }

  /// One a channel.
  package var values: [Value]

  package init(values: [Value]) { self.values = values }

  /// - Parameter channels: of the hand's birth, as many as there are values.
  package func encoded(_ channels: [Channel]) -> [UInt8] {
    var json = JSONWriter(capacity: 8192)
    json.beginObject()
    for (channel, value) in zip(channels, values) {
      json.key(channel.name)
      switch value {
      case .number(let number): json.number(number ?? .nan)
      case .integer(let number): if let number { json.integer(number) } else { json.null() }
      case .text(let text): json.string(text)
      case .flag(let flag): if let flag { json.bool(flag) } else { json.null() }
      case .wide(let number): if let number { json.wide(number) } else { json.null() }
      }
    }
    json.endObject()
    return json.bytes
  }

  /// Reads a message. A channel that the message has not is nil, as one that is null.
  /// - Parameter channels: of the hand's birth.
  package init(decoding bytes: [UInt8], _ channels: [Channel]) throws(MessageProblem) {
    let fields = try MessageFields(bytes, schema: Self.schema)
    values = []
    values.reserveCapacity(channels.count)
    for channel in channels { values.append(try Self.value(of: channel, in: fields)) }
  }

  private static func value(of channel: Channel, in fields: MessageFields) throws(MessageProblem) -> Value {
    switch channel.kind {
    case .number: .number(try fields.optionalNumber(channel.name))
    case .integer: .integer(try fields.optional(channel.name, as: "an integer", CommandParser.integer))
    case .text: .text(try fields.optionalText(channel.name))
    case .flag:
      .flag(
        try fields.optional(channel.name, as: "true, false or null") {
          if case .boolean(let flag) = $0 { flag } else { nil }
        })
    case .wide: .wide(try fields.optional(channel.name, as: "an integer as text", CommandParser.integer))
    }
  }
}
