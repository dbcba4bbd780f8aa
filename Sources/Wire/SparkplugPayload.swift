import HandModel

/// A hand as an edge node of Sparkplug B 3.0: its metrics are the channels of `state`, in the same words and
/// with the same values, a joint's with a slash in place of the dot, because hosts show folders by it.
///
/// Field numbers are those of the specification's `Payload` and `Metric`. Protocol buffers have no schema on
/// the wire: these numbers are the format.
package struct SparkplugPayload {
  /// Of `Payload`.
  enum PayloadField { static let timestamp: UInt64 = 1, metrics: UInt64 = 2, seq: UInt64 = 3 }

  /// Of `Metric`. 10 to 15 are the value, of which a metric has one or `isNull`. A hand sends nothing late,
  /// so `is_historical` (5) is never there, which means false.
  enum MetricField {
    static let name: UInt64 = 1, alias: UInt64 = 2, timestamp: UInt64 = 3, datatype: UInt64 = 4
    static let isNull: UInt64 = 7, properties: UInt64 = 9
    static let long: UInt64 = 11, double: UInt64 = 13, boolean: UInt64 = 14, string: UInt64 = 15
  }

  /// Of `PropertySet`, and of its `PropertyValue`.
  enum PropertyField {
    static let keys: UInt64 = 1, values: UInt64 = 2
    static let type: UInt64 = 1, double: UInt64 = 6, string: UInt64 = 8
  }

  /// Numbers that the specification gives to types.
  enum DataType: UInt64 { case int64 = 4, double = 10, boolean = 11, string = 12 }

  /// The metric by which a host asks for a birth. It has no alias by the specification.
  package static let rebirth = "Node Control/Rebirth"

  /// A metric that births announce and data have by its alias, which is its index.
  struct Metric {
    /// Where its value comes from.
    enum Source {
      case runID, clockSynced
      case tick(Field)
      case joint(Field, index: Int)
    }
    var channel: Channel
    var source: Source
    var dataType: DataType
  }

  let metrics: [Metric]
  private let runID: String
  private let jointNames: [String]
  /// What a host knows, by alias.
  private var told: [FieldValue] = []
  private var nextSequence: UInt64 = 0

  /// Metrics of the hand `identity`: those of its channels that it has values of. Time is every metric's own,
  /// so that the copies for plotters are left out.
  package init(identity: HandIdentity, fields: FieldTable = .standard) {
    runID = identity.runID
    jointNames = identity.board.joints.map(\.name)
    let equipment = identity.board.equipment
    var metrics: [Metric] = []
    for channel in Channel.all(of: identity, fields) {
      switch channel.name {
      case "run_id": metrics.append(Metric(channel, .runID))
      case "clock_synced": metrics.append(Metric(channel, .clockSynced))
      default:
        if let joint = channel.joint {
          let short = channel.name.dropFirst(jointNames[joint].count + 1)
          guard let field = fields.joint.first(where: { $0.channel?.name ?? "" == short }),
            field.exists(on: equipment[joint])
          else { continue }
          metrics.append(Metric(channel, .joint(field, index: joint), folder: jointNames[joint]))
        } else if let field = fields.tick.first(where: { $0.channel?.name == channel.name }),
          field.exists(on: equipment), field.channel?.isSeconds != true
        {
          metrics.append(Metric(channel, .tick(field)))
        }
      }
    }
    self.metrics = metrics
  }

  /// NBIRTH: every metric with name, alias, type, unit, limits and value. Its number is 0, and those of the
  /// data after it go on from there.
  /// - Parameters:
  ///   - bdSeq: number of the connection, 0...255: that of its will.
  ///   - now: wall clock, nanoseconds since 1970.
  package mutating func birth(
    _ record: borrowing TickRecord, bdSeq: UInt8, clockSynced: Bool, now: Int64
  ) -> [UInt8] {
    told = values(of: record, clockSynced)
    nextSequence = 1
    var payload = ProtobufWriter(capacity: 32_768)
    payload.varint(PayloadField.timestamp, Self.milliseconds(now))
    Self.write(bdSeq, now, into: &payload)
    payload.message(PayloadField.metrics) { metric in
      metric.string(MetricField.name, Self.rebirth)
      metric.varint(MetricField.timestamp, Self.milliseconds(now))
      metric.varint(MetricField.datatype, DataType.boolean.rawValue)
      metric.flag(MetricField.boolean, false)
    }
    let time = Self.milliseconds(record.wallNanoseconds)
    for (alias, metric) in metrics.enumerated() {
      payload.message(PayloadField.metrics) { writer in
        writer.string(MetricField.name, metric.channel.name)
        writer.varint(MetricField.alias, UInt64(alias))
        writer.varint(MetricField.timestamp, time)
        writer.varint(MetricField.datatype, metric.dataType.rawValue)
        metric.writeProperties(into: &writer)
        Self.write(told[alias], into: &writer)
      }
    }
    payload.varint(PayloadField.seq, 0)
    return payload.bytes
  }

  /// NDATA: what has changed since the last message, by alias. Nil where nothing has, which never happens to
  /// a hand that ticks: its tick's number is a metric.
  package mutating func data(
    _ record: borrowing TickRecord, clockSynced: Bool, now: Int64
  ) -> [UInt8]? {
    let values = values(of: record, clockSynced)
    let time = Self.milliseconds(record.wallNanoseconds)
    var payload = ProtobufWriter(capacity: 8192)
    payload.varint(PayloadField.timestamp, Self.milliseconds(now))
    var isEmpty = true
    for (alias, value) in values.enumerated() where value != told[alias] {
      isEmpty = false
      payload.message(PayloadField.metrics) { writer in
        writer.varint(MetricField.alias, UInt64(alias))
        writer.varint(MetricField.timestamp, time)
        Self.write(value, into: &writer)
      }
    }
    guard !isEmpty else { return nil }
    told = values
    payload.varint(PayloadField.seq, nextSequence)
    nextSequence = (nextSequence + 1) % 256
    return payload.bytes
  }

  /// NDEATH: the will of the connection `bdSeq`, and what is said before a connection is ended.
  package static func death(bdSeq: UInt8, now: Int64) -> [UInt8] {
    var payload = ProtobufWriter()
    payload.varint(PayloadField.timestamp, milliseconds(now))
    write(bdSeq, now, into: &payload)
    return payload.bytes
  }

  // MARK: Parts

  /// Before 1970 a clock is wrong: 0.
  private static func milliseconds(_ nanoseconds: Int64) -> UInt64 { UInt64(max(0, nanoseconds) / 1_000_000) }

  private static func write(_ bdSeq: UInt8, _ now: Int64, into payload: inout ProtobufWriter) {
    payload.message(PayloadField.metrics) { metric in
      metric.string(MetricField.name, "bdSeq")
      metric.varint(MetricField.timestamp, milliseconds(now))
      metric.varint(MetricField.datatype, DataType.int64.rawValue)
      metric.varint(MetricField.long, UInt64(bdSeq))
    }
  }

  private static func write(_ value: FieldValue, into metric: inout ProtobufWriter) {
    switch value {
    case .none: metric.flag(MetricField.isNull, true)
    case .flag(let value): metric.flag(MetricField.boolean, value)
    case .integer(let value): metric.varint(MetricField.long, UInt64(bitPattern: value))
    case .real(let value): metric.double(MetricField.double, value)
    case .text(let value): metric.string(MetricField.string, value)
    }
  }

  private func values(of record: borrowing TickRecord, _ clockSynced: Bool) -> [FieldValue] {
    let joints = Int(record.jointCount)
    return withUnsafePointer(to: record) { pointer in
      let start = UnsafeRawPointer(pointer)
      return metrics.map { metric in
        switch metric.source {
        case .runID: .text(runID)
        case .clockSynced: .flag(clockSynced)
        case .tick(let field): Self.told(field, start, jointNames)
        case .joint(let field, let index):
          index < joints ? Self.told(field, start + TickRecord.jointOffset(index), jointNames) : .none
        }
      }
    }
  }

  /// A value as `state` tells it, so that a digit that `state` rounds away is no change.
  private static func told(_ field: Field, _ record: UnsafeRawPointer, _ jointNames: [String]) -> FieldValue {
    let value = field.value(record, jointNames: jointNames)
    guard case .real(let real) = value, field.channel?.isWide != true, real.magnitude < 9e9 else {
      return value
    }
    return .real((real * 1e6).rounded() / 1e6)
  }
}

extension SparkplugPayload.Metric {
  /// - Parameter folder: the joint's name, for a joint's channel.
  init(_ channel: Channel, _ source: Source, folder: String? = nil) {
    self.channel = channel
    self.source = source
    if let folder { self.channel.name = folder + "/" + channel.name.dropFirst(folder.count + 1) }
    dataType =
      switch channel.kind {
      case .number: .double
      case .integer, .wide: .int64
      case .text: .string
      case .flag: .boolean
      }
  }

  /// Unit and limits, under the names that hosts know them by.
  func writeProperties(into metric: inout ProtobufWriter) {
    let limits = [("engLow", channel.lower), ("engHigh", channel.upper)].compactMap { name, value in
      value.map { (name, $0) }
    }
    guard !channel.unit.isEmpty || !limits.isEmpty else { return }
    metric.message(SparkplugPayload.MetricField.properties) { set in
      typealias Property = SparkplugPayload.PropertyField
      if !channel.unit.isEmpty { set.string(Property.keys, "engUnit") }
      for (name, _) in limits { set.string(Property.keys, name) }
      if !channel.unit.isEmpty {
        set.message(Property.values) { value in
          value.varint(Property.type, SparkplugPayload.DataType.string.rawValue)
          value.string(Property.string, channel.unit)
        }
      }
      for (_, limit) in limits {
        set.message(Property.values) { value in
          value.varint(Property.type, SparkplugPayload.DataType.double.rawValue)
          value.double(Property.double, limit)
        }
      }
    }
  }
}
