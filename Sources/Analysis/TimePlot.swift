/// Curves over time in panels one below the other, with strips of bands above them, as an SVG picture.
///
/// Memory and picture are bounded, however long the run: neighbouring points are joined into columns, which
/// keep the least and the greatest of them, so that no spike is lost.
package struct TimePlot {
  /// One line of a panel.
  package struct Curve {
    /// In the legend; curves of equal names appear there once.
    package var name: String
    /// As SVG writes it, such as `#1f6fb4`.
    package var colour: String
    /// Of the line, in pixels.
    package var width: Double

    /// A curve of this name in the legend.
    package init(_ name: String, colour: String, width: Double) {
      self.name = name
      self.colour = colour
      self.width = width
    }
  }

  /// One panel, its curves from the lowest layer to the highest.
  package struct Panel {
    /// Written above the panel, with the unit.
    package var title: String
    package var curves: [Curve]
    /// In pixels.
    package var height: Double
    /// A value that is marked by a line where the panel shows it.
    package var limit: Double?

    /// A panel of these curves, the lowest layer first.
    package init(_ title: String, _ curves: [Curve], height: Double = 200, limit: Double? = nil) {
      self.title = title
      self.curves = curves
      self.height = height
      self.limit = limit
    }
  }

  /// What was so for a while, such as a state.
  package struct Band: Equatable {
    /// Written into it where there is room, and told by the pointer.
    package var label: String
    /// As of `Curve`.
    package var colour: String
    /// Whether the panels are shaded too.
    package var isTrouble: Bool

    package init(_ label: String, colour: String, isTrouble: Bool = false) {
      self.label = label
      self.colour = colour
      self.isTrouble = isTrouble
    }
  }

  /// A moment marked in every panel.
  struct Mark {
    var seconds: Double
    var label: String
    var colour: String
  }

  /// A row of bands, one after the other.
  struct Strip {
    var title: String
    /// Nil from where there is none.
    var changes: [(seconds: Double, band: Band?)] = []
    /// What is so now, kept or not.
    var current: Band?
    /// Changes that were not kept, and when the first of them was.
    var omitted: UInt64 = 0
    var omittedFrom = 0.0
  }

  /// What a curve does in a column; all NaN where it has no value there.
  struct Envelope {
    var first: Double
    var low: Double
    var high: Double
    var last: Double

    init(_ value: Double) {
      let value = value.isFinite ? value : .nan
      (first, low, high, last) = (value, value, value, value)
    }

    mutating func join(_ other: Envelope) {
      guard !other.first.isNaN else { return }
      guard !first.isNaN else {
        self = other
        return
      }
      low = min(low, other.low)
      high = max(high, other.high)
      last = other.last
    }
  }

  /// Neighbouring points as one.
  struct Column {
    var seconds: ClosedRange<Double>
    var points: UInt64
    /// Whether lines do not reach it from the column before.
    var isApart: Bool
    /// Of every curve of every panel, in order.
    var curves: [Envelope]
  }

  /// More columns than a picture has pixels across, and half of it still enough to look smooth.
  static let mostColumns = 1200
  /// Of a strip: more than can be told apart.
  static let mostChanges = 1000

  let title: String
  let panels: [Panel]
  private(set) var columns: [Column] = []
  private(set) var marks: [Mark] = []
  private(set) var strips: [Strip]
  /// From 0 to the last point, seconds.
  private(set) var duration = 0.0
  /// Points in a full column.
  private var stride: UInt64 = 1
  private var isInterrupted = false

  /// - Parameters:
  ///   - title: written above the picture.
  ///   - strips: titles of the rows of bands, from the top.
  package init(title: String, panels: [Panel], strips: [String] = []) {
    self.title = title
    self.panels = panels
    self.strips = strips.map { Strip(title: $0) }
  }

  /// Takes the next point.
  /// - Parameters:
  ///   - seconds: not before the last one.
  ///   - values: of every curve of every panel, in order. One that is not finite is none; a column of none
  ///     breaks the line.
  package mutating func add(seconds: Double, _ values: [Double]) {
    let seconds = max(seconds, duration)
    duration = seconds
    let point = Column(
      seconds: seconds...seconds, points: 1, isApart: isInterrupted, curves: values.map(Envelope.init))
    if let last = columns.last, last.points < stride, !isInterrupted {
      Self.join(&columns[columns.count - 1], point)
      return
    }
    if columns.count == Self.mostColumns { halve() }
    isInterrupted = false
    columns.append(point)
  }

  /// Lines do not reach from the last point to the next one.
  package mutating func interrupt() { isInterrupted = true }

  /// Marks a moment in every panel.
  package mutating func mark(seconds: Double, label: String, colour: String) {
    marks.append(Mark(seconds: seconds, label: label, colour: colour))
  }

  /// Says what is so in a strip from a moment on; nil where it is nothing.
  package mutating func setBand(strip: Int, seconds: Double, _ band: Band?) {
    guard band != strips[strip].current else { return }
    strips[strip].current = band
    if strips[strip].changes.count < Self.mostChanges {
      strips[strip].changes.append((seconds, band))
    } else {
      if strips[strip].omitted == 0 { strips[strip].omittedFrom = seconds }
      strips[strip].omitted += 1
    }
  }

  private mutating func halve() {
    for index in 0..<columns.count / 2 {
      var joined = columns[2 * index]
      Self.join(&joined, columns[2 * index + 1])
      columns[index] = joined
    }
    columns.removeLast(columns.count / 2)
    stride *= 2
  }

  private static func join(_ column: inout Column, _ other: Column) {
    column.seconds = column.seconds.lowerBound...other.seconds.upperBound
    column.points += other.points
    for index in column.curves.indices { column.curves[index].join(other.curves[index]) }
  }
}
