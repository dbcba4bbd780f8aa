import Glibc
import HandModel
import PrimalLogic
import Wire

extension Recording {
  /// Writes one line a tick as CSV (RFC 4180 quoting, line feed), streaming: a header line with names and
  /// units, then the tick's columns and the chosen joints' values at the exact decimals of the file. A value
  /// that is not there is an empty field.
  ///
  /// - Parameters:
  ///   - descriptor: an open file, pipe or socket; it stays open.
  ///   - joints: names in the wanted order; nil = all.
  ///   - range: sequences to export.
  /// - Returns: ticks written, and what could not be read.
  @discardableResult
  package func exportCSV(
    to descriptor: Int32, joints: [String]? = nil, range: ClosedRange<UInt64> = 0...UInt64(Int64.max)
  ) throws(RecordingError) -> (ticks: UInt64, damage: [RecordingError]) {
    var chosen: [Int] = []
    for name in joints ?? jointNames {
      guard let index = jointNames.firstIndex(of: name) else {
        throw .unknownJoint(name: name, known: jointNames)
      }
      chosen.append(index)
    }
    let codec = codec
    let jointFields = fields.jointColumns
    var output = CSVOutput(descriptor: descriptor)
    for column in codec.columns { try output.field(column.heading) }
    for joint in chosen {
      for field in jointFields { try output.field("\(jointNames[joint]).\(field.heading)") }
    }
    try output.endLine()

    var written: UInt64 = 0
    var record = TickRecord()
    let cursor = ticks(in: range, skippingDamage: true)
    let blob = UnsafeMutableRawPointer.allocate(byteCount: codec.blobBytes, alignment: 8)
    defer { blob.deallocate() }
    while try cursor.next(into: &record) {
      let texts = withUnsafePointer(to: record) { record in
        _ = codec.encodeJoints(record, to: blob)
        return codec.columns.map { codec.text($0, record) }
      }
      for text in texts { try output.field(text) }
      for joint in chosen {
        let frame = joint < record.jointCount ? UnsafeRawPointer(blob) + joint * codec.frameBytes : nil
        for field in jointFields {
          guard let frame, field.exists(on: equipment[joint]), let value = JointCodec.integer(field, frame)
          else {
            try output.field("")
            continue
          }
          if case .word(let words) = field.kind {
            try output.field(UInt8(exactly: value).flatMap { words[$0] } ?? "")
          } else {
            try output.field(value, decimals: field.packing.decimals)
          }
        }
      }
      try output.endLine()
      written += 1
    }
    try output.flush()
    return (written, cursor.damage)
  }
}

extension Field {
  /// Name and unit; in CSV codes are words.
  fileprivate var heading: String {
    if case .word = kind { return id }
    return "\(id) [\(storedUnit)]"
  }
}

/// Buffered CSV text to a file descriptor.
private struct CSVOutput {
  /// Written in pieces of this size: large against the cost of a system call, small in memory.
  private static let bufferBytes = 64 * 1024

  private let descriptor: Int32
  private var buffer: [UInt8] = []
  private var lineIsEmpty = true

  init(descriptor: Int32) {
    self.descriptor = descriptor
    buffer.reserveCapacity(Self.bufferBytes + 1024)
  }

  mutating func field(_ text: String) throws(RecordingError) {
    separate()
    if text.utf8.contains(where: { [UInt8(ascii: ","), UInt8(ascii: "\""), 10, 13].contains($0) }) {
      buffer.append(UInt8(ascii: "\""))
      for byte in text.utf8 {
        if byte == UInt8(ascii: "\"") { buffer.append(byte) }
        buffer.append(byte)
      }
      buffer.append(UInt8(ascii: "\""))
    } else {
      buffer.append(contentsOf: text.utf8)
    }
    try flushIfFull()
  }

  /// A scaled integer as the decimal number it stands for.
  mutating func field(_ value: Int64, decimals: Int) throws(RecordingError) {
    separate()
    if value < 0 { buffer.append(UInt8(ascii: "-")) }
    let start = buffer.count
    var rest = value.magnitude
    var digits = 0
    // Digits come out from the last to the first; at least one stands before the decimal point.
    while rest > 0 || digits <= decimals {
      if digits == decimals, decimals > 0 { buffer.append(UInt8(ascii: ".")) }
      buffer.append(UInt8(ascii: "0") + UInt8(rest % 10))
      rest /= 10
      digits += 1
    }
    buffer[start...].reverse()
    try flushIfFull()
  }

  mutating func endLine() throws(RecordingError) {
    buffer.append(UInt8(ascii: "\n"))
    lineIsEmpty = true
    try flushIfFull()
  }

  mutating func flush() throws(RecordingError) {
    var start = 0
    while start < buffer.count {
      let count = buffer.withUnsafeBytes { write(descriptor, $0.baseAddress! + start, $0.count - start) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw .output(errno: errno) }
      start += count
    }
    buffer.removeAll(keepingCapacity: true)
  }

  private mutating func separate() {
    if !lineIsEmpty { buffer.append(UInt8(ascii: ",")) }
    lineIsEmpty = false
  }

  private mutating func flushIfFull() throws(RecordingError) {
    if buffer.count >= Self.bufferBytes { try flush() }
  }
}
