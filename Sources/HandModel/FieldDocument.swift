/// The table of fields as Markdown: what docs/recording.md holds of ticks and joints.
package enum FieldDocument {
  /// Columns of the relation `tick`.
  package static func tick(_ fields: FieldTable = .standard) -> String {
    table(
      ["column", "unit", "meaning"],
      fields.tickColumns.map { ["`\($0.id)`", $0.storedUnit, $0.meaning + whose($0, "hands")] })
  }

  /// Frames of the blob, which are the columns of the view `joint_tick`.
  package static func joint(_ fields: FieldTable = .standard) -> String {
    table(
      ["offset", "bytes", "column in `joint_tick`", "unit", "quantum", "range", "meaning"],
      fields.jointColumns.map { field in
        [
          String(field.frameOffset), String(field.packedByteCount), "`\(field.id)`", field.storedUnit,
          quantum(field), range(field), field.meaning,
        ]
      })
  }

  /// Rows between the bars of a Markdown table.
  package static func table(_ head: [String], _ rows: [[String]]) -> String {
    ([head, head.map { _ in "---" }] + rows).map { "| " + $0.joined(separator: " | ") + " |" }
      .joined(separator: "\n")
  }

  private static func whose(_ field: Field, _ what: String) -> String {
    switch field.presence {
    case .motors, .servos: "; null for other \(what)"
    default: ""
    }
  }

  private static func quantum(_ field: Field) -> String {
    guard case .real = field.kind else { return "1" }
    return "10^-\(field.packing.decimals)"
  }

  private static func range(_ field: Field) -> String {
    switch (field.packing, field.kind) {
    case (.scaled32(let decimals), _):
      "± \(Double(Int32.max) / Double(Field.scale(decimals: decimals)))"
    case (.scaled64(let decimals), _): "± \(9_000_000_000_000_000_000 / Field.scale(decimals: decimals))"
    case (.complement64(let decimals), _):
      "1 ± \(9_000_000_000_000_000_000 / Field.scale(decimals: decimals)), stored as 1 − value"
    case (.exact, .integer(let integer)): "\(integer.range.lowerBound)…\(integer.range.upperBound)"
    default: "–"
    }
  }
}
