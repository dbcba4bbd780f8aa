import HandModel
import HandRigs
import SeededRandom
import Testing

@testable import Wire

@Suite("Sparkplug payloads")
struct SparkplugTests {
  /// A metric as it is on the wire.
  private struct Metric: Equatable {
    var name: String?
    var alias: UInt64?
    var value: ProtobufReader.Value?
  }

  private func metrics(_ bytes: [UInt8]) throws -> (seq: UInt64?, metrics: [Metric]) {
    var payload = ProtobufReader(bytes[...])
    var seq: UInt64?
    var metrics: [Metric] = []
    while let (field, value) = try payload.next() {
      switch (field, value) {
      case (SparkplugPayload.PayloadField.seq, .varint(let number)): seq = number
      case (SparkplugPayload.PayloadField.metrics, .bytes(let bytes)): metrics.append(try metric(bytes))
      default: #expect(field == SparkplugPayload.PayloadField.timestamp)
      }
    }
    return (seq, metrics)
  }

  private func metric(_ bytes: ArraySlice<UInt8>) throws -> Metric {
    var reader = ProtobufReader(bytes)
    var metric = Metric()
    while let (field, value) = try reader.next() {
      switch (field, value) {
      case (SparkplugPayload.MetricField.name, .bytes(let text)):
        metric.name = String(decoding: text, as: UTF8.self)
      case (SparkplugPayload.MetricField.alias, .varint(let alias)): metric.alias = alias
      case (10...15, _), (SparkplugPayload.MetricField.isNull, _): metric.value = value
      default: break
      }
    }
    return metric
  }

  @Test("numbers, texts and messages are written as the encoding guide of protocol buffers has them")
  func golden() {
    // protobuf.dev, Encoding: 150 in field 1, "testing" in field 2, 150 in field 1 of a message in field 3; -2 as int32
    // is ten bytes.
    var writer = ProtobufWriter()
    writer.varint(1, 150)
    writer.string(2, "testing")
    writer.message(3) { $0.varint(1, 150) }
    writer.varint(1, UInt64(bitPattern: -2))
    #expect(
      writer.bytes
        == [
          0x08, 0x96, 0x01, 0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67, 0x1a, 0x03, 0x08, 0x96,
          0x01,
        ]
        + [0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01])
  }

  @Test("what is written reads back, and each prefix of it is either fields or an error")
  func roundTrip() throws {
    let seed: UInt64 = 0x5EED_0015
    var random = SeededGenerator(seed: seed)
    for _ in 0..<200 {
      let number = UInt64.random(in: 0...(.max), using: &random) >> UInt64.random(in: 0...63, using: &random)
      let field = UInt64.random(in: 1...536_870_911, using: &random)
      var writer = ProtobufWriter()
      writer.varint(field, number)
      writer.double(field, Double(number))
      writer.string(field, "\(number)")
      var reader = ProtobufReader(writer.bytes[...])
      let read = [try reader.next(), try reader.next(), try reader.next()].compactMap { $0 }
      #expect(try reader.next() == nil)
      #expect(read.allSatisfy { $0.field == field } && read.count == 3, "seed \(seed)")
      #expect(read[0].value == .varint(number) && read[1].value == .fixed64(Double(number).bitPattern))
      #expect(read[2].value == .bytes(Array("\(number)".utf8)[...]))
      for count in 1..<writer.bytes.count {
        var cut = ProtobufReader(writer.bytes.prefix(count))
        var found = 0
        do { while try cut.next() != nil { found += 1 } } catch { continue }
        #expect(found < 3, "seed \(seed)")
      }
    }
  }

  @Test(
    "bytes that are no protocol buffer are refused",
    arguments: [
      [0x08], [0x08, 0x80], [0x00, 0x01], [0x0b], [0x0c], [0x0f, 0x00], [0x12, 0x05, 0x61],
      [0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
      [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
      [0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], [0x09, 0, 0, 0],
      [0x0d, 0, 0],
    ] as [[UInt8]])
  func refused(bytes: [UInt8]) {
    var reader = ProtobufReader(bytes[...])
    #expect(throws: ProtobufError.self) { while try reader.next() != nil {} }
  }

  @Test(
    "a birth has every value by name and alias, and data only what changed, numbered 1 to 255 and 0 again")
  func sequence() throws {
    var payload = SparkplugPayload(identity: Fixtures.identity())
    let birth = try metrics(
      payload.birth(Fixtures.record(0), bdSeq: 255, clockSynced: true, now: 1_790_000_000_000_000_000))
    #expect(birth.seq == 0)
    #expect(birth.metrics.map(\.name).prefix(2) == ["bdSeq", SparkplugPayload.rebirth])
    #expect(birth.metrics[0].value == .varint(255) && birth.metrics[1].value == .varint(0))
    #expect(birth.metrics.dropFirst(2).map(\.alias) == (0..<birth.metrics.count - 2).map { UInt64($0) })
    #expect(Set(birth.metrics.map(\.name)).count == birth.metrics.count)
    let names = Set(birth.metrics.compactMap(\.name))
    #expect(names.contains("index-proximal/position") && !names.contains("t"))
    for tick in 1...300 as ClosedRange<UInt64> {
      let bytes = payload.data(Fixtures.record(tick), clockSynced: true, now: 1_790_000_000_000_000_000)
      let data = try metrics(try #require(bytes))
      #expect(data.seq == tick % 256)
      #expect(!data.metrics.isEmpty && data.metrics.allSatisfy { $0.name == nil && $0.alias != nil })
      #expect(data.metrics.count < birth.metrics.count / 2)
    }
    #expect(payload.data(Fixtures.record(300), clockSynced: true, now: 0) == nil)
    // A host that asked knows nothing: everything again.
    let again = try metrics(payload.birth(Fixtures.record(301), bdSeq: 255, clockSynced: true, now: 0))
    #expect(again.seq == 0 && again.metrics.count == birth.metrics.count)
  }

  @Test("a digit that state rounds away is no change, and a value that goes missing is null")
  func byException() throws {
    var payload = SparkplugPayload(identity: Fixtures.identity())
    var record = Fixtures.record(7)
    _ = payload.birth(record, bdSeq: 0, clockSynced: true, now: 0)
    record.joints[0].velocityRadiansPerSecond += 1e-8
    #expect(payload.data(record, clockSynced: true, now: 0) == nil)
    record.joints[0].currentAmperes = .nan
    let bytes = payload.data(record, clockSynced: true, now: 0)
    let data = try metrics(try #require(bytes))
    #expect(data.metrics.count == 1 && data.metrics[0].value == .varint(1))
  }

  @Test("only a request for a birth is obeyed, and what else a host writes is counted")
  func commands() throws {
    func command(_ metrics: [(name: String, flag: Bool?)]) throws -> SparkplugCommand {
      var writer = ProtobufWriter()
      for metric in metrics {
        writer.message(2) { inner in
          inner.string(1, metric.name)
          inner.varint(4, 11)
          if let flag = metric.flag { inner.flag(14, flag) } else { inner.varint(10, 1) }
        }
      }
      return try SparkplugCommand(decoding: writer.bytes)
    }
    let rebirth = SparkplugPayload.rebirth
    #expect(try command([(rebirth, true)]) == SparkplugCommand(asks: true, refused: 0))
    #expect(try command([(rebirth, false)]) == SparkplugCommand(asks: false, refused: 1))
    #expect(try command([(rebirth, nil)]) == SparkplugCommand(asks: false, refused: 1))
    #expect(
      try command([("outputs_enabled", true), (rebirth, true)]) == SparkplugCommand(asks: true, refused: 1))
    #expect(try command([]) == SparkplugCommand(asks: false, refused: 0))
    #expect(throws: ProtobufError.self) {
      try SparkplugCommand(decoding: Array(repeating: 0, count: SparkplugCommand.maximumBytes + 1))
    }
    #expect(throws: ProtobufError.self) { try SparkplugCommand(decoding: [0x10, 0x01]) }
  }

  @Test(
    "a group is one level of a topic",
    arguments: ["", "a/b", "a+", "#", "a\u{0}", String(repeating: "x", count: 65)])
  func groups(bad: String) {
    #expect(!SparkplugTopics.isValid(group: bad))
    #expect(SparkplugTopics.isValid(group: "plant 1"))
  }
}

extension SparkplugCommand {
  fileprivate init(asks: Bool, refused: Int) {
    var command = try! SparkplugCommand(decoding: [])
    command.asksForBirth = asks
    command.refusedMetrics = refused
    self = command
  }
}
