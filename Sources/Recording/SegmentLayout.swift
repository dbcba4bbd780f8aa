import HandModel

/// How a segment holds its ticks.
enum SegmentLayout: Equatable, CustomStringConvertible {
  /// A row each: for those who have SQLite and nothing else.
  case rows
  /// All of them in blocks, and rows of every so many and of those so near to an event.
  case blocks(rowEvery: Int, margin: Int)

  /// Rows a second that say, without this program, what happened. Each takes half a page, as much as ten
  /// ticks of a block.
  private static let rowsPerSecond = 10
  /// Around an event every tick has a row for this long before it and after it, s.
  private static let marginSeconds = 0.25

  /// Every so many ticks have a row, at a hand's rate.
  static func rowEvery(rateHertz: Int) -> Int { max(1, rateHertz / rowsPerSecond) }

  /// Of a recorder, at a hand's rate.
  static func recorder(rateHertz: Int) -> SegmentLayout {
    .blocks(
      rowEvery: rowEvery(rateHertz: rateHertz), margin: Int(Double(rateHertz) * marginSeconds))
  }

  /// What a file says of itself.
  var description: String {
    switch self {
    case .rows: "every tick"
    case .blocks(let every, let margin): "every \(every). tick, and all within \(margin) of an event"
    }
  }

  /// Ticks before and after an event that have rows.
  var margin: Int {
    switch self {
    case .rows: 0
    case .blocks(_, let margin): margin
    }
  }
}

extension Board {
  /// Ticks a second that a recorder keeps as rows whatever its mode, around no event.
  package var recordedRowsPerSecond: Double {
    Double(control.rateHertz) / Double(SegmentLayout.rowEvery(rateHertz: control.rateHertz))
  }
}
