import Glibc
import HandModel

/// Segments of earlier versions: each tick is a row, there are no blocks, and what drives and senses a joint
/// they do not say. Where a value of a joint lies, and its quantum, stands in the file's own table `unit`.
enum OlderSchema {
  /// Versions that this program reads besides its own. Their codes of states, modes, faults and certificates
  /// are those of today.
  static let versions: ClosedRange<Int64> = 4...5

  /// Columns that were called otherwise, by today's names. What is a hand of servos' has one name with what
  /// is a hand of motors' in these versions.
  private static let names = [
    "psi_newton_metres": "psi", "gamma_radians": "gamma",
    "energy_integral_newton_metre_radian_seconds": "energy_integral",
  ]

  /// The fields that such a file has, where it has them.
  static func fields(
    _ connection: SQLiteConnection, _ path: String, like standard: FieldTable
  ) throws(RecordingError) -> FieldTable {
    func refusal(_ place: String, _ found: String, _ expected: String) -> RecordingError {
      .unreadable(path: path, place: place, found: found, expected: expected)
    }
    var columns: Set<String> = []
    let table = try connection.prepare("SELECT name FROM pragma_table_info('tick')")
    while try table.step() { if let name = table.text(0) { columns.insert(name) } }
    guard columns.isSuperset(of: ["sequence", "joint_count", "joints", "command"]) else {
      throw refusal("table tick", columns.sorted().joined(separator: ", "), "the columns of a recording")
    }
    var places: [String: FieldTable.Place] = [:]
    let units = try connection.prepare(
      "SELECT name, blob_offset, blob_bytes, quantum FROM unit WHERE relation = 'joint_tick'")
    while try units.step() {
      guard let name = units.text(0), let field = standard.jointColumns.first(where: { $0.id == name }) else {
        continue
      }
      guard case .integer(let offset) = units.stored(1), case .integer(let bytes) = units.stored(2),
        case .real(let quantum) = units.stored(3), quantum > 0, quantum <= 1
      else {
        throw refusal(
          "unit, \(name)", "\(units.stored(1).name) \(units.stored(3).name)", "a place and a quantum")
      }
      let place = FieldTable.Place(
        offset: Int(clamping: offset), decimals: Int((-log10(quantum)).rounded()))
      guard field.byteCount(place.packing(of: field)) == bytes else {
        throw refusal("unit, \(name)", "\(bytes) bytes", "\(field.packedByteCount) bytes")
      }
      places[name] = place
    }
    let meta = try Recording.meta(connection)
    let frame = meta["joint_bytes"].flatMap { Int($0) } ?? 0
    guard
      let older = standard.older(
        columns: { columns.contains($0) ? $0 : names[$0].flatMap { columns.contains($0) ? $0 : nil } },
        places: places, frameByteCount: frame)
    else {
      throw refusal("meta, joint_bytes", meta["joint_bytes"] ?? "nothing", "the bytes of a joint's frame")
    }
    return older
  }

  /// The command of such a row in today's form: the mask of the joints had two bytes and stood in the head.
  static func commandFrame(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    guard bytes.count >= 16 else { return [] }
    return bytes[..<2] + [0, 0] + bytes[4..<16] + [0, 0] + bytes[2..<4] + bytes[16...]
  }
}
