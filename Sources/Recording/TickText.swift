import HandModel

extension TickCodec {
  /// A column's value in a record as text: numbers exactly (a real in the shortest form that reads back to
  /// the same bits), codes by name, none as "".
  func text(_ column: Field, _ record: UnsafePointer<TickRecord>) -> String {
    let start = UnsafeRawPointer(record)
    guard column.exists(on: equipment), column.isGiven(in: start) else { return "" }
    switch column.kind {
    case .real:
      let value = start.load(fromByteOffset: column.offset, as: Double.self)
      return value.isNaN ? "" : "\(value)"
    case .integer(let integer): return String(integer.load(start, column.offset))
    case .flag: return start.load(fromByteOffset: column.offset, as: UInt8.self) == 0 ? "0" : "1"
    case .word(let words): return words.word(start, column.offset) ?? ""
    case .joint:
      let joint = start.load(fromByteOffset: column.offset, as: UInt8.self)
      return joint == UInt8.max ? "" : String(joint)
    }
  }

  /// Whether two records agree in a column; NaN agrees with NaN.
  func agree(_ column: Field, _ a: UnsafePointer<TickRecord>, _ b: UnsafePointer<TickRecord>) -> Bool {
    guard column.exists(on: equipment) else { return true }
    let (first, second) = (column.number(a), column.number(b))
    // Beyond 2⁵³ two integers may have one double.
    if case .integer(let integer) = column.kind {
      return integer.load(a, column.offset) == integer.load(b, column.offset)
    }
    return first == second || (first.isNaN && second.isNaN)
  }
}

extension Field {
  /// The value in a record as a number: codes as theirs, none as NaN.
  package func number(_ record: UnsafeRawPointer) -> Double {
    switch kind {
    case .real: record.load(fromByteOffset: offset, as: Double.self)
    case .integer(let integer): Double(integer.load(record, offset))
    case .word(let words): Double(words.code(record, offset))
    case .flag, .joint: Double(record.load(fromByteOffset: offset, as: UInt8.self))
    }
  }
}
