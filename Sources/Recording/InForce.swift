import HandModel
import Wire

extension HandEvent {
  /// What a recording was begun with, so that the chain of events holds it too.
  /// - Parameter record: its first tick.
  static func inForce(_ identity: HandIdentity, _ record: borrowing TickRecord) -> HandEvent {
    let files = [
      ("board_yaml", identity.boardYAML), ("calibration_yaml", identity.calibrationYAML),
      ("certificate_json", identity.certificateJSON),
    ].map { "\($0) \(SHA512Digest.text(SHA512Digest.of(Array($1.utf8))))" }
    return HandEvent(
      sequence: record.sequence, wallNanoseconds: record.wallNanoseconds, kind: .inForce,
      to: identity.version, text: "SHA-512: \(files.joined(separator: ", "))")
  }
}
