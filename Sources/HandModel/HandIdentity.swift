/// Identity of a running hand, constant from start to exit: what consumers of its records must know.
package struct HandIdentity: Sendable {
  /// `[A-Za-z0-9_-]{1,64}`.
  package var handID: String
  /// Unique for ever: a UUID made at each start. With the tick's sequence it is the key of a record.
  package var runID: String
  package var board: Board
  package var calibration: Calibration
  /// The board file as read, stored inside each recording.
  package var boardYAML: String
  /// The calibration file as read, stored inside each recording.
  package var calibrationYAML: String
  /// Of the program.
  package var version: String
  /// JSON of the certificate, stored inside each recording.
  package var certificateJSON: String

  /// Whether an identifier may be used: it goes into topics and file names, so it holds no
  /// separator or wildcard.
  package static func isValid(handID: String) -> Bool {
    (1...64).contains(handID.utf8.count)
      && handID.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }

  package init(
    handID: String, runID: String, board: Board, calibration: Calibration, boardYAML: String,
    calibrationYAML: String, version: String, certificateJSON: String
  ) {
    self.handID = handID
    self.runID = runID
    self.board = board
    self.calibration = calibration
    self.boardYAML = boardYAML
    self.calibrationYAML = calibrationYAML
    self.version = version
    self.certificateJSON = certificateJSON
  }
}

/// What tells a hand's records apart and describes it, as text: what memory or a file keeps of a
/// `HandIdentity`.
package struct IdentityTexts: Sendable, Equatable {
  /// As in `HandIdentity`.
  package var handID: String
  /// As in `HandIdentity`.
  package var runID: String
  /// As in `HandIdentity`.
  package var boardYAML: String
  /// As in `HandIdentity`.
  package var calibrationYAML: String
  /// Of the program that wrote the records.
  package var version: String
  /// As in `HandIdentity`.
  package var certificateJSON: String

  package init(
    handID: String, runID: String, boardYAML: String, calibrationYAML: String, version: String,
    certificateJSON: String
  ) {
    self.handID = handID
    self.runID = runID
    self.boardYAML = boardYAML
    self.calibrationYAML = calibrationYAML
    self.version = version
    self.certificateJSON = certificateJSON
  }
}

extension HandIdentity {
  package var texts: IdentityTexts {
    IdentityTexts(
      handID: handID, runID: runID, boardYAML: boardYAML, calibrationYAML: calibrationYAML, version: version,
      certificateJSON: certificateJSON)
  }
}
