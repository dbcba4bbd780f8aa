import HandModel
import Wire

/// A tick of one hand as a row of the table `tick`, by the table of fields.
struct TickCodec {
  let fields: FieldTable
  let equipment: [JointEquipment]
  /// Columns before the blobs, in their order.
  let columns: [Field]
  let insert: String
  let columnList: String
  /// Position of the joints' blob in a row, and of the command's, which is the last column.
  let jointsColumn: Int32
  let commandColumn: Int32
  /// Bytes of the memory that holds a row's two blobs, one behind the other.
  let blobBytes: Int
  let frameBytes: Int

  /// A column as the writing loop needs it: without the texts of its field, whose references would be
  /// counted.
  private struct Step {
    enum Kind {
      case absent, real, flag, joint
      case integer(FieldInteger)
      /// Index into `words`.
      case word(Int)
    }
    var kind: Kind
    var offset: Int
    var isCommand: Bool
  }

  private let steps: [Step]
  private let words: [CodeWords]
  private let joints: [JointCodec]
  /// Whether the hand has such a value, by column.
  private let exists: [Bool]
  /// Values that no column of this hand tells.
  private let untold: [Field]
  private let jointCountColumn: Int32
  private let jointCountOffset: Int

  /// Whether rows are those of an earlier version.
  private let isOlder: Bool

  init(_ fields: FieldTable, _ equipment: [JointEquipment], isOlder: Bool = false) {
    self.fields = fields
    self.isOlder = isOlder
    self.equipment = equipment
    columns = fields.tickColumns
    exists = columns.map { $0.exists(on: equipment) }
    var words: [CodeWords] = []
    steps = zip(columns, exists).map { column, exists in
      let kind: Step.Kind
      switch column.kind {
      case .real: kind = .real
      case .integer(let integer): kind = .integer(integer)
      case .flag: kind = .flag
      case .joint: kind = .joint
      case .word(let list):
        words.append(list)
        kind = .word(words.count - 1)
      }
      return Step(
        kind: exists ? kind : .absent, offset: column.offset, isCommand: column.presence == .command)
    }
    self.words = words
    let told = Set(zip(columns, exists).filter(\.1).map(\.0.offset))
    untold = columns.filter { !told.contains($0.offset) }
    let names = columns.map(\.id) + ["joints", "command"]
    columnList = names.joined(separator: ", ")
    insert =
      "INSERT INTO tick (\(columnList)) VALUES ("
      + (1...names.count).map { "?\($0)" }.joined(separator: ", ")
      + ") ON CONFLICT (sequence) DO NOTHING"
    jointsColumn = Int32(columns.count)
    commandColumn = jointsColumn + 1
    joints = equipment.map { JointCodec(fields, $0) }
    frameBytes = fields.frameByteCount
    blobBytes = equipment.count * frameBytes + CommandFrame.largestByteCount
    guard let sequence = columns.first, sequence.id == "sequence",
      let count = columns.firstIndex(where: { $0.id == "joint_count" })
    else { preconditionFailure("a tick has its number first, and the number of its joints") }
    jointCountColumn = Int32(count)
    jointCountOffset = columns[count].offset
  }

  // MARK: - Writing

  /// - Parameters:
  ///   - record: a `TickRecord` up to its last joint.
  ///   - blob: `blobBytes` bytes, which must stay unchanged until the statement has run.
  func bind(_ record: UnsafeRawPointer, to statement: SQLiteStatement, blob: UnsafeMutableRawPointer) {
    let hasCommand = CommandFrame.isGiven(in: record)
    var index: Int32 = 0
    for step in steps {
      index += 1
      if step.isCommand && !hasCommand {
        statement.bindNull(index)
        continue
      }
      switch step.kind {
      case .absent: statement.bindNull(index)
      case .real: statement.bind(index, record.load(fromByteOffset: step.offset, as: Double.self))
      case .integer(let integer): statement.bind(index, integer.load(record, step.offset))
      case .word(let list): statement.bind(index, Int64(words[list].code(record, step.offset)))
      case .flag: statement.bind(index, Int64(record.load(fromByteOffset: step.offset, as: UInt8.self)))
      case .joint:
        let joint = record.load(fromByteOffset: step.offset, as: UInt8.self)
        joint == UInt8.max ? statement.bindNull(index) : statement.bind(index, Int64(joint))
      }
    }
    let bytes = encodeJoints(record, to: blob)
    statement.bind(jointsColumn + 1, borrowing: blob, count: bytes)
    if hasCommand {
      let command = blob + equipment.count * frameBytes
      let count = CommandFrame.encode(record, joints: equipment.count, to: command)
      statement.bind(commandColumn + 1, borrowing: command, count: count)
    } else {
      statement.bindNull(commandColumn + 1)
    }
  }

  /// Packs the joints of a record one behind the other.
  /// - Returns: bytes written.
  func encodeJoints(_ record: UnsafeRawPointer, to blob: UnsafeMutableRawPointer) -> Int {
    let count = min(Int(record.load(fromByteOffset: jointCountOffset, as: UInt8.self)), joints.count)
    for joint in 0..<count {
      joints[joint].encode(record + TickRecord.jointOffset(joint), to: blob + joint * frameBytes)
    }
    return count * frameBytes
  }

  /// Rounds the joints of a record as a file does, and takes from it what no column tells.
  /// - Parameter blob: `blobBytes` bytes.
  func round(_ record: UnsafeMutableRawPointer, through blob: UnsafeMutableRawPointer) {
    let bytes = encodeJoints(record, to: blob)
    for joint in 0..<bytes / frameBytes {
      _ = joints[joint].decode(blob + joint * frameBytes, into: record + TickRecord.jointOffset(joint))
    }
    forget(record)
  }

  private func forget(_ record: UnsafeMutableRawPointer) {
    for field in untold {
      if case .real = field.kind { record.storeBytes(of: .nan, toByteOffset: field.offset, as: Double.self) }
    }
  }

  // MARK: - Reading

  /// Fills `record` from the row under `statement`, which selected `columnList`.
  func read(_ statement: SQLiteStatement, path: String, into record: inout TickRecord) throws(RecordingError)
  {
    let row = Row(statement: statement, path: path)
    let count = UInt8(
      try row.integer(jointCountColumn, "joint_count", in: 0...Int64(equipment.count)))
    var command = TickCommand()
    if statement.stored(commandColumn) != .null {
      let bytes = try row.bytes(commandColumn, "command")
      let taken =
        isOlder
        ? OlderSchema.commandFrame(bytes).withUnsafeBytes { CommandFrame.decode($0) }
        : CommandFrame.decode(bytes)
      guard let taken else { throw row.damaged("its command cannot be read") }
      command = taken
    }
    let blob = try row.bytes(jointsColumn, "joints")
    guard blob.count == Int(count) * frameBytes else {
      throw row.damaged("\(blob.count) bytes for \(count) joints")
    }
    // Returned, because the closure's own throws would lose the error's type.
    let failure: RecordingError? = withUnsafeMutableBytes(of: &record) { bytes in
      guard let start = bytes.baseAddress else { return nil }
      do throws(RecordingError) {
        try read(row, count: count, into: start)
        for joint in 0..<Int(count) {
          let frame = UnsafeRawPointer(blob.baseAddress!) + joint * frameBytes
          guard joints[joint].decode(frame, into: start + TickRecord.jointOffset(joint)) else {
            throw row.damaged("joint \(joint) has a code that does not exist")
          }
        }
        return nil
      } catch {
        return error
      }
    }
    if let failure { throw failure }
    record.takenCommand = command
  }

  private func read(_ row: Row, count: UInt8, into record: UnsafeMutableRawPointer) throws(RecordingError) {
    var index: Int32 = -1
    for column in columns {
      index += 1
      guard exists[Int(index)] else { continue }
      let offset = column.offset
      if column.presence == .command, row.statement.stored(index) == .null {
        record.storeBytes(of: 0, toByteOffset: offset, as: UInt8.self)
        continue
      }
      switch column.kind {
      case .real:
        record.storeBytes(of: try row.real(index, column.id), toByteOffset: offset, as: Double.self)
      case .integer(let integer):
        integer.store(try row.integer(index, column.id, in: integer.range), record, offset)
      case .flag:
        record.storeBytes(of: try row.flag(index, column.id), toByteOffset: offset, as: UInt8.self)
      case .word(let words): words.store(try row.code(index, column.id, words), record, offset)
      case .joint:
        let joint = try row.joint(index, column.id, below: count)
        record.storeBytes(of: joint, toByteOffset: offset, as: UInt8.self)
      }
    }
    forget(record)
  }
}

/// A row that is being read. Nothing is rounded or clipped into the range of a field: a row that this program
/// cannot have written says so.
private struct Row {
  let statement: SQLiteStatement
  let path: String

  func damaged(_ reason: String) -> RecordingError {
    .damaged(path: path, sequence: UInt64(clamping: statement.integer(0)), reason: reason)
  }

  private func refusal(_ column: Int32, _ name: String, expected: String) -> RecordingError {
    damaged("\(name) is \(statement.stored(column).name), expected \(expected)")
  }

  func integer(_ column: Int32, _ name: String, in range: ClosedRange<Int64>) throws(RecordingError) -> Int64
  {
    guard case .integer(let value) = statement.stored(column), range.contains(value) else {
      throw refusal(
        column, name, expected: "an integer from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  func code(_ column: Int32, _ name: String, _ words: CodeWords) throws(RecordingError) -> UInt8 {
    guard case .integer(let stored) = statement.stored(column), let code = UInt8(exactly: stored),
      words[code] != nil
    else { throw refusal(column, name, expected: "a code that exists") }
    return code
  }

  func flag(_ column: Int32, _ name: String) throws(RecordingError) -> UInt8 {
    switch statement.stored(column) {
    case .integer(0): return 0
    case .integer(1): return 1
    default: throw refusal(column, name, expected: "0 or 1")
    }
  }

  /// NULL reads as NaN, which SQLite has not.
  func real(_ column: Int32, _ name: String) throws(RecordingError) -> Double {
    switch statement.stored(column) {
    case .real(let value): return value
    case .null: return .nan
    default: throw refusal(column, name, expected: "a number or NULL")
    }
  }

  func joint(_ column: Int32, _ name: String, below count: UInt8) throws(RecordingError) -> UInt8 {
    if statement.stored(column) == .null { return .max }
    guard case .integer(let stored) = statement.stored(column), let joint = UInt8(exactly: stored),
      joint < count
    else { throw refusal(column, name, expected: "a joint below \(count) or NULL") }
    return joint
  }

  func bytes(_ column: Int32, _ name: String) throws(RecordingError) -> UnsafeRawBufferPointer {
    guard statement.stored(column) == .blob else { throw refusal(column, name, expected: "bytes") }
    return statement.bytes(column)
  }
}
