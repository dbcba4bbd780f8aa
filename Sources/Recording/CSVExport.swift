import Glibc
import HandModel
import PrimalLogic

extension Recording {
  /// Writes one line a tick as CSV (RFC 4180 quoting, line feed), streaming: a header line with names and
  /// units, then the tick's columns and the chosen joints' values at the exact decimals of the file. A value
  /// that is not there is an empty field.
  ///
  /// - Parameters:
  ///   - descriptor: an open file, pipe or socket; it stays open.
  ///   - joints: names in the wanted order; nil = all.
  ///   - range: sequences to export.
  /// - Returns: ticks written.
  @discardableResult
  package func exportCSV(
    to descriptor: Int32, joints: [String]? = nil, range: ClosedRange<UInt64> = 0...UInt64(Int64.max)
  ) throws(RecordingError) -> UInt64 {
    var chosen: [Int] = []
    for name in joints ?? jointNames {
      guard let index = jointNames.firstIndex(of: name) else {
        throw .unknownJoint(name: name, known: jointNames)
      }
      chosen.append(index)
    }
    var output = CSVOutput(descriptor: descriptor)
    for column in TickColumn.allCases {
      // In CSV codes are words.
      let unit = column.unit == "code" ? "" : " [\(column.unit)]"
      try output.field(column.column + unit)
    }
    for joint in chosen {
      for field in JointField.allCases {
        let unit = field == .certificate ? "" : " [\(field.unit)]"
        try output.field("\(jointNames[joint]).\(field.column)\(unit)")
      }
    }
    try output.endLine()

    var written: UInt64 = 0
    var record = TickRecord()
    let cursor = ticks(in: range)
    while let row = try cursor.nextRow() {
      try TickRow.read(row, path: cursor.currentPath, into: &record)
      for column in TickColumn.allCases { try output.field(column.text(of: record)) }
      let blob = row.bytes(TickColumn.joints)
      for joint in chosen {
        guard joint < record.jointCount else {
          for _ in JointField.allCases { try output.field("") }
          continue
        }
        let frame = blob.baseAddress! + joint * JointFrame.byteCount
        for field in JointField.allCases {
          if field == .certificate {
            try output.field(record.joints[joint].certificate.name)
          } else {
            try output.field(JointFrame.integer(field, frame), decimals: field.storage.decimals)
          }
        }
      }
      try output.endLine()
      written += 1
    }
    try output.flush()
    return written
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

  /// A scaled integer as the decimal number it stands for; nil as an empty field.
  mutating func field(_ value: Int64?, decimals: Int) throws(RecordingError) {
    separate()
    guard let value else { return }
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
