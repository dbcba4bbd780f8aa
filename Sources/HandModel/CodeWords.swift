/// The words of a code of one byte. Codes are stored, words are shown.
package struct CodeWords: Sendable {
  /// Table of a segment file that lists them.
  package let relation: String
  /// In the order of their codes.
  package let all: [(code: UInt8, word: String)]
  /// The code that says that there is nothing: null in JSON, empty in CSV.
  private let absent: UInt8?
  private let byCode: [String?]
  // A code's byte in memory counts the cases; the code itself is stable and may have gaps.
  private let codeOfByte: [UInt8?]
  private let byteOfCode: [UInt8?]

  /// - Parameters:
  ///   - relation: table of a segment file that lists the words.
  ///   - absent: the value that says that there is nothing, where there is one.
  ///   - word: of a value.
  package init<Code: RawRepresentable<UInt8> & CaseIterable>(
    _ relation: String, _ type: Code.Type, absent: Code? = nil, _ word: (Code) -> String
  ) {
    self.relation = relation
    self.absent = absent?.rawValue
    all = Code.allCases.map { ($0.rawValue, word($0)) }.sorted { $0.0 < $1.0 }
    var byCode = [String?](repeating: nil, count: 256)
    var codeOfByte = [UInt8?](repeating: nil, count: 256)
    var byteOfCode = [UInt8?](repeating: nil, count: 256)
    for value in Code.allCases {
      let byte = unsafeBitCast(value, to: UInt8.self)
      byCode[Int(value.rawValue)] = word(value)
      codeOfByte[Int(byte)] = value.rawValue
      byteOfCode[Int(value.rawValue)] = byte
    }
    self.byCode = byCode
    self.codeOfByte = codeOfByte
    self.byteOfCode = byteOfCode
  }

  /// The word of a code; nil for one that does not exist.
  package subscript(code: UInt8) -> String? { byCode[Int(code)] }

  /// The code of a value in memory; 255 for a byte that is none.
  package func code(_ record: UnsafeRawPointer, _ offset: Int) -> UInt8 {
    code(ofByte: record.load(fromByteOffset: offset, as: UInt8.self))
  }

  /// The code of a value that is this byte in memory; 255 where it is none.
  package func code(ofByte byte: UInt8) -> UInt8 { codeOfByte[Int(byte)] ?? .max }

  /// The byte in memory of a code; nil for one that does not exist.
  package func byte(ofCode code: UInt8) -> UInt8? { byteOfCode[Int(code)] }

  /// The word of a value in memory; nil where it says that there is nothing.
  package func word(_ record: UnsafeRawPointer, _ offset: Int) -> String? {
    let code = code(record, offset)
    return code == absent ? nil : self[code]
  }

  /// - Parameter code: one that exists.
  package func store(_ code: UInt8, _ record: UnsafeMutableRawPointer, _ offset: Int) {
    guard let byte = byteOfCode[Int(code)] else { preconditionFailure("code \(code) of \(relation)") }
    record.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
  }

  /// Of `HandState`.
  package static let state = CodeWords("state_name", HandState.self, \.name)
  /// Of `ControlMode`: the words of the AGP scheme.
  package static let mode = CodeWords("mode_name", ControlMode.self, \.name)
  /// Of `FaultCode`: its ids.
  package static let fault = CodeWords("fault_name", FaultCode.self, absent: FaultCode.none, \.id)
  /// Of `CertificateState`.
  package static let certificate = CodeWords("certificate_name", CertificateState.self, \.name)
  /// Of `CommandResult`.
  package static let commandResult = CodeWords("command_result_name", CommandResult.self, \.name)
  /// All of them, for the tables of a segment file.
  package static let tables = [state, mode, fault, certificate, commandResult]
}
